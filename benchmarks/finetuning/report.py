"""Fills the tables of docs/results/finetuning.md from the records in benchmarks/results/finetuning.

python -m benchmarks.finetuning.report
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from zeroskip.files import atomic_write_text
from zeroskip.torch import FinetuneResult

from ..page.wrap import wrap
from .pictures import VALIDATION
from .result import RESULTS, RunResult, Variant, load_records
from .runs import METHODS, PICTURES

PAGE = Path(__file__).resolve().parents[2] / "docs" / "results" / "finetuning.md"
_BEGIN, _END = "<!-- measured: begin -->", "<!-- measured: end -->"
_WORDS = {
    "start": "common start",
    "plain": "plain fine-tuning",
    "mixed": "distillation and mixup alone",
    "short_plain": "plain fine-tuning",
    "l1": "L1",
    "hoyer_square": "Hoyer-square",
    "transformed_l1": "transformed L1",
    "distilled": "transformed L1 with distillation",
    "penalised": "transformed L1, distillation, mixup",
    "penalised_taught": "transformed L1, distillation, mixup, taught by ResNet-56",
    "unmixed": "penalty, calibration, recovery without mixup",
    "brief": "penalty, calibration, recovery",
    "recipe": "full recipe before the finish",
    "self_finished": "full recipe",
    "taught": "full recipe before the finish, taught by ResNet-56",
    "finished": "full recipe, taught by ResNet-56",
    "plainly_taught": "penalty, calibration, recovery, half distilled from the plain run",
}
_PLAIN = ("plain", "short_plain", "start")
"""What others are compared with: the one after as many epochs, else the longest."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.finetuning.report")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--page", type=Path, default=PAGE)
    options = parser.parse_args(arguments)
    text = options.page.read_text(encoding="utf-8")
    before, rest = text.split(_BEGIN)
    after = rest.split(_END)[1]
    records = load_records(options.results)
    results = [record.measured for record in records.values() if record.measured is not None]
    logs = {name: log for record in records.values() for name, log in record.training.items()}
    made = section(results, dict(sorted(logs.items())))
    atomic_write_text(options.page, wrap(f"{before}{_BEGIN}\n{made}\n{_END}{after}"))
    return 0


def section(results: Sequence[RunResult], logs: Mapping[str, FinetuneResult]) -> str:
    """Return the measured part of the page in Markdown."""
    networks = list(dict.fromkeys(result.network for result in results))
    parts = [training(logs)] if logs else []
    parts += [table([result for result in results if result.network == name]) for name in networks]
    return "\n\n".join(parts) if parts else "Nothing has been measured yet."


def training(logs: Mapping[str, FinetuneResult]) -> str:
    """Return the table of the training runs themselves: top-1 and sparsity on the validation pictures."""
    columns = ("run", "epochs", "regulariser", "distillation", "mixup", "top-1 before", "top-1 after")
    lines = [
        f"Training runs, {PICTURES} pictures per epoch, judged on {VALIDATION} validation "
        "pictures (the ResNets' given weights have seen these without compression, so accuracy reads high; compare "
        "rows only):",
        "",
        f"| {' | '.join(columns)} | sparsity, mean over layers |",
        f"|{'---|' * (len(columns) + 1)}",
    ]
    for name, log in logs.items():
        best, recipe = log.best, log.recipe
        if best is None or best.metric is None or log.baseline is None:
            continue
        penalty = f"{recipe.regularizer} {recipe.strength:g}" if recipe.regularizer else "none"
        taught = f"{recipe.distillation:g} | {recipe.mixup:g}"
        scores = " | ".join(f"{100 * value:.1f} %" for value in (log.baseline, best.metric, best.mean_sparsity))
        lines.append(f"| {name} | {len(log.epochs)} | {penalty} | {taught} | {scores} |")
    return "\n".join(lines)


def table(results: Sequence[RunResult]) -> str:
    """Return the table of one network."""
    first = min(results, key=lambda result: result.method == "start")
    rows: dict[tuple[str, float | None], list[Variant]] = defaultdict(list)
    epochs = {result.method: result.epochs for result in results}
    for result in results:
        for item in result.variants:
            rows[result.method, item.max_drop].append(item)
    threads = sorted({timing.threads for items in rows.values() for item in items for timing in item.timings})
    dense = {epochs[method]: rows[method, None] for method in reversed(_PLAIN) if (method, None) in rows}
    lines = [
        f"**{first.network}**: epochs of {first.pictures} pictures after a common start; accuracy on "
        f"{first.test_pictures} test pictures; times at batch 1, {first.system.cpu}, {first.date}.",
        "",
        "| training | epochs | then calibrated | seeds | top-1 | against plain | sparsity | by MACs |"
        + "".join(f" times ONNX Runtime, {count} thread(s) |" for count in threads),
        f"|{'---|' * (8 + len(threads))}",
    ]
    for method in ("start", *METHODS):
        plain = dense.get(epochs.get(method, 0)) or _longest(dense)
        baseline = statistics.mean(item.accuracy for item in plain) if plain else None
        for budget in sorted({b for m, b in rows if m == method}, key=lambda b: -1.0 if b is None else b):
            head = [_WORDS[method], "0" if method == "start" else str(epochs[method])]
            lines.append(_row(head, budget, rows[method, budget], baseline, threads))
    return "\n".join(lines)


def _longest(plain: Mapping[int, list[Variant]]) -> list[Variant]:
    return plain[max(plain)] if plain else []


def _row(
    head: Sequence[str],
    budget: float | None,
    items: Sequence[Variant],
    baseline: float | None,
    threads: Sequence[int],
) -> str:
    accuracy = [item.accuracy for item in items]
    against = "" if baseline is None else f"{100 * (statistics.mean(accuracy) - baseline):+.1f}"
    cells = [
        *head,
        "no" if budget is None else f"within {100 * budget:g} points",
        str(len(items)),
        _spread(accuracy),
        against,
        _spread([item.sparsity for item in items]),
        _spread([item.mac_sparsity for item in items]),
        *(_speedup(items, count) for count in threads),
    ]
    return f"| {' | '.join(cells)} |"


def _speedup(items: Sequence[Variant], threads: int) -> str:
    found = [timing.speedup for item in items for timing in item.timings if timing.threads == threads]
    return f"{statistics.mean(found):.2f}" if found else "not timed"


def _spread(values: Sequence[float]) -> str:
    middle = f"{100 * statistics.mean(values):.1f} %"
    return middle if len(values) == 1 else f"{middle} ({100 * min(values):.1f}-{100 * max(values):.1f})"


if __name__ == "__main__":
    sys.exit(main())
