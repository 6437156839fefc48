"""Charts as inline SVG, drawn without a plotting package."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..calibration import CalibrationResult, Trial

WIDTH, HEIGHT = 640, 280
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 16, 44
_TICKS = 5


@dataclass(frozen=True)
class Point:
    """One trial in the chart: where it is drawn, whether it passed, and its text."""

    x: float
    y: float
    passed: bool
    is_holdout: bool
    title: str


@dataclass(frozen=True)
class Tick:
    """A mark on an axis: its place and its text."""

    at: float
    text: str


@dataclass(frozen=True)
class Chart:
    """A scatter chart, ready to be drawn; places are in SVG units."""

    points: tuple[Point, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    limit: float | None
    y_label: str
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    top: int = TOP
    bottom: int = HEIGHT - BOTTOM


def search_chart(calibration: CalibrationResult) -> Chart | None:
    """Return what the search tried: sparsity against what it cost, with the budget as a line.

    The cost is the drop of the metric, likely drops on the calibration data where there are any, or the
    information loss where that is bounded (it is smoother, too).

    Args:
        calibration: What ``calibrate`` returned.

    Returns:
        The chart, or None if nothing was tried.
    """
    trials = calibration.trials
    if not trials:
        return None
    # Without a budget, too, information lost says more than a metric that moves by single inputs.
    by_information = calibration.max_information_loss is not None or calibration.max_drop is None
    limit = calibration.max_information_loss if by_information else calibration.max_drop
    # Trials far beyond the budget, or beyond what a target came to, would press the rest to the axis.
    usual = calibration.calibration.information_loss if limit is None else limit
    costs = [_cost(trial, by_information) for trial in trials]
    largest = max((cost for cost in costs if math.isfinite(cost)), default=0.0)
    highest = max(3.0 * usual if 0.0 < usual < math.inf else largest, 1e-6)
    low = min(calibration.sparsity_before, *(trial.sparsity for trial in trials))
    high = max(trial.sparsity for trial in trials) + 1e-6

    def x(sparsity: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (sparsity - low) / (high - low)

    def y(cost: float) -> float:
        clipped = min(max(cost, 0.0), highest)
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * clipped / highest

    points = tuple(
        Point(
            x(trial.sparsity),
            y(cost),
            trial.passed,
            trial.stage == "holdout",
            _title(trial),
        )
        for trial, cost in zip(trials, costs, strict=True)
    )
    steps = [number / (_TICKS - 1) for number in range(_TICKS)]
    return Chart(
        points=points,
        x_ticks=tuple(
            Tick(x(low + step * (high - low)), f"{low + step * (high - low):.0%}") for step in steps
        ),
        y_ticks=tuple(Tick(y(step * highest), f"{step * highest:.2%}") for step in steps),
        limit=None if limit is None else y(limit),
        y_label="information lost" if by_information else "drop of the metric",
    )


def _cost(trial: Trial, by_information: bool) -> float:
    """Return the information lost, or what decided about the drop."""
    if by_information:
        return trial.score.information_loss
    searched = trial.score.searched_drop
    return max(trial.score.drop, searched) if trial.stage == "holdout" else searched


def _title(trial: Trial) -> str:
    verdict = "passed" if trial.passed else "refused"
    likely = "" if trial.score.likely_drop is None else f", likely drop {trial.score.likely_drop:.2%}"
    return (
        f"{trial.stage}: sparsity {trial.sparsity:.1%}, drop {trial.score.drop:.2%}{likely}, "
        f"information lost {trial.score.information_loss:.2%}, {verdict}"
    )
