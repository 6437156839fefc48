"""The plot of what sparsity costs, network by network; needs matplotlib."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zeroskip.files import atomic_path
from zeroskip.isotonic import monotone

from .methods import METHODS
from .result import MethodResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Without the salt the file would differ from run to run on the same numbers.
_STYLE: dict[Any, Any] = {"svg.hashsalt": "zeroskip", "font.size": 9}
_COLUMNS = 2
_LARGEST_DROP = 4.0
_LEAST_DROP = -0.5


def draw(results: Sequence[MethodResult], path: Path) -> bool:
    """Draw drop against gained sparsity, one chart per network, as SVG.

    Lines are the ascending fits through what searches tried on the calibration half; marks are what was
    returned under each budget, with its drop on the holdout. Only the first split is drawn.

    Args:
        results: All results.
        path: File to write.

    Returns:
        Whether there was something to draw and something to draw with.
    """
    order = list(METHODS)
    drawn = sorted(results, key=lambda result: (result.network, order.index(result.method), result.seed))
    networks = [(name, list(group)) for name, group in groupby(drawn, key=lambda result: result.network)]
    if not networks or importlib.util.find_spec("matplotlib") is None:
        return False
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(_STYLE):
        rows = -(-len(networks) // _COLUMNS)
        figure = Figure(figsize=(4.4 * _COLUMNS, 2.9 * rows + 0.6), layout="constrained")
        charts = figure.subplots(rows, _COLUMNS, squeeze=False).flat
        for axes, (name, group) in zip(charts, networks, strict=False):
            _draw_network(axes, name, [result for result in group if result.seed == group[0].seed])
        for axes in list(charts):
            axes.set_visible(False)
        lines = {f"C{number}": METHODS[method].title for number, method in enumerate(METHODS)}
        handles = [mpl.lines.Line2D([], [], color=color, marker="o", label=title) for color, title in lines.items()]
        figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False)
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as temporary:
            figure.savefig(temporary, format="svg", metadata={"Date": None})
    return True


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
    trials = sorted(
        (trial for trial in result.trials if trial.stage == "search"), key=lambda trial: trial.strength
    )
    drops = [100 * float(drop) for drop in monotone([trial.score.drop for trial in trials])]
    shown = sum(drop <= _LARGEST_DROP for drop in drops) + 1
    return [_gain(result, trial.sparsity) for trial in trials[:shown]], drops[:shown]


def _gain(result: MethodResult, sparsity: float) -> float:
    return 100 * (sparsity - result.sparsity_before)
