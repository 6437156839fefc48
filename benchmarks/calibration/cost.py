"""Measures what one calibration takes: time by stage, processor time, and peak memory.

python -m benchmarks.calibration.cost --data DATA --network imgsim_resnet50 --samples 500 --threads 2

Stages that probe take time in proportion to the probe samples, the others to the samples.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from pathlib import Path

from zeroskip import calibrate
from zeroskip.cli.console import Terminal

from .cases import CASES


class Stages:
    """Adds up the time between calls by the stage that was under way; a ``Progress``."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._now, self._since = "starting", time.perf_counter()

    def __call__(self, what: str, done: int, total: int) -> None:
        """See :data:`zeroskip.progress.Progress`."""
        now = time.perf_counter()
        self.seconds[self._now] = self.seconds.get(self._now, 0.0) + now - self._since
        self._now, self._since = what, now


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    options = _parser().parse_args(arguments)
    case, terminal = CASES[options.network], Terminal()
    model, data = case.read(options.data), case.data(options.data, options.samples)
    used, stages = time.process_time(), Stages()
    found = calibrate(
        model,
        data,
        options.max_drop,
        metric=case.metric,
        probe_samples=options.probe_samples,
        threads=options.threads,
        progress=stages,
    )
    stages("done", 0, 0)
    processor = time.process_time() - used
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    terminal.note(found.message)
    for stage, seconds in stages.seconds.items():
        terminal.note(f"{seconds:8.1f} s  {stage}")
    terminal.note(
        f"{case.name}, {len(data)} inputs, {options.probe_samples} probes, {options.threads} threads: "
        f"{sum(stages.seconds.values()):.0f} s, {processor:.0f} s of CPU, {len(found.trials)} trials, "
        f"{len(found.sensitivities)} activations, peak memory {peak:.0f} MB"
    )
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.calibration.cost", description="Time a calibration.")
    parser.add_argument("--data", type=Path, required=True, help="as for benchmarks.calibration.run")
    parser.add_argument("--network", choices=list(CASES), required=True)
    parser.add_argument("--samples", type=int, default=500)
    parser.add_argument("--probe-samples", type=int, default=48)
    parser.add_argument("--max-drop", type=float, default=0.01)
    parser.add_argument("--threads", type=int, default=2)
    return parser


if __name__ == "__main__":
    sys.exit(main())
