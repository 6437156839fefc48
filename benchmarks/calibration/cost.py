"""Measures what one calibration takes: processor time, time on the clock, and peak memory.

python -m benchmarks.calibration.cost --data DATA --network imgsim_resnet50 --samples 500 --threads 2
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


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    options = _parser().parse_args(arguments)
    case, terminal = CASES[options.network], Terminal()
    model, data = case.read(options.data), case.data(options.data, options.samples)
    started, used = time.perf_counter(), time.process_time()
    with terminal.progress() as progress:
        found = calibrate(
            model, data, options.max_drop, metric=case.metric, threads=options.threads, progress=progress
        )
    seconds, processor = time.perf_counter() - started, time.process_time() - used
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    terminal.note(found.message)
    terminal.note(
        f"{case.name}, {len(data)} inputs, {options.threads} threads: {processor:.0f} s of CPU, {seconds:.0f} s, "
        f"{len(found.trials)} trials, {len(found.sensitivities)} activations, peak memory {peak:.0f} MB"
    )
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.calibration.cost", description="Time a calibration.")
    parser.add_argument("--data", type=Path, required=True, help="as for benchmarks.calibration.run")
    parser.add_argument("--network", choices=list(CASES), required=True)
    parser.add_argument("--samples", type=int, default=500)
    parser.add_argument("--max-drop", type=float, default=0.01)
    parser.add_argument("--threads", type=int, default=2)
    return parser


if __name__ == "__main__":
    sys.exit(main())
