"""How good outputs are: the metric a budget is put on, and what it has to tell of itself.

The *metric* is what a user understands and bounds (top-1, agreement). It moves in steps of one input, and it
saturates: a model that is sure of one class on nearly all data "agrees" with itself even when it has gone
blind and answers the same to everything. The *information loss* notices that. It is how far the outputs
moved, measured against how much they differ from input to input: 0 for equal outputs, about 1 for a model
whose outputs no longer depend on the input. Being smooth it also guides the search.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...errors import CalibrationError
from .losses import Losses
from .outputs import Outputs

Labels: TypeAlias = Any
"""Targets: class indices int64 ``[N]``, or targets of any shape; None where there are none."""
MetricFunction = Callable[[Any, Any], float]
"""Of the outputs by name, see :class:`Outputs`, and the targets."""

LEAST_INFORMATION = 1e-9  # nats; a model that answers the same to everything carries none


class Metric(Protocol):
    """Judges the outputs of a thresholded model. Outputs are :class:`Outputs`, or the array of the only one."""

    @property
    def name(self) -> str:
        """What it is called in results."""
        ...

    def value(self, reference: Any, outputs: Any, labels: Labels) -> float:
        """Return the metric of ``outputs``, higher is better; ``reference`` are the dense model's."""
        ...

    def likely_drop(self, reference: Any, outputs: Any, counted: float) -> float | None:
        """Return how far the metric really falls if ``counted`` is its drop; None where no more is known than that."""
        ...

    def losses(self, reference: Any, outputs: Any, labels: Labels) -> Losses | None:
        """Return what each input lost; None where the metric is no sum over inputs."""
        ...

    def information_loss(self, reference: Any, outputs: Any) -> float:
        """Return how far the outputs moved against how much they differ between inputs, >= 0.

        Infinite for outputs that are not finite.
        """
        ...


def pick(outputs: Any, name: str) -> NDArray[Any]:
    """Return the output that is judged as an array ``[N, ...]``.

    Args:
        outputs: All of them, or the array itself.
        name: Which; the only one by default.

    Raises:
        CalibrationError: If it is no array: single inputs give outputs of different shapes.
    """
    if not isinstance(outputs, Outputs):
        return np.asarray(outputs)
    if not name:
        return outputs.only
    column = outputs[name]
    if not isinstance(column, np.ndarray):
        raise CalibrationError(f"output '{name}' has another shape for every input: this metric needs arrays [N, ...]")
    return column
