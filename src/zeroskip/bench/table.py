"""Showing a :class:`BenchResult` in a terminal."""

from __future__ import annotations

from io import StringIO

from rich.console import Console, Group, RenderableType
from rich.text import Text

from ..fitted_table import Column, FittedTable
from ..text import time_cell
from .result import BenchResult, EngineResult

_TEXT_WIDTH = 100


def render_table(result: BenchResult) -> RenderableType:
    """Return what rich prints for a result: a table of the engines, and what one must know to judge it.

    Args:
        result: What :func:`bench` returned.
    """
    peer = result.best_peer
    columns = [
        Column("p50 ms"),
        Column("speed-up" if peer is None else f"vs {peer.label}"),
        Column("p90", 3),
        Column("p99", 4),
        Column("GFLOP/s", 5),
        Column("sparsity", 2),
        Column("error"),
    ]
    table = FittedTable("engine", columns)
    for row in result.rows:
        table.add_row(row.label, *_cells(result, row, peer))
    return Group(_title(result), table, *_notes(result), *_warnings(result))


def table_text(result: BenchResult) -> str:
    """Return :func:`render_table` as plain text, 100 columns wide.

    Args:
        result: What :func:`bench` returned.
    """
    console = Console(file=StringIO(), width=_TEXT_WIDTH, color_system=None, force_terminal=False, force_jupyter=False)
    with console.capture() as captured:
        console.print(render_table(result))
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def _title(result: BenchResult) -> Text:
    threads = f"{result.threads} thread" + ("s" if result.threads > 1 else "")
    return Text(f"batch {result.batch_size}, {threads}, {result.system.cpu}", style="bold")


def _cells(result: BenchResult, row: EngineResult, peer: EngineResult | None) -> list[str | Text]:
    if row.relative_difference is None:
        error: str | Text = "-"
    elif row.is_match:
        error = f"{row.relative_difference:.0e}"
    else:
        error = Text(f"{row.relative_difference:.0e} !", style="bold red")
    return [
        time_cell(row.p50_ms, 2),
        "-" if peer is None else _ratio(result, row, peer),
        time_cell(row.p90_ms, 2),
        time_cell(row.p99_ms, 2),
        "-" if row.gflops is None else f"{row.gflops:.0f}",
        "-" if row.sparsity_seen is None else f"{row.sparsity_seen:.1%}",
        error,
    ]


def _ratio(result: BenchResult, row: EngineResult, peer: EngineResult) -> str:
    if row is peer:
        return "1.00"
    low, high = result.speedup_range(row.label, peer.label)
    return f"{result.speedup(row.label, peer.label):.2f} ({low:.2f}-{high:.2f})"


def _notes(result: BenchResult) -> list[Text]:
    rounds = len(result.rows[0].round_p50_ms)
    dropped = f", {len(result.dropped_rounds)} left out" if result.dropped_rounds else ""
    facts = [f"{row.label}: {row.version}, {row.precision}, {row.description}" for row in result.rows]
    facts += [f"{row.label}: {row.accuracy}" for row in result.rows if row.accuracy is not None]
    facts += [_flips(row, result.tolerance) for row in result.rows if _has_flips(row)]
    facts.append(
        f"{rounds} interleaved rounds{dropped}, {result.seconds:g} s per engine; ratios of medians (range over rounds)"
    )
    facts.append(f"data: {result.data}")
    return [Text(fact, style="dim") for fact in facts]


def _has_flips(row: EngineResult) -> bool:
    return bool(row.is_match) and row.share_within_rounding is not None and row.share_within_rounding < 1.0


def _flips(row: EngineResult, tolerance: float) -> str:
    agreement = row.prediction_agreement
    predictions = "" if agreement is None else f"; predictions are the same on {agreement:.0%}"
    return (
        f"{row.label}: {row.share_within_rounding:.0%} of the inputs within {tolerance:g}, the others within "
        f"{row.accepted_difference:.1g}, as far as rounding moves them where a value lies at a threshold{predictions}"
    )


def _warnings(result: BenchResult) -> list[Text]:
    warnings = []
    if result.is_random_input:
        warnings.append("The inputs are noise: sparsity and speed-up say nothing about real data.")
    if result.is_unstable:
        warnings.append("The machine was too busy: engines fell to half speed in most rounds. Measure again.")
    if result.mismatches:
        names = ", ".join(result.mismatches)
        warnings.append(f"Outputs do not match: {names}. Times say nothing until this is explained.")
    return [Text(warning, style="bold red") for warning in warnings]
