"""The plot of speed-up against sparsity; needs matplotlib."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..models.result import EXACT, CaseResult
from ..svg import draw_svg
from . import numbers

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw(cases: list[CaseResult], path: Path) -> bool:
    """Draw the networks with random weights at the most threads and the smallest batch, as SVG.

    Args:
        cases: All results.
        path: File to write.

    Returns:
        Whether there was something to draw and something to draw with.
    """
    points = _points(cases)
    return bool(points) and draw_svg(path, (7.0, 4.2), 10, partial(_draw_lines, points))


def _draw_lines(points: Mapping[str, list[tuple[float, float]]], figure: Figure) -> None:
    axes = figure.add_subplot()
    for name, values in points.items():
        sparsities, speedups = zip(*sorted(values), strict=True)
        axes.plot([100 * value for value in sparsities], speedups, marker="o", label=name)
    axes.axhline(1.0, color="0.5", linewidth=0.8)
    axes.set_xlabel("sparsity met, % (weighted by multiply-accumulates)")
    axes.set_ylabel("speed-up over the best other float32 engine")
    axes.set_ylim(bottom=0.0)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)


def _points(cases: list[CaseResult]) -> dict[str, list[tuple[float, float]]]:
    drawn = [case for case in cases if case.kind == "random" and case.bench.best_peer is not None]
    if not drawn:
        return {}
    setting = min((case.bench.batch_size, -case.bench.threads) for case in drawn)
    points = defaultdict(list)
    for case in drawn:
        speedup, sparsity = numbers.speedup(case.bench, EXACT), case.bench[EXACT].sparsity_seen
        is_wanted = (case.bench.batch_size, -case.bench.threads) == setting
        if is_wanted and speedup is not None and sparsity is not None:
            points[numbers.network_name(case)].append((sparsity, speedup))
    return points
