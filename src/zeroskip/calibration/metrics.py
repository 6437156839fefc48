"""How good outputs are: the metric a budget is put on, the shift beside it, the damage that guides a search.

Three numbers, because one does not do. The *metric* is what a user understands and bounds (top-1,
agreement). It moves in steps of one input and it saturates: a model that is sure of one class on nearly all
data agrees with itself until it is broken. So where there are no labels the mean *shift* of the outputs is
bounded as well. The *damage* is smooth and has no unit; it only compares layers with each other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import CalibrationError, ShapeError
from ..metrics import agreement, is_probability, kl_divergence, top1

Outputs = NDArray[np.float32]
Labels = NDArray[np.int64] | None
MetricName = Literal["auto", "top1", "agreement", "fidelity"]
MetricFunction = Callable[[Outputs, Labels], float]

METRICS: tuple[MetricName, ...] = ("auto", "top1", "agreement", "fidelity")


class Metric(Protocol):
    """Judges the outputs of a thresholded model."""

    @property
    def name(self) -> str:
        """What it is called in results."""
        ...

    @property
    def has_shift_budget(self) -> bool:
        """Whether the budget shall bound the shift of the outputs as well."""
        ...

    def value(self, reference: Outputs, outputs: Outputs, labels: Labels) -> float:
        """Return the metric of ``outputs``, higher is better; ``reference`` are the dense model's."""
        ...

    def shift(self, reference: Outputs, outputs: Outputs) -> float:
        """Return how far the outputs moved on average, in [0, 1] for class probabilities."""
        ...

    def damage(self, reference: Outputs, outputs: Outputs) -> float:
        """Return a smooth measure of the harm done, >= 0, infinite for outputs that are not finite."""
        ...


@dataclass(frozen=True)
class ClassMetric:
    """For outputs ``[N, classes]``, logits or probabilities: top-1 with labels, agreement without.

    The shift is the mean total variation distance between the class probabilities, ``1/2 sum |p - q|``: the
    probability that has moved to other classes, on average. The damage is the mean KL divergence.
    """

    name: str
    is_probability: bool

    @property
    def has_shift_budget(self) -> bool:
        """Labels notice what agreement, saturated, does not."""
        return self.name == "agreement"

    def value(self, reference: Outputs, outputs: Outputs, labels: Labels) -> float:
        """See :class:`Metric`."""
        if self.name == "agreement" or labels is None:
            return agreement(reference, outputs)
        return top1(outputs, labels)

    def shift(self, reference: Outputs, outputs: Outputs) -> float:
        """See :class:`Metric`."""
        if not np.isfinite(outputs).all():
            return float("inf")
        first, second = self._probabilities(reference), self._probabilities(outputs)
        return float(np.abs(first - second).sum(axis=1).mean() / 2)

    def damage(self, reference: Outputs, outputs: Outputs) -> float:
        """See :class:`Metric`."""
        return kl_divergence(reference, outputs, probabilities=self.is_probability)

    def _probabilities(self, outputs: Outputs) -> NDArray[np.float64]:
        rows = outputs.reshape(len(outputs), -1).astype(np.float64)
        if self.is_probability:
            return rows
        exponentials = np.exp(rows - rows.max(axis=1, keepdims=True))
        return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True))


@dataclass(frozen=True)
class FidelityMetric:
    """For outputs without classes (embeddings, maps): the share of the output's energy that is preserved.

    ``1 - mean_n |y_n - z_n|^2 / |y_n|^2`` with y the dense model's output and z the other; 1 where they are
    equal.
    """

    name: str = "fidelity"
    has_shift_budget: bool = False

    def value(self, reference: Outputs, outputs: Outputs, labels: Labels) -> float:
        """See :class:`Metric`."""
        return 1.0 - self.damage(reference, outputs)

    def shift(self, reference: Outputs, outputs: Outputs) -> float:
        """See :class:`Metric`; the square root of the damage."""
        return float(np.sqrt(self.damage(reference, outputs)))

    def damage(self, reference: Outputs, outputs: Outputs) -> float:
        """See :class:`Metric`."""
        if not np.isfinite(outputs).all():
            return float("inf")
        first = reference.reshape(len(reference), -1).astype(np.float64)
        error = np.square(first - outputs.reshape(len(outputs), -1)).sum(axis=1)
        energy = np.square(first).sum(axis=1)
        return float(np.mean(error / np.maximum(energy, np.finfo(np.float32).tiny)))


@dataclass(frozen=True)
class CustomMetric:
    """A caller's own function of outputs and labels, higher is better; the rest as for the outputs' kind."""

    function: MetricFunction
    base: ClassMetric | FidelityMetric
    has_shift_budget: bool = False

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
            raise CalibrationError(
                f"the metric '{self.name}' raised {type(error).__name__}: {error}"
            ) from error
        if not np.isfinite(value):
            raise CalibrationError(f"the metric '{self.name}' returned {value}, expected a finite number")
        return value

    def shift(self, reference: Outputs, outputs: Outputs) -> float:
        """See :class:`Metric`."""
        return self.base.shift(reference, outputs)

    def damage(self, reference: Outputs, outputs: Outputs) -> float:
        """See :class:`Metric`."""
        return self.base.damage(reference, outputs)


def choose_metric(wanted: MetricName | MetricFunction, reference: Outputs, labels: Labels) -> Metric:
    """Return the metric to use.

    Args:
        wanted: ``"auto"`` is ``"top1"`` with labels; without, ``"agreement"`` for outputs ``[N, classes]``
            and ``"fidelity"`` for others. Or a function of outputs and labels.
        reference: Outputs of the dense model on the calibration data.
        labels: Class indices, or None.

    Raises:
        CalibrationError: If the metric is unknown or needs what is not there, or the dense outputs are not
            finite.
    """
    if not np.isfinite(reference).all():
        bad = int((~np.isfinite(reference.reshape(len(reference), -1)).all(axis=1)).sum())
        raise CalibrationError(
            f"the model itself gives NaN or infinite outputs on {bad} of {len(reference)} inputs: "
            "check the preprocessing"
        )
    is_classes = _is_classes(reference)
    base = ClassMetric("agreement", is_probability(reference)) if is_classes else FidelityMetric()
    if callable(wanted):
        return CustomMetric(wanted, base)
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


def _top1(base: ClassMetric, reference: Outputs, labels: Labels) -> ClassMetric:
    if labels is None:
        raise CalibrationError("metric 'top1' needs labels, and the data have none: use 'agreement'")
    try:
        top1(reference, labels)
    except ShapeError as error:
        raise CalibrationError(str(error)) from error
    return ClassMetric("top1", base.is_probability)


def _is_classes(reference: Outputs) -> bool:
    wide = [axis for axis in reference.shape[1:] if axis != 1]
    return len(wide) == 1


def describe_shift(metric: Metric, shift: float) -> str:
    """Return the shift in words a person understands."""
    kind: Any = metric.base if isinstance(metric, CustomMetric) else metric
    if isinstance(kind, ClassMetric):
        return f"{shift:.2%} of the probability moves to other classes on average"
    return f"outputs move by {shift:.2%} of their size on average"
