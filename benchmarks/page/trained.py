"""The section on trained networks: exact, and with thresholds and what these cost."""

from __future__ import annotations

from ..models.result import EXACT, THRESHOLDED, CaseResult
from . import numbers
from .words import TRAINED, environment, table

HEADER = ["network", "variant", "accuracy", "sparsity", "zeroskip, ms", "best other, ms", "speed-up"]


def section(cases: list[CaseResult]) -> list[str]:
    """Return the section's paragraphs; none without results."""
    chosen = [case for case in cases if case.kind == "trained"]
    if not chosen:
        return []
    parts = [TRAINED]
    for threads in sorted({case.bench.threads for case in chosen}, reverse=True):
        group = [case for case in chosen if case.bench.threads == threads]
        parts.append(table(HEADER, [row for case in group for row in rows(case)]))
        parts += list(dict.fromkeys(_environment(case) for case in group))
    return parts


def rows(case: CaseResult) -> list[list[str]]:
    """Return the rows of a table for one trained network."""
    labels = {row.label for row in case.bench.rows}
    return [_row(case, label) for label in (EXACT, THRESHOLDED) if label in labels]


def accuracy_text(case: CaseResult, label: str) -> str:
    """Return the accuracy before (and after) in a few words."""
    accuracy = case.accuracy
    if label == EXACT or accuracy is None:
        return "unchanged"
    change = f"{accuracy.baseline:.1%} -> {accuracy.optimized:.1%}"
    return f"{accuracy.metric} {change} ({accuracy.samples} inputs)"


def _row(case: CaseResult, label: str) -> list[str]:
    bench, ours = case.bench, case.bench[label]
    best = bench.best_peer
    return [
        numbers.network_name(case),
        "exact" if label == EXACT else "with thresholds",
        accuracy_text(case, label),
        numbers.sparsity_text(ours),
        f"{ours.p50_ms:.2f}",
        "-" if best is None else f"{best.p50_ms:.2f} ({numbers.peer_name(best)})",
        numbers.speedup_text(bench, label),
    ]


def _environment(case: CaseResult) -> str:
    bench = case.bench
    return environment(
        bench.system.cpu,
        numbers.isa_of(bench),
        bench.threads,
        bench.date,
        numbers.used_versions(bench),
        case.command,
    )
