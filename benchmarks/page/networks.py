"""The section on networks with random weights: a summary of ratios, the plot, and all times."""

from __future__ import annotations

from itertools import groupby

from zeroskip.bench import BenchResult

from ..models.result import EXACT, CaseResult
from . import numbers
from .words import RANDOM, environment, table

_ORDER = ("resnet50", "resnet18", "vgg16", "mobilenet_v1", "squeezenet_1_1")


def section(cases: list[CaseResult], plot_file: str | None) -> list[str]:
    """Return the section's paragraphs; none without results.

    Args:
        cases: All results.
        plot_file: The plot, relative to the page, if there is one.
    """
    chosen = sorted((case for case in cases if case.kind == "random"), key=_place)
    if not chosen:
        return []
    parts = [RANDOM]
    if plot_file:
        parts.append(f"![Speed-up over the best other engine, against sparsity]({plot_file})")
    parts.append(_summary(chosen))
    for (batch_size, threads), group in groupby(chosen, key=_setting):
        title = f"### All times, batch {batch_size}, {threads} thread{'s' if threads > 1 else ''}"
        parts += [title, *_times(list(group))]
    return parts


def _place(case: CaseResult) -> tuple[int, int, int, str, float]:
    place = _ORDER.index(case.network) if case.network in _ORDER else len(_ORDER)
    return (*_setting(case), place, case.network, case.target_sparsity or 0.0)


def _setting(case: CaseResult) -> tuple[int, int]:
    return case.bench.batch_size, case.bench.threads


def _summary(cases: list[CaseResult]) -> str:
    by_sparsity = sorted(cases, key=lambda case: case.target_sparsity or 0.0)
    variants = list(dict.fromkeys(case.variant for case in by_sparsity))
    cells: dict[tuple[str, int, int], dict[str, str]] = {}
    for case in cases:
        value = numbers.speedup(case.bench, EXACT)
        key = (numbers.network_name(case), *_setting(case))
        cells.setdefault(key, {})[case.variant] = "-" if value is None else f"{value:.2f}"
    rows = [
        [name, str(batch), str(threads), *(values.get(variant, "") for variant in variants)]
        for (name, batch, threads), values in cells.items()
    ]
    return "Speed-up over the fastest other float32 engine:\n\n" + table(
        ["network", "batch", "threads", *variants], rows
    )


def _times(cases: list[CaseResult]) -> list[str]:
    rows_of_peers = [row for case in cases for row in numbers.peers(case.bench)]
    engines = list(dict.fromkeys(numbers.peer_name(row) for row in rows_of_peers))
    times = [f"{name}, ms" for name in ("zeroskip", *engines)]
    header = ["network", "set to", "sparsity", *times, "speed-up"]
    rows = [_row(case, engines) for case in cases]
    return [table(header, rows), *_environments(cases)]


def _row(case: CaseResult, engines: list[str]) -> list[str]:
    bench = case.bench
    times = {numbers.peer_name(row): f"{row.p50_ms:.2f}" for row in numbers.peers(bench)}
    ours = bench[EXACT]
    return [
        numbers.network_name(case),
        case.variant,
        numbers.sparsity_text(ours),
        f"{ours.p50_ms:.2f}",
        *(times.get(name, "") for name in engines),
        numbers.speedup_text(bench, EXACT),
    ]


def _environments(cases: list[CaseResult]) -> list[str]:
    """Return one line for each command that the rows come from."""
    by_command: dict[str, BenchResult] = {}
    for case in cases:
        by_command.setdefault(case.command, case.bench)
    return [
        environment(
            bench.system.cpu,
            numbers.isa_of(bench),
            bench.threads,
            bench.date,
            numbers.used_versions(bench),
            command,
        )
        for command, bench in by_command.items()
    ]
