"""Whether a metric tells a model from ones that do not look at their input; if not, a budget on it allows everything.

One such model answers the same to everything, the others give each input the answer to another one.
"""

from __future__ import annotations

import numpy as np

from ...errors import CalibrationError
from .outputs import Outputs
from .protocol import Labels, Metric

_SHUFFLES = 3
WITHOUT_TARGETS = ("agreement", "fidelity", "cosine", "neighbours")
"""Metrics that compare with the original: it is always right."""


def refuse_blind(metric: Metric, reference: Outputs, labels: Labels) -> None:
    """Refuse a metric by the targets of which the model is no better than one that does not look at its input.

    Top-1 has a test of its own, which says why (see ``baseline``).

    Args:
        metric: Judges outputs.
        reference: Of the dense model.
        labels: Targets, or None.

    Raises:
        CalibrationError: If it is no better.
    """
    if labels is None or metric.name in ("top1", *WITHOUT_TARGETS):
        return
    now, blind = metric.value(reference, reference, labels), _blind_value(metric, reference, labels)
    if blind is not None and blind >= now:
        raise CalibrationError(
            f"metric '{metric.name}' is {now:.4g} for the model and {blind:.4g} for one that does not look at its "
            "input: a budget on it would allow everything. Check the targets and the preprocessing, bound what the "
            "original says ('agreement', 'fidelity'), or insist with accept_baseline=True (--accept-baseline)"
        )


def check_function(metric: Metric, reference: Outputs, labels: Labels) -> tuple[str, ...]:
    """Refuse a user's metric that counts errors; return a note where it cannot tell such models at all.

    Args:
        metric: Judges outputs.
        reference: Of the dense model.
        labels: Targets, or None.

    Raises:
        CalibrationError: If it is better for models that do not look at their input, or differs from call to call.
    """
    now, count = metric.value(reference, reference, labels), reference.samples
    again = metric.value(reference, reference, labels)
    if not np.isclose(again, now, rtol=1e-6, atol=1e-12):
        raise CalibrationError(
            f"the metric '{metric.name}' is {now:.6g} and then {again:.6g} for the same outputs: it keeps a state or "
            "draws at random; start anew in every call"
        )
    others = [reference.take(np.roll(np.arange(count), count // 2)), *_constant(reference)]
    try:
        blind = [metric.value(reference, outputs, labels) for outputs in others]
    except CalibrationError:  # it cannot judge such outputs, and that says nothing
        return ()
    if min(blind) > now:
        raise CalibrationError(
            f"the metric '{metric.name}' is {now:.4g} for the model and {min(blind):.4g} for one that does not look at "
            "its input: lower seems to be better, and a budget on it would allow everything; return its negative"
        )
    if not np.allclose(blind, now, rtol=1e-6, atol=1e-12):
        return ()
    return (
        f"the metric '{metric.name}' is {now:.4g} for models that do not look at their input, too: a budget on it "
        "allows everything, only the loss of information is bounded",
    )


def _blind_value(metric: Metric, reference: Outputs, labels: Labels) -> float | None:
    """Return the best value of models that do not look at their input; None where none can be judged."""
    random = np.random.default_rng(0)
    shuffled = [reference.take(random.permutation(reference.samples)) for _ in range(_SHUFFLES)]
    found = []
    for group in (shuffled, _constant(reference)):
        try:
            values = [metric.value(reference, outputs, labels) for outputs in group]
        except CalibrationError:
            continue
        found += [float(np.mean(values))] if values else []
    return max(found, default=None)


def _constant(reference: Outputs) -> list[Outputs]:
    """Return the mean output for every input, where there is one."""
    if not all(isinstance(column, np.ndarray) and column.dtype.kind == "f" for column in reference.values()):
        return []
    means = {name: np.broadcast_to(column.mean(axis=0), column.shape) for name, column in reference.items()}
    return [Outputs({name: mean.astype(reference[name].dtype) for name, mean in means.items()}, reference.hidden)]
