"""Runs with a batch of nothing: there is nothing to compute, but the results have shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import ShapeError
from ..signature import InputShapes

if TYPE_CHECKING:
    from .region import Region


def has_empty_batch(shapes: InputShapes) -> bool:
    """Tell whether any dimension of any input is 0."""
    return any(0 in shape for shape in shapes)


def run_empty(region: Region, shapes: InputShapes, taps: tuple[str, ...] = ()) -> list[Any]:
    """Return the results of a run whose inputs have an empty first dimension.

    Every size in a plan is a linear function of the batch size, so two plans tell those at 0.

    Args:
        region: What would run.
        shapes: Shapes of its inputs, some with 0 in front.
        taps: Intermediate values to return after the outputs.

    Raises:
        ShapeError: If another dimension than the first is empty.
    """
    if any(0 in shape[1:] for shape in shapes):
        given = [list(shape) for shape in shapes]
        raise ShapeError(f"inputs have shapes {given}: only the first dimension may be empty")
    at_one, at_two = (_result_shapes(region, _with_batch(shapes, size), taps) for size in (1, 2))
    pairs = zip(at_one, at_two, strict=True)
    return [np.zeros(tuple(max(0, 2 * a - b) for a, b in zip(*pair, strict=True)), np.float32) for pair in pairs]


def _with_batch(shapes: InputShapes, size: int) -> InputShapes:
    return tuple((size, *shape[1:]) if shape and shape[0] == 0 else shape for shape in shapes)


def _result_shapes(region: Region, shapes: InputShapes, taps: tuple[str, ...]) -> list[tuple[int, ...]]:
    plan = region.compiled(shapes, taps).native.plan
    return [plan.tensors[index].shape for index in plan.outputs]
