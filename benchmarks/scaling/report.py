"""Make the tables in ``docs/scaling.md`` of the committed summary.

python -m benchmarks.scaling.report
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from ..page.marks import between_marks
from ..page.words import table
from ..page.wrap import wrap
from .run import RESULT

PAGE = Path(__file__).resolve().parents[2] / "docs" / "scaling.md"
PRICE = 0.04
"""Of a processor for an hour, in US dollars: a supposition; put in your own."""
_DISK_MB = 200
_OTHER_STAGES = ("read", "decode", "write")


def costs(facts: dict[str, Any]) -> str:
    """Return the tables of stages and of costs per million pictures."""
    stages = {stage["name"]: stage for stage in facts["stages"]}
    around = sum(stages[name]["ms"] for name in _OTHER_STAGES)
    parts = [[name, *_times(stages[name])] for name in _OTHER_STAGES]
    engines = [name for name in stages if name not in _OTHER_STAGES]
    best = min(stages[name]["ms"] for name in engines if name.startswith("zeroskip") and "thresholds" in name)
    rows = []
    for name in engines:
        whole = stages[name]["ms"] + around
        hours = whole * 1e6 / 3.6e6
        ratio = whole / (best + around)
        cells = [f"{1e3 / whole:.1f}", f"{hours:.1f}", f"{hours * PRICE:.2f}", f"{ratio:.2f}", f"{around / whole:.0%}"]
        rows.append([name, *_times(stages[name]), *cells])
    header = ["engine", "ms a picture", "range", "pictures/s a processor", "hours a million", "$ a million"]
    header += ["against thresholds", "share of the rest"]
    size = facts["picture_bytes"]
    return "\n".join(
        [
            table(["stage", "ms a picture", "range"], parts),
            "",
            table(header, rows),
            "",
            f"Open_nsfw (a trained ResNet-50 of thin layers), photographs of 256 pixels ({size / 1e3:.0f} kB), one "
            f"thread, runs of 16,\n{facts['rounds']} rounds in turns, {facts['system']['cpu']} "
            f"({facts['system']['isas'][-1]}), {facts['date']}. Thresholds may change {facts['max_drop']:.0%} of the\n"
            "predictions; what int8, made by ONNX Runtime's quantiser, does to them was not judged. Hours are\n"
            "those of one processor for everything: reading, decoding, the engine, writing; dollars suppose\n"
            f"{PRICE} for a processor and hour.",
            "",
        ]
    )


def growth(facts: dict[str, Any]) -> str:
    """Return the table of whole runs."""
    runs = facts["runs"]
    rows = []
    for workers in sorted({run["workers"] for run in runs}):
        mine = [run for run in runs if run["workers"] == workers]
        amounts, seconds = (np.array([run[name] for run in mine], float) for name in ("pictures", "seconds"))
        slope, start = np.polyfit(amounts, seconds, 1)
        cells = [f"{run['seconds']:.1f}" for run in mine]
        rows.append([str(workers), *cells, f"{start:.1f}", f"{1 / slope:.1f}", f"{slope * 1e6 * workers / 3600:.1f}"])
    amounts = sorted({run["pictures"] for run in runs})
    header = ["workers", *(f"{amount} pictures, s" for amount in amounts)]
    header += ["start, s", "then pictures/s", "processor hours a million"]
    one, most = float(rows[0][-2]), float(rows[-1][-2])
    claim = f"{rows[-1][0]} workers score {most / one:.2f} times as many pictures per second as {rows[0][0]}."
    return table(header, rows) + f"\n\n{claim}\n"


def next_bottleneck(facts: dict[str, Any]) -> str:
    """Return what would bind if the engine were faster, and how many processors a disk feeds."""
    stages = {stage["name"]: stage["ms"] for stage in facts["stages"]}
    around = sum(stages[name] for name in _OTHER_STAGES)
    engine = min(ms for name, ms in stages.items() if name.startswith("zeroskip"))
    rate = 1e3 / (engine + around)
    read_mb = rate * facts["picture_bytes"] / 1e6
    return (
        f"**The engine is the bottleneck**: it takes {engine / (engine + around):.0%} of a processor's time, decoding "
        f"{stages['decode'] / (engine + around):.0%},\nreading and writing "
        f"{(stages['read'] + stages['write']) / (engine + around):.1%}. Decoding comes next: with a network that takes "
        f"{stages['decode']:.1f} ms or\nless it would be half of all, and smaller pictures in the store would pay more "
        f"than a faster engine.\nA processor reads {read_mb:.1f} MB/s of JPEG, so a disk of {_DISK_MB} MB/s feeds "
        f"about {_DISK_MB / read_mb:.0f} of them; a store over\na network of 1 GB/s, {1000 / read_mb:.0f}.\n"
    )


def render(page: str, facts: dict[str, Any]) -> str:
    """Return a page with its tables written anew."""
    for name, made in (("costs", costs), ("growth", growth), ("next", next_bottleneck)):
        page = between_marks(page, name, made(facts))
    return page


def _times(stage: dict[str, Any]) -> list[str]:
    return [f"{stage['ms']:.2f}", f"{stage['low_ms']:.2f} to {stage['high_ms']:.2f}"]


def main(arguments: list[str] | None = None) -> int:
    """Write the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling.report", description=__doc__)
    parser.add_argument("--page", type=Path, default=PAGE)
    chosen = parser.parse_args(arguments)
    chosen.page.write_text(wrap(render(chosen.page.read_text(), json.loads(RESULT.read_text()))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
