"""The curve of accuracy against speed: points along a strategy's family, and which of them are efficient."""

from __future__ import annotations

from collections.abc import Sequence

from ...progress import Steps
from ..records import CurvePoint
from .search import GRID, Search

POINTS = 8
"""Points that are measured, apart from the model as it is."""
_FIRST_LOSS, _LAST_LOSS = 3e-4, 0.15


def trace(search: Search) -> tuple[CurvePoint, ...]:
    """Measure the curve on both sets of data.

    The points are spread evenly over the strengths between hardly any damage and much: an information loss
    of 0.0003 and of 0.15 on the calibration data; trials of the search between these are points too.

    Args:
        search: The family; its trials are used and added to.
    """
    steps = Steps(search.progress, "tracing the curve", POINTS + 2)
    first = max(_strength_of(search, _FIRST_LOSS), search.lowest)
    steps.advance()
    last = _strength_of(search, _LAST_LOSS)
    steps.advance()
    places = {round(GRID * (first + (last - first) * number / (POINTS - 1))) for number in range(POINTS)}
    known = {round(GRID * trial.strength) for trial in search.trials}
    points = []
    for place in sorted({0} | places | {place for place in known if first <= place / GRID <= last}):
        points.append(_point(search, place / GRID))
        steps.advance()
    steps.finish()
    return tuple(_marked(points))


def _strength_of(search: Search, loss: float) -> float:
    low, high = round(search.lowest * GRID), GRID
    while high - low > 1:
        middle = (low + high) // 2
        reached = search.trial(middle / GRID, on_holdout=False).score.information_loss
        low, high = (low, middle) if reached > loss else (middle, high)
    return low / GRID


def _point(search: Search, strength: float) -> CurvePoint:
    calibration = search.trial(strength, on_holdout=False)
    return CurvePoint(
        strength=strength,
        sparsity=calibration.sparsity,
        predicted_speedup=calibration.predicted_speedup,
        calibration=calibration.score,
        holdout=search.trial(strength, on_holdout=True).score,
        is_efficient=False,
    )


def _marked(points: Sequence[CurvePoint]) -> list[CurvePoint]:
    """Mark the points that no other one beats in speed without losing more."""
    result, least = [], float("inf")
    for point in sorted(points, key=lambda item: (-item.predicted_speedup, item.holdout.drop)):
        is_efficient = point.holdout.drop < least
        least = min(least, point.holdout.drop)
        result.append(point.model_copy(update={"is_efficient": is_efficient}))
    return sorted(result, key=lambda item: item.strength)
