"""Make ``docs/results/serving.md`` of the committed summary.

python -m benchmarks.serving.report
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from ..page.words import table
from ..page.wrap import wrap
from .run import RESULT

PAGE = Path(__file__).resolve().parents[2] / "docs" / "results" / "serving.md"
_INTRODUCTION = """# The server under load

`zeroskip serve` with zeroskip behind it and the same server with ONNX Runtime behind it, in turns in
one run: ResNet-18 with random weights at its natural sparsity, one image of 224x224 per request,
binary tensors, REST, loopback, one row per run, at most eight requests waiting. The load generator
(`hey`) shares the processors with the server, so absolute numbers are lower than a machine of its
own would give; compare the engines. "Answered" are answers with 200; "refused" were told to come
again (429), "failed" is everything else. The first rows are eight clients that ask again as soon as
they are answered; below them sixteen clients send at rising rates (each sends its first request at
once, so a little more than was asked for is sent). Above the capacity latency is bounded by the
queue, and what does not fit is refused at once.
"""


def render(facts: dict[str, Any]) -> str:
    """Return the page."""
    rows = [_row(load) for load in facts["loads"]]
    header = ["asked per s", "sent per s", "engine", "answered per s", "p50 ms", "p99 ms", "refused", "failed"]
    system = facts["system"]
    versions = ", ".join(f"{name} {system['versions'][name]}" for name in ("zeroskip", "onnxruntime", "numpy"))
    rates = " ".join(dict.fromkeys(f"{load['asked_per_s']:g}" for load in facts["loads"] if load["asked_per_s"]))
    where = (
        f"{system['cpu']}, {facts['threads']} threads, {facts['seconds']:g} s each,\n{facts['date']}, {versions}."
        f"\n`python -m benchmarks.serving.run --threads {facts['threads']} --seconds {facts['seconds']:g} "
        f"--rates {rates}`"
    )
    return "\n".join([_INTRODUCTION, table(header, rows), "", where, ""])


def _row(load: dict[str, Any]) -> list[str]:
    asked = "as fast as answered" if not load["asked_per_s"] else f"{load['asked_per_s']:.1f}"
    numbers = [f"{load[name]:.1f}" for name in ("answered_per_s", "p50_ms", "p99_ms")]
    sent = load["answered_per_s"] / (1 - load["refused"] - load["failed"])
    return [asked, f"{sent:.1f}", load["engine"], *numbers, f"{load['refused']:.0%}", f"{load['failed']:.0%}"]


def main(arguments: list[str] | None = None) -> int:
    """Write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving.report", description=__doc__)
    parser.add_argument("--page", type=Path, default=PAGE)
    chosen = parser.parse_args(arguments)
    chosen.page.write_text(wrap(render(json.loads(RESULT.read_text()))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
