"""Fills the tables of docs/finetuning.md from the logs and measurements in benchmarks/results/finetuning.

python -m benchmarks.finetuning.report
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from zeroskip.files import atomic_write_text

from .result import RESULTS, RunResult, Variant, load_results
from .runs import METHODS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "finetuning.md"
_BEGIN, _END = "<!-- measured: begin -->", "<!-- measured: end -->"
_WORDS = {
    "plain": "plain fine-tuning",
    "l1": "L1",
    "hoyer_square": "Hoyer-square",
    "transformed_l1": "transformed L1",
    "recipe": "full recipe",
}


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.finetuning.report")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--page", type=Path, default=PAGE)
    options = parser.parse_args(arguments)
    text = options.page.read_text(encoding="utf-8")
    before, rest = text.split(_BEGIN)
    after = rest.split(_END)[1]
    made = section(load_results(options.results))
    atomic_write_text(options.page, f"{before}{_BEGIN}\n{made}\n{_END}{after}")
    return 0


def section(results: Sequence[RunResult]) -> str:
    """Return the measured part of the page in Markdown."""
    if not results:
        return "Nothing has been measured yet."
    networks = list(dict.fromkeys(result.network for result in results))
    return "\n\n".join(table([result for result in results if result.network == name]) for name in networks)


def table(results: Sequence[RunResult]) -> str:
    """Return the table of one network."""
    first = results[0]
    rows: dict[tuple[str, float | None], list[Variant]] = defaultdict(list)
    for result in results:
        for item in result.variants:
            rows[result.method, item.max_drop].append(item)
    baseline = statistics.mean(item.accuracy for item in rows["plain", None]) if ("plain", None) in rows else None
    lines = [
        f"**{first.network}**: {first.epochs} epochs of {first.pictures} pictures after a common start; accuracy on "
        f"{first.test_pictures} test pictures; batch 1, {first.threads} thread(s), {first.system.cpu}, {first.date}.",
        "",
        "| training | then calibrated | seeds | top-1 | against plain | sparsity | by MACs | times ONNX Runtime |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for method in METHODS:
        for budget in sorted({b for m, b in rows if m == method}, key=lambda b: -1.0 if b is None else b):
            lines.append(_row(method, budget, rows[method, budget], baseline))
    return "\n".join(lines)


def _row(method: str, budget: float | None, items: Sequence[Variant], baseline: float | None) -> str:
    accuracy = [item.accuracy for item in items]
    against = "" if baseline is None else f"{100 * (statistics.mean(accuracy) - baseline):+.1f}"
    cells = [
        _WORDS[method],
        "no" if budget is None else f"within {100 * budget:g} points",
        str(len(items)),
        _spread(accuracy),
        against,
        _spread([item.sparsity for item in items]),
        _spread([item.mac_sparsity for item in items]),
        f"{statistics.mean(item.speedup for item in items):.2f}",
    ]
    return f"| {' | '.join(cells)} |"


def _spread(values: Sequence[float]) -> str:
    middle = f"{100 * statistics.mean(values):.1f} %"
    return middle if len(values) == 1 else f"{middle} ({100 * min(values):.1f}-{100 * max(values):.1f})"


if __name__ == "__main__":
    sys.exit(main())
