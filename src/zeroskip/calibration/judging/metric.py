"""How good outputs are: the metric a budget is put on, and the information loss that guards it.

The *metric* is what a user understands and bounds (top-1, agreement). It moves in steps of one input, and it
saturates: a model that is sure of one class on nearly all data "agrees" with itself even when it has gone
blind and answers the same to everything. The *information loss* notices that. It is how far the outputs
moved, measured against how much they differ from input to input: 0 for equal outputs, about 1 for a model
whose outputs no longer depend on the input. Being smooth it also guides the search.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from ...errors import CalibrationError, ShapeError
from ...metrics import agreement, is_probability, kl_divergence, log_scores, log_softmax, predictions, top1
from .likely import expected_drop, fitted_temperature, likely_drop
from .losses import Losses

Outputs = NDArray[np.float32]
Labels = NDArray[np.int64] | None
MetricName = Literal["auto", "top1", "agreement", "fidelity"]
MetricFunction = Callable[[Outputs, Labels], float]

_LEAST_INFORMATION = 1e-9  # nats; a model that answers the same to everything carries none

METRICS: tuple[MetricName, ...] = ("auto", "top1", "agreement", "fidelity")


class Metric(Protocol):
    """Judges the outputs of a thresholded model."""

    @property
    def name(self) -> str:
        """What it is called in results."""
        ...

    def value(self, reference: Outputs, outputs: Outputs, labels: Labels) -> float:
        """Return the metric of ``outputs``, higher is better; ``reference`` are the dense model's."""
        ...

    def likely_drop(self, reference: Outputs, outputs: Outputs, counted: float) -> float | None:
        """Return how far the metric really falls if ``counted`` is its drop; None where no more is known than that."""
        ...

    def losses(self, reference: Outputs, outputs: Outputs, labels: Labels) -> Losses | None:
        """Return what each input lost; None where the metric is no sum over inputs."""
        ...

    def information_loss(self, reference: Outputs, outputs: Outputs) -> float:
        """Return how far the outputs moved against how much they differ between inputs, >= 0.

        Infinite for outputs that are not finite.
        """
        ...


@dataclass(frozen=True)
class ClassMetric:
    """For outputs ``[N, classes]``, logits or probabilities: top-1 with labels, agreement without.

    The information loss is ``mean KL(p_n || q_n) / mean KL(p_n || m)`` with p and q the class probabilities
    of the dense and of the thresholded model, and m the mean of p. The divisor is the mutual
    information between input and class that the dense outputs carry.

    Args:
        name: ``"top1"`` or ``"agreement"``.
        is_probability: Whether the outputs are probabilities already.
        temperature: With which the dense model's probabilities fit the labels; for top-1.
    """

    name: str
    is_probability: bool
    temperature: float | None = None

    def value(self, reference: Outputs, outputs: Outputs, labels: Labels) -> float:
        """See :class:`Metric`."""
        if self.name == "agreement" or labels is None:
            return agreement(reference, outputs)
        return top1(outputs, labels)

    def likely_drop(self, reference: Outputs, outputs: Outputs, counted: float) -> float | None:
        """See :class:`Metric`."""
        if self.temperature is None:
            return None
        scores, others = (log_scores(rows, probabilities=self.is_probability) for rows in (reference, outputs))
        expected = expected_drop(scores, others, self.temperature)
        return likely_drop(counted, expected, 1.0 - agreement(reference, outputs), len(scores))

    def losses(self, reference: Outputs, outputs: Outputs, labels: Labels) -> Losses:
        """See :class:`Metric`."""
        before, after = predictions(reference), predictions(outputs)
        changed = (before != after) | (after < 0)
        ones = np.ones(len(before), np.float32)
        if self.name == "agreement" or labels is None:
            return Losses("changes", changed.astype(np.float32), changed, None, ones)
        counted = (before == labels).astype(np.float32) - (after == labels)
        expected = None
        if self.temperature is not None:
            lost = self._expected(reference, before, after, self.temperature)
            expected = np.where(after < 0, np.inf, lost).astype(np.float32)
        return Losses("answers", counted, changed, expected, ones)

    def _expected(
        self, reference: Outputs, before: NDArray[np.int64], after: NDArray[np.int64], temperature: float
    ) -> NDArray[np.float64]:
        scores, rows = log_scores(reference, probabilities=self.is_probability), np.arange(len(before))
        probabilities = np.exp(log_softmax(scores / temperature))
        return np.asarray(probabilities[rows, before] - probabilities[rows, after])

    def information_loss(self, reference: Outputs, outputs: Outputs) -> float:
        """See :class:`Metric`."""
        lost = kl_divergence(reference, outputs, probabilities=self.is_probability)
        return lost / max(self._information(reference), _LEAST_INFORMATION)

    def _information(self, reference: Outputs) -> float:
        rows = self._probabilities(reference)
        mean = np.broadcast_to(rows.mean(axis=0), rows.shape)
        return kl_divergence(rows, mean, probabilities=True)

    def _probabilities(self, outputs: Outputs) -> NDArray[np.float64]:
        rows = outputs.reshape(len(outputs), -1).astype(np.float64)
        if self.is_probability:
            return rows
        exponentials = np.exp(rows - rows.max(axis=1, keepdims=True))
        return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True))


@dataclass(frozen=True)
class FidelityMetric:
    """For outputs without classes (embeddings, maps): the share of their variation that is preserved.

    ``1 - sum_n |y_n - z_n|^2 / sum_n |y_n - m|^2`` with y the dense model's outputs, m their mean over the
    inputs and z the other outputs: 1 where they are equal, 0 or less where z says nothing about the input.
    """

    name: str = "fidelity"

    def value(self, reference: Outputs, outputs: Outputs, labels: Labels) -> float:
        """See :class:`Metric`."""
        return 1.0 - self.information_loss(reference, outputs)

    def likely_drop(self, reference: Outputs, outputs: Outputs, counted: float) -> float | None:
        """See :class:`Metric`."""
        return None

    def losses(self, reference: Outputs, outputs: Outputs, labels: Labels) -> Losses:
        """See :class:`Metric`."""
        rows = reference.reshape(len(reference), -1).astype(np.float64)
        others = outputs.reshape(len(outputs), -1)
        error = np.square(rows - others).sum(axis=1)
        variation = np.square(rows - rows.mean(axis=0)).sum(axis=1)
        changed = (rows != others).any(axis=1)
        return Losses("amounts", error.astype(np.float32), changed, None, variation.astype(np.float32))

    def information_loss(self, reference: Outputs, outputs: Outputs) -> float:
        """See :class:`Metric`."""
        if not np.isfinite(outputs).all():
            return float("inf")
        rows = reference.reshape(len(reference), -1).astype(np.float64)
        error = float(np.square(rows - outputs.reshape(len(outputs), -1)).sum())
        variation = float(np.square(rows - rows.mean(axis=0)).sum())
        return error / max(variation, float(np.finfo(np.float32).tiny))


@dataclass(frozen=True)
class CustomMetric:
    """A caller's own function of outputs and labels, higher is better; the rest as for the outputs' kind."""

    function: MetricFunction
    base: ClassMetric | FidelityMetric

    @property
    def name(self) -> str:
        """Name of the function."""
        return getattr(self.function, "__name__", "custom")

    def value(self, reference: Outputs, outputs: Outputs, labels: Labels) -> float:
        """See :class:`Metric`.

        Raises:
            CalibrationError: If the function raises or returns no finite number.
        """
        try:
            value = float(self.function(outputs, labels))
        except Exception as error:
            raise CalibrationError(f"the metric '{self.name}' raised {type(error).__name__}: {error}") from error
        if not np.isfinite(value):
            raise CalibrationError(f"the metric '{self.name}' returned {value}, expected a finite number")
        return value

    def likely_drop(self, reference: Outputs, outputs: Outputs, counted: float) -> float | None:
        """See :class:`Metric`."""
        return None

    def losses(self, reference: Outputs, outputs: Outputs, labels: Labels) -> None:
        """See :class:`Metric`."""

    def information_loss(self, reference: Outputs, outputs: Outputs) -> float:
        """See :class:`Metric`."""
        return self.base.information_loss(reference, outputs)


def check_outputs(reference: Outputs) -> None:
    """Refuse outputs of the dense model from which nothing can be judged.

    Raises:
        CalibrationError: If some are not finite.
    """
    if not np.isfinite(reference).all():
        bad = int((~np.isfinite(reference.reshape(len(reference), -1)).all(axis=1)).sum())
        raise CalibrationError(
            f"the model itself gives NaN or infinite outputs on {bad} of {len(reference)} inputs: "
            "check the preprocessing"
        )


def choose_metric(wanted: str | MetricFunction, reference: Outputs, labels: Labels) -> Metric:
    """Return the metric to use.

    Args:
        wanted: ``"auto"`` is ``"top1"`` with labels; without, ``"agreement"`` for outputs ``[N, classes]``
            and ``"fidelity"`` for others. Or a function of outputs and labels.
        reference: Outputs of the dense model on the calibration data.
        labels: Class indices, or None.

    Raises:
        CalibrationError: If the metric is unknown or needs what is not there, lower is better of it, or the dense
            outputs are not finite.
    """
    check_outputs(reference)
    is_classes = _is_classes(reference)
    base = ClassMetric("agreement", is_probability(reference)) if is_classes else FidelityMetric()
    if callable(wanted):
        metric = CustomMetric(wanted, base)
        _check_direction(metric, reference, labels)
        return metric
    if wanted not in METRICS:
        raise CalibrationError(f"unknown metric {wanted!r}, known are {list(METRICS)} or a function")
    if wanted == "fidelity":
        return FidelityMetric()
    if wanted == "auto" and (labels is None or not is_classes):
        return base
    if not isinstance(base, ClassMetric):
        raise CalibrationError(
            f"metric '{wanted}' needs outputs [N, classes], the model's first output has shape "
            f"{list(reference.shape)}: use 'fidelity'"
        )
    if wanted == "agreement":
        return base
    return _top1(base, reference, labels)


def _check_direction(metric: CustomMetric, reference: Outputs, labels: Labels) -> None:
    """Refuse a metric that is better for models which do not look at the input: it counts errors.

    One such model answers the same to everything, the other one gives each input the answer to another one.
    """
    now = metric.value(reference, reference, labels)
    same = np.broadcast_to(reference.mean(axis=0), reference.shape).astype(reference.dtype)
    others = np.roll(reference, len(reference) // 2, axis=0)
    try:
        blind = [metric.value(reference, outputs, labels) for outputs in (same, others)]
    except CalibrationError:  # it cannot judge such outputs, and that says nothing
        return
    if min(blind) > now:
        raise CalibrationError(
            f"the metric '{metric.name}' is {now:.4g} for the model and {min(blind):.4g} for one that does not look at "
            "its input: lower seems to be better, and a budget on it would allow everything; return its negative"
        )


def _top1(base: ClassMetric, reference: Outputs, labels: Labels) -> ClassMetric:
    if labels is None:
        raise CalibrationError("metric 'top1' needs labels, and the data have none: use 'agreement'")
    try:
        value = top1(reference, labels)
    except ShapeError as error:
        raise CalibrationError(str(error)) from error
    if value == 0.0:  # a budget on it would allow everything
        raise CalibrationError(
            f"the model itself is right on none of {len(labels)} inputs: check the labels and the preprocessing, or "
            "use metric 'agreement'"
        )
    temperature = fitted_temperature(log_scores(reference, probabilities=base.is_probability), labels)
    return ClassMetric("top1", base.is_probability, temperature)


def agreement_of(reference: Outputs, outputs: Outputs) -> float | None:
    """Return the share of inputs that two models answer alike, None for outputs that are no classes.

    Args:
        reference: Of the dense model.
        outputs: Of the other one.
    """
    return agreement(reference, outputs) if _is_classes(reference) else None


def is_top1(wanted: str | MetricFunction, reference: Outputs) -> bool:
    """Say whether top-1 is what will be judged, if there are labels.

    Args:
        wanted: As for :func:`choose_metric`.
        reference: Outputs of the dense model.
    """
    return wanted in ("auto", "top1") and _is_classes(reference)


def _is_classes(reference: Outputs) -> bool:
    return sum(1 for axis in reference.shape[1:] if axis != 1) == 1
