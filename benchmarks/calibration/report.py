"""Fills tables and plot of docs/results/calibration.md from the measurements.

python -m benchmarks.calibration.report
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from zeroskip.calibration import MeasuredSpeed
from zeroskip.calibration.judging.statistics import count_interval
from zeroskip.files import atomic_write_text

from ..page.marks import between_marks
from ..page.words import table
from ..page.wrap import wrap, wrap_command
from . import plot, splits, strategies
from .methods import METHODS
from .result import BUDGETS, RESULTS, MethodResult, load_results

_PAGE = Path(__file__).resolve().parents[2] / "docs" / "results" / "calibration.md"
_IMAGE = "images/calibration.svg"
_POINT = 0.01
_LARGEST_SPREAD = 0.1
_BY_COUNT = "†"
_OF_THAT_TIME = (
    "found by counted drops alone, before likely drops guided the search; 'as (c)' there means (c) of that time"
)
_LOSSES = (0.003, 0.01, 0.03)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.calibration.report",
        description="Write tables and plot of docs/results/calibration.md.",
    )
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--page", type=Path, default=_PAGE)
    options = parser.parse_args(arguments)
    text = options.page.read_text(encoding="utf-8")
    results = _in_order(load_results(options.results))
    image = options.page.parent / _IMAGE
    picture = f"\n![Points lost against points of sparsity gained]({_IMAGE})\n" if plot.draw(results, image) else ""
    content = picture + tables(results)
    if (options.results / splits.NAME).exists():
        small = splits.SplitsResult.load(options.results / splits.NAME)
        text = between_marks(text, "splits", splits.tables(small))
    if rows := strategies.load_rows(options.results / strategies.FILE.name):
        text = between_marks(text, "strategies", strategies.tables(rows))
    atomic_write_text(options.page, wrap(between_marks(text, "results", content)))
    return 0


def tables(results: Sequence[MethodResult]) -> str:
    """Return Markdown: sparsity and speed by budget, what the holdout says, and how to repeat it.

    Args:
        results: By network, then in the order of the methods, then by split.
    """
    groups = [list(group) for _, group in groupby(results, key=lambda result: (result.network, result.method))]
    budgets = [f"{100 * budget:g} points" for budget in BUDGETS]
    losses = [f"{100 * loss:g}% information lost" for loss in _LOSSES]
    header = ["network, natural sparsity", "method", "splits", *budgets, *losses]
    by_budget = table(header, [_sparsities(group) for group in groups])
    details = ["network", "method", "drop on the holdout, 95 % interval", "information lost", "inputs", "CPU time"]
    at_one = table(details, [_details(group) for group in groups])
    by_count = any(result.is_by_count for result in results)
    note = f"{_BY_COUNT} {_OF_THAT_TIME}\n\n" if by_count else ""
    commands = "\n".join(
        map(wrap_command, (*dict.fromkeys(result.command for result in results), *_speed_commands(results)))
    )
    return (
        f"\n{by_budget}\n\n{note}At a budget of one point, first split ({_machine(results)}; CPU time is for all four "
        f"budgets):\n\n{at_one}\n\n```\n{commands}\n```\n\n"
    )


def _in_order(results: Sequence[MethodResult]) -> list[MethodResult]:
    order = list(METHODS)
    return sorted(results, key=lambda result: (result.network, order.index(result.method), result.seed))


def _sparsities(group: Sequence[MethodResult]) -> list[str]:
    first = group[0]
    name = f"{first.network}, {statistics.mean(result.sparsity_before for result in group):.1%} ({first.metric})"
    is_corrected = METHODS[first.method].compensation != "none"
    by_loss = ["" if is_corrected else _at_loss(group, loss) for loss in _LOSSES]
    by_budget = [_at_budget(group, budget) for budget in BUDGETS]
    mark = f" {_BY_COUNT}" if any(result.is_by_count for result in group) else ""
    return [name, METHODS[first.method].title + mark, str(len(group)), *by_budget, *by_loss]


def _at_loss(group: Sequence[MethodResult], loss: float) -> str:
    found = [(result.sparsity_at(loss), result.sparsity_before) for result in group]
    gains = [100 * (after - before) for after, before in found if after is not None]
    return f"+{statistics.mean(gains):.1f}" if len(gains) == len(group) else "-"


def _at_budget(group: Sequence[MethodResult], budget: float) -> str:
    method, points = METHODS[group[0].method], [result.at(budget) for result in group]
    if method.compensation != "none" and not any(point.kept_corrections for point in points):
        return "as (f)" if method.branches else "as (c)"
    gains = [100 * (point.sparsity - result.sparsity_before) for point, result in zip(points, group, strict=True)]
    cell = f"{statistics.mean(point.sparsity for point in points):.1%} (+{statistics.mean(gains):.1f})"
    if len(gains) > 1:
        cell += f" [{', '.join(f'{gain:.1f}' for gain in gains)}]"
    speeds = [point.speed.ratio for point in points if point.speed is not None and _is_certain(point.speed)]
    return f"{cell}, {statistics.mean(speeds):.2f}x" if speeds else cell


def _is_certain(speed: MeasuredSpeed) -> bool:
    return speed.high - speed.low <= _LARGEST_SPREAD * speed.ratio


def _details(group: Sequence[MethodResult]) -> list[str]:
    result = group[0]
    point = result.at(_POINT)
    drop = f"{100 * point.drop:+.1f}"
    interval = point.interval
    if result.metric == "agreement":  # a count; older results have an interval of no width where none was seen
        interval = count_interval(round(point.drop * result.holdout_samples), result.holdout_samples)
    if interval is not None:
        low, high = interval
        drop += f" ({100 * low:+.1f} to {100 * high:+.1f})"
    samples = f"{result.calibration_samples} + {result.holdout_samples}, {result.probe_samples} probes"
    lost = f"{point.information_loss:.1%}"
    return [result.network, METHODS[result.method].title, drop, lost, samples, f"{result.cpu_seconds:.0f} s"]


def _machine(results: Sequence[MethodResult]) -> str:
    return ", ".join(sorted({f"{result.cpu}, {result.isa}, 1 thread" for result in results}))


def _speed_commands(results: Sequence[MethodResult]) -> list[str]:
    networks: dict[int, dict[str, None]] = {}
    for result in results:
        for point in result.points:
            if point.speed is not None:
                networks.setdefault(point.speed.threads, {})[result.network] = None
    start = "python -m benchmarks.calibration.speed --data DATA --models MODELS"
    return [f"{start} --threads {threads} --network {','.join(names)}" for threads, names in sorted(networks.items())]


if __name__ == "__main__":
    sys.exit(main())
