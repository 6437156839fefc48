"""Writes the measured part of ``docs/calibration.md`` anew from the JSON files of ``benchmarks.calibration.run``.

python -m benchmarks.calibration.report
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from zeroskip.files import atomic_write_text

from ..page.words import table
from .result import RESULTS, MethodResult, load_results

_PAGE = Path(__file__).resolve().parents[2] / "docs" / "calibration.md"
_BUDGETS = (0.0, 0.005, 0.01, 0.02)
_METHODS = {
    "greedy": "(a) layer by layer, Kurtz et al.",
    "energy": "(b) equal energy",
    "sensitivity": "(c) sensitivity",
    "bias": "(d) c + bias correction",
    "reconstruct": "(e) c + reconstruction",
}
_CORRECTED = ("bias", "reconstruct")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.calibration.report", description="Write the tables of docs/calibration.md."
    )
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--page", type=Path, default=_PAGE)
    options = parser.parse_args(arguments)
    text = options.page.read_text(encoding="utf-8")
    pattern = re.compile(r"(<!-- results:begin[^>]*-->\n).*?(<!-- results:end -->)", re.DOTALL)
    content = tables(load_results(options.results))
    atomic_write_text(options.page, pattern.sub(lambda match: match[1] + content + match[2], text))
    return 0


def tables(results: Sequence[MethodResult]) -> str:
    """Return Markdown: sparsity by budget, then what was measured at one point."""
    order = list(_METHODS)
    ordered = sorted(results, key=lambda result: (result.network, order.index(result.method)))
    header = ["network, natural sparsity", "method", *(f"{100 * budget:g} points" for budget in _BUDGETS)]
    by_budget = table(header, [_sparsities(result) for result in ordered])
    details = ["network", "method", "drop on the holdout, 95 % interval", "speed-up", "inputs", "CPU time"]
    at_one = table(details, [_details(result) for result in ordered])
    commands = "\n".join(result.command for result in ordered)
    machine = ", ".join(sorted({f"{result.cpu}, {result.isa}, 1 thread" for result in ordered}))
    return (
        f"\n{by_budget}\n\nWhat `calibrate` returned at a budget of one point ({machine}):\n\n{at_one}\n\n"
        f"```\n{commands}\n```\n\n"
    )


def _sparsities(result: MethodResult) -> list[str]:
    name = f"{result.network}, {result.sparsity_before:.1%} ({result.metric})"
    return [name, _METHODS[result.method], *(_sparsity(result, budget) for budget in _BUDGETS)]


def _sparsity(result: MethodResult, budget: float) -> str:
    point = result.at(budget)
    if result.method in _CORRECTED and not result.kept_corrections:
        return "as (c)"
    if result.method in _CORRECTED and point.strength == 0.0:
        return "-"  # made for the thresholds of one point; weaker ones go without
    return f"{point.sparsity:.1%} (+{100 * (point.sparsity - result.sparsity_before):.1f})"


def _details(result: MethodResult) -> list[str]:
    drop = f"{100 * result.drop:+.1f}"
    if result.interval is not None:
        low, high = result.interval
        drop += f" ({100 * low:+.1f} to {100 * high:+.1f})"
    speed = "-" if result.measured_speedup is None else f"{result.measured_speedup:.2f}"
    samples = f"{result.calibration_samples} + {result.holdout_samples}, {result.probe_samples} probes"
    return [result.network, _METHODS[result.method], drop, speed, samples, f"{result.cpu_seconds:.0f} s"]


if __name__ == "__main__":
    sys.exit(main())
