"""What the page's figures show: the search or the curve, where the time goes, histograms with their thresholds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..analysis import ActivationSparsity, SparsityProfile
from ..calibration import CalibrationResult, Trial
from ..text import printable, time_words
from .figures import BAD, EXACT, INK, LINE, OURS, SOFT, draw

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LAYERS_SHOWN = 12
_TITLE_LENGTH = 34


@dataclass(frozen=True)
class Cost:
    """What the search bounded, as the vertical axis of its figure.

    Args:
        words: What it is.
        limit: The budget; None for none.
        highest: Upper end of the axis: what lies above is drawn there.
        by_information: Whether it is information lost, and not the metric.
    """

    words: str
    limit: float | None
    highest: float
    by_information: bool

    @classmethod
    def of(cls, calibration: CalibrationResult) -> Cost:
        """Choose the axis: information lost where that is bounded or nothing is, for it is smoother; else the drop."""
        by_information = calibration.max_information_loss is not None or calibration.max_drop is None
        limit = calibration.max_information_loss if by_information else calibration.max_drop
        # Trials far beyond the budget, or beyond what a target came to, would press the rest to the axis.
        usual = calibration.calibration.information_loss if limit is None else limit
        costs = [_cost(trial, by_information) for trial in calibration.trials]
        largest = max((cost for cost in costs if math.isfinite(cost)), default=0.0)
        highest = max(3.0 * usual if 0.0 < usual < math.inf else largest, 1e-6)
        return cls("information lost" if by_information else "drop of the metric", limit, highest, by_information)

    def at(self, trial: Trial) -> float:
        """Return where a trial is drawn, within the axis."""
        return min(max(_cost(trial, self.by_information), 0.0), self.highest)


def _cost(trial: Trial, by_information: bool) -> float:
    """Return the information lost, or what decided about the drop."""
    if by_information:
        return trial.score.information_loss
    searched = trial.score.searched_drop
    return max(trial.score.drop, searched) if trial.stage == "holdout" else searched


def draw_search(calibration: CalibrationResult) -> str | None:
    """Return accuracy against speed as the search saw it: every set it tried, and the budget. None if it tried none."""
    trials = calibration.trials
    if not trials:
        return None
    cost = Cost.of(calibration)

    def paint(axes: Axes) -> None:
        for is_holdout, marker in ((False, "o"), (True, "s")):
            for passed in (False, True):
                chosen = [item for item in trials if (item.stage == "holdout", item.passed) == (is_holdout, passed)]
                axes.plot(
                    [item.predicted_speedup for item in chosen],
                    [100 * cost.at(item) for item in chosen],
                    marker,
                    color=OURS if passed else BAD,
                    markerfacecolor=OURS if passed else "none",
                    markersize=6,
                    clip_on=False,
                )
        if cost.limit is not None:
            axes.axhline(100 * cost.limit, color=BAD, linewidth=1, linestyle="--")
            axes.annotate(
                "budget",
                (1, 100 * cost.limit),
                (0, 3),
                ("axes fraction", "data"),
                "offset points",
                ha="right",
                color=SOFT,
            )
        axes.set_xlabel("predicted speed-up over the model as it is")
        axes.set_ylabel(f"{cost.words}, %")
        axes.set_ylim(0, 105 * cost.highest)
        axes.grid(alpha=0.6)

    passed = sum(item.passed for item in trials)
    words = f"{len(trials)} threshold sets tried, {passed} within the budget: predicted speed-up against {cost.words}"
    return draw(6.4, 3.0, paint, words)


def draw_curve(calibration: CalibrationResult) -> str | None:
    """Return accuracy against speed on the holdout, point by point; None unless a curve was asked for."""
    points = calibration.curve
    if not points:
        return None
    efficient = [point for point in points if point.is_efficient]

    def paint(axes: Axes) -> None:
        for chosen, colour, line in ((points, SOFT, "none"), (efficient, OURS, "-")):
            speeds = [point.predicted_speedup for point in chosen]
            drops = [100 * point.holdout.drop for point in chosen]
            axes.plot(speeds, drops, marker="o", markersize=5, color=colour, linestyle=line)
        if calibration.max_drop is not None:
            axes.axhline(100 * calibration.max_drop, color=BAD, linewidth=1, linestyle="--")
        axes.set_xlabel("predicted speed-up over the model as it is")
        axes.set_ylabel("drop on the holdout, points")
        axes.grid(alpha=0.6)

    return draw(6.4, 3.0, paint, f"accuracy against speed at {len(points)} strengths of the thresholds")


def draw_time(before: SparsityProfile, after: SparsityProfile) -> str | None:
    """Return where the time goes, layer by layer, before and after; the longest ones and the rest together."""
    if not before.layers:
        return None
    now = {layer.name: layer.latency_ms for layer in after.layers}
    largest = sorted(before.layers, key=lambda layer: -layer.latency_ms)[:_LAYERS_SHOWN]
    shown = [layer for layer in before.layers if layer in largest]
    rows = [(short(layer.title), layer.latency_ms, now.get(layer.name, layer.latency_ms)) for layer in shown]
    rest_before = before.latency_ms - sum(row[1] for row in rows)
    rest_after = after.latency_ms - sum(row[2] for row in rows)
    rows.append(("all other steps", max(0.0, rest_before), max(0.0, rest_after)))

    def paint(axes: Axes) -> None:
        places = np.arange(len(rows))
        axes.barh(places - 0.2, [row[1] for row in rows], 0.38, color=EXACT)
        axes.barh(places + 0.2, [row[2] for row in rows], 0.38, color=OURS)
        axes.set_yticks(places, [row[0] for row in rows])
        axes.invert_yaxis()
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel("ms per run")

    times = f"{time_words(before.latency_ms)} before, {time_words(after.latency_ms)} after"
    return draw(6.4, 0.8 + 0.3 * len(rows), paint, f"time of the {len(shown)} longest layers; the whole: {times}")


@dataclass(frozen=True)
class HistogramFigure:
    """The values of one activation.

    Args:
        title: What it is called.
        words: Zeros and threshold in words, under the figure.
        svg: The figure; empty without matplotlib.
    """

    title: str
    words: str
    svg: str


def draw_histograms(
    activations: Sequence[ActivationSparsity], calibration: CalibrationResult, draws: bool
) -> list[HistogramFigure]:
    """Return for every activation how its values lie, and where its threshold.

    Args:
        activations: Of the original model.
        calibration: For the thresholds.
        draws: Whether to draw, and not only to say.
    """
    found = []
    for item in activations:
        if item.histogram is None:
            continue
        title = item.label or item.name
        threshold = np.atleast_1d(np.asarray(calibration.thresholds.thresholds.get(item.name, 0.0), np.float64))
        words = f"{item.sparsity:.1%} zeros as it is; {_threshold_words(threshold)}"
        found.append(HistogramFigure(title, words, _histogram(item, threshold, f"{title}: {words}") if draws else ""))
    return found


def _threshold_words(threshold: np.ndarray[Any, np.dtype[np.float64]]) -> str:
    low, high = float(threshold.min()), float(threshold.max())
    if high == 0.0:
        return "no threshold"
    if low == high:
        return f"threshold {high:.3g}"
    return f"thresholds {low:.3g} to {high:.3g} by channel, median {float(np.median(threshold)):.3g}"


def _histogram(item: ActivationSparsity, threshold: np.ndarray[Any, np.dtype[np.float64]], words: str) -> str:
    histogram = item.histogram
    assert histogram is not None
    edges = np.linspace(0.0, histogram.upper, len(histogram.counts) + 1)

    def paint(axes: Axes) -> None:
        axes.stairs(histogram.counts, edges, fill=True, color=EXACT, alpha=0.75)
        low, middle, high = np.minimum(np.quantile(threshold, (0.0, 0.5, 1.0)), histogram.upper)
        if high > 0.0:
            if low < high:
                axes.axvspan(low, high, color=OURS, alpha=0.25, linewidth=0)
            axes.axvline(middle, color=INK, linewidth=1.4)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.spines["bottom"].set_color(LINE)
        axes.set_xlim(0.0, histogram.upper)
        axes.locator_params(axis="x", nbins=4)

    return draw(2.6, 1.1, paint, words)


def short(title: str) -> str:
    """Return a name that fits beside a figure: its end, which tells layers apart."""
    text = printable(title)
    return text if len(text) <= _TITLE_LENGTH else f"...{text[3 - _TITLE_LENGTH :]}"
