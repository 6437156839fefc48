"""The plot of what sparsity costs, network by network; needs matplotlib."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from zeroskip.isotonic import monotone

from ..svg import draw_svg
from .methods import METHODS
from .result import MethodResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLUMNS = 2
_LARGEST_DROP = 4.0
_LEAST_DROP = -0.5


def draw(results: Sequence[MethodResult], path: Path) -> bool:
    """Draw drop against gained sparsity, one chart per network, as SVG.

    Lines are the ascending fits through what searches tried on the calibration half; marks are what was
    returned under each budget, with its drop on the holdout. Only the first split is drawn.

    Args:
        results: All results, those of a network together and in the order of the tables.
        path: File to write.

    Returns:
        Whether there was something to draw and something to draw with.
    """
    networks = {name: list(group) for name, group in groupby(results, key=lambda result: result.network)}
    size = (4.4 * _COLUMNS, 2.9 * _rows(networks) + 0.6)
    return bool(networks) and draw_svg(path, size, 9, partial(_draw_networks, networks))


def _rows(networks: Mapping[str, Sequence[MethodResult]]) -> int:
    return -(-len(networks) // _COLUMNS)


def _draw_networks(networks: Mapping[str, Sequence[MethodResult]], figure: Figure) -> None:
    charts = figure.subplots(_rows(networks), _COLUMNS, squeeze=False).flat
    for axes, (name, group) in zip(charts, networks.items(), strict=False):
        _draw_network(axes, name, [result for result in group if result.seed == group[0].seed])
    for axes in list(charts):
        axes.set_visible(False)
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=f"C{number}", marker="o", label=method.title)
        for number, method in enumerate(METHODS.values())
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False)


def _draw_network(axes: Axes, name: str, results: Sequence[MethodResult]) -> None:
    for result in results:
        method = METHODS[result.method]
        color = f"C{list(METHODS).index(result.method)}"
        if method.compensation == "none":
            gains, drops = _fitted(result)
            axes.plot(gains, drops, color=color, linewidth=1.2)
        marks = [(_gain(result, point.sparsity), 100 * point.drop) for point in result.points if point.budget > 0.0]
        axes.plot(*zip(*marks, strict=True), color=color, marker="o", markersize=4, linestyle="none")
    axes.set_title(f"{name} ({results[0].metric})", fontsize=9)
    axes.set_xlabel("points of sparsity gained")
    axes.set_ylabel("points lost")
    axes.set_ylim(_LEAST_DROP, _LARGEST_DROP)
    axes.set_xlim(0.0)
    axes.grid(alpha=0.3)


def _fitted(result: MethodResult) -> tuple[list[float], list[float]]:
    """Return gained sparsity and fitted drop on the calibration half, in points, up to the first beyond the chart."""
    trials = sorted((trial for trial in result.trials if trial.stage == "search"), key=lambda trial: trial.strength)
    drops = [100 * float(drop) for drop in monotone([trial.score.drop for trial in trials])]
    shown = sum(drop <= _LARGEST_DROP for drop in drops) + 1
    return [_gain(result, trial.sparsity) for trial in trials[:shown]], drops[:shown]


def _gain(result: MethodResult, sparsity: float) -> float:
    return 100 * (sparsity - result.sparsity_before)
