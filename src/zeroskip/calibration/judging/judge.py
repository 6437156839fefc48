"""Judge: the metric that is bounded, and beside it how much of the information in every output is left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...errors import CalibrationError, ShapeError
from ...metrics import agreement, is_probability, log_scores, nearest_kept, top1
from .answers import AnswerMetric
from .classes import ClassMetric
from .fidelity import FidelityMetric, are_labels
from .kinds import OutputKind
from .likely import Confidence
from .losses import Losses
from .outputs import Outputs
from .protocol import Labels, Metric, pick


@dataclass(frozen=True)
class Judge:
    """Judges the outputs of a thresholded model; a :class:`Metric` of all outputs.

    Args:
        metric: What is bounded.
        guards: By output what measures the information that is lost in it.
        kinds: By output what it is.
        notes: What was decided about metric and outputs, one sentence each.
    """

    metric: Metric
    guards: Mapping[str, Metric]
    kinds: Mapping[str, OutputKind]
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Name of the metric."""
        return self.metric.name

    @property
    def output(self) -> str:
        """Name of the output that the metric judges; empty where it judges all of them."""
        return str(getattr(self.metric, "output", ""))

    def value(self, reference: Any, outputs: Any, labels: Labels) -> float:
        """See :class:`Metric`."""
        return self.metric.value(reference, outputs, labels)

    def likely_drop(self, reference: Any, outputs: Any, counted: float) -> float | None:
        """See :class:`Metric`."""
        return self.metric.likely_drop(reference, outputs, counted)

    def losses(self, reference: Any, outputs: Any, labels: Labels) -> Losses | None:
        """See :class:`Metric`."""
        return self.metric.losses(reference, outputs, labels)

    def information_loss(self, reference: Any, outputs: Any) -> float:
        """See :class:`Metric`; the largest over the outputs."""
        return max(self.losses_by_output(reference, outputs).values(), default=0.0)

    def losses_by_output(self, reference: Any, outputs: Any) -> dict[str, float]:
        """Return the information loss of each output."""
        first, second = Outputs.of(reference), Outputs.of(outputs)
        return {name: guard.information_loss(first, second) for name, guard in self.guards.items()}

    def agreement(self, reference: Any, outputs: Any) -> float | None:
        """Return the share of inputs that two models answer alike, None where the output judged has no classes."""
        first, second = Outputs.of(reference), Outputs.of(outputs)
        name = self._shown_output("classes")
        if name is not None:
            return agreement(pick(first, name), pick(second, name))
        name = self._shown_output("answers")
        return None if name is None else AnswerMetric("agreement", name).value(first, second, None)

    def neighbours(self, reference: Any, outputs: Any) -> float | None:
        """Return the share of inputs whose nearest neighbour stays the same, None where no output is an embedding."""
        name = self._shown_output("embedding")
        first = None if name is None else pick(Outputs.of(reference), name)
        if name is None or first is None or len(first) < 3:
            return None
        return float(nearest_kept(first, pick(Outputs.of(outputs), name)).mean())

    def resampled_drops(self, reference: Any, outputs: Any, labels: Labels, draws: Any) -> list[float] | None:
        """Return the drop for other selections of the inputs, where the metric has a quick way to that."""
        quick = getattr(self.metric, "resampled_drops", None)
        return None if quick is None else quick(reference, outputs, labels, draws)

    def _shown_output(self, kind: str) -> str | None:
        fitting = [name for name, item in self.kinds.items() if item.kind == kind]
        if self.output in self.kinds:
            return self.output if self.output in fitting else None
        return fitting[0] if len(fitting) == 1 else None


def guards_of(
    reference: Outputs, kinds: Mapping[str, OutputKind], input_shapes: Sequence[Any] | None = None
) -> dict[str, Metric]:
    """Return what measures the information lost in each output that can be compared input by input.

    Where the shape of an output depends on values (boxes that were found), what the model hands over to that part of
    it stands in for it.

    Args:
        reference: Outputs of the dense model.
        kinds: By output what it is.
        input_shapes: Shape of every input; None where all are alike.
    """
    shown = [name for name in reference if name not in reference.hidden]
    fitting = [name for name in shown if is_comparable(reference[name], input_shapes)]
    if sum(not are_labels(reference[name]) for name in fitting) < len(shown):  # what labels are made of says more
        fitting += [name for name in reference if name in reference.hidden]
    found: dict[str, Metric] = {}
    for name in fitting:
        column = reference[name]
        if name in kinds and kinds[name].kind == "classes" and isinstance(column, np.ndarray):
            found[name] = ClassMetric("agreement", is_probability(column), output=name)
        elif name in kinds and kinds[name].kind == "answers":
            found[name] = AnswerMetric("agreement", name)
        else:
            found[name] = FidelityMetric(output=name)
    return found


def is_comparable(column: Any, input_shapes: Sequence[Any] | None = None) -> bool:
    """Whether an output is numbers, labels or texts, and its shape follows from the shape of the input."""
    rows = [np.asarray(row) for row in column]
    if any(row.dtype.kind not in "fiub" and not are_labels(row) for row in rows) or not any(row.size for row in rows):
        return False
    if isinstance(column, np.ndarray):
        return True
    shapes = [None] * len(rows) if input_shapes is None else list(input_shapes)
    return len(set(zip(shapes, (row.shape for row in rows), strict=True))) == len(set(shapes))


def top_metric(base: ClassMetric, reference: Any, labels: Labels, k: int = 1) -> ClassMetric:
    """Return top-1, or top-k, for outputs with classes.

    Raises:
        CalibrationError: If there are no labels, or they do not fit.
    """
    name = f"top{k}"
    require_labels(name, labels)
    rows = pick(reference, base.output)
    try:
        value = top1(rows, labels)
    except ShapeError as error:
        raise CalibrationError(str(error)) from error
    if k == 1:
        refuse_none_right(value, len(labels))
    if k > 1:
        return replace(base, name=name)
    confidence = Confidence.fitted(log_scores(rows, probabilities=base.is_probability), labels)
    return replace(base, name=name, confidence=confidence)


def require_labels(name: str, labels: Labels) -> None:
    """Refuse a metric that needs labels where there are none.

    Raises:
        CalibrationError: If there are none.
    """
    if labels is None:
        raise CalibrationError(f"metric '{name}' needs labels, and the data have none: use 'agreement'")


def refuse_none_right(value: float, samples: int) -> None:
    """Refuse a share of right answers of 0: a budget on it would allow everything.

    Raises:
        CalibrationError: If it is 0.
    """
    if value == 0.0:
        raise CalibrationError(
            f"the model itself is right on none of {samples} inputs: check the labels and the preprocessing, or "
            "use metric 'agreement'"
        )
