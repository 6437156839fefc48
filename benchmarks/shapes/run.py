"""What a new input shape costs, here and in ONNX Runtime.

    python -m benchmarks.shapes.run --threads 1

Every network meets a series of images of different sizes. At each of them both engines run several times, in turns,
so that a machine that slows down slows both down; the first run is compared with the ones after it. ResNet-18 at
224x224 runs in between as the yardstick. Random weights and inputs. A summary goes to ``benchmarks/results``, and
``python -m benchmarks.report`` makes the page's section of it.
"""

from __future__ import annotations

import argparse
import datetime
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import onnxruntime as ort

import zeroskip as zs
from zeroskip.system import SystemInfo

from ..models.networks.graph import INPUT
from ..models.result import RESULTS
from .networks import CASES, build
from .result import ShapeTable, ShapeTiming, rows

SHAPES = tuple(
    (height, 224 + 16 * step) for step, height in enumerate((240, 208, 272, 256, 192, 304, 288, 176, 320, 225))
)
_KNOWN_RUNS = 5
_CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}

Clock = Callable[[], float]
Run = Callable[[np.ndarray[Any, Any]], object]


def engines(model: bytes, threads: int) -> dict[str, Run]:
    """Return what runs a model on an image, by engine."""
    session = zs.InferenceSession(model, zs.SessionOptions(intra_op_num_threads=threads))
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = threads, 4
    other = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return {
        "zeroskip": lambda x: session.run(None, {INPUT: x}),
        "onnxruntime": lambda x: other.run(None, {INPUT: x}),
    }


def measure(
    shapes: Sequence[tuple[int, int]], threads: int, clock: Clock = time.perf_counter
) -> tuple[float, list[ShapeTiming]]:
    """Return the time of the yardstick in ms, and what every network took on every engine."""
    yardstick, square = engines(build("resnet18").SerializeToString(), threads)["zeroskip"], image(224, 224)
    yardstick(square)
    yardstick_ms, timings = [], []
    for network in CASES:
        runs = engines(build(network).SerializeToString(), threads)
        first: dict[str, list[float]] = {engine: [] for engine in runs}
        known: dict[str, list[float]] = {engine: [] for engine in runs}
        for run in runs.values():
            run(square)
        for height, width in shapes:
            x = image(height, width)
            yardstick_ms.append(_milliseconds(clock, yardstick, square))
            for engine, run in runs.items():
                first[engine].append(_milliseconds(clock, run, x))
            again = [{engine: _milliseconds(clock, run, x) for engine, run in runs.items()} for _ in range(_KNOWN_RUNS)]
            for engine in runs:
                known[engine].append(median(times[engine] for times in again))
        timings += [
            ShapeTiming(network=network, engine=engine, first_ms=tuple(first[engine]), known_ms=tuple(known[engine]))
            for engine in runs
        ]
    return median(yardstick_ms), timings


def image(height: int, width: int) -> np.ndarray[Any, Any]:
    """Return a random image ``[1, 3, height, width]``."""
    return np.random.default_rng(height * width).standard_normal((1, 3, height, width), np.float32)


def _milliseconds(clock: Clock, run: Run, x: np.ndarray[Any, Any]) -> float:
    start = clock()
    run(x)
    return 1e3 * (clock() - start)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.shapes.run", description="Measure what a new input shape costs."
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--clock", choices=_CLOCKS, default="wall", help="cpu: the process's time, for busy machines and one thread"
    )
    parser.add_argument("--shapes", type=int, default=len(SHAPES), help="how many sizes to try")
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    shapes = SHAPES[: options.shapes]
    resnet18_ms, timings = measure(shapes, options.threads, _CLOCKS[options.clock])
    result = ShapeTable(
        date=datetime.date.today().isoformat(),
        command=f"python -m benchmarks.shapes.run --threads {options.threads} --clock {options.clock}",
        clock=options.clock,
        threads=options.threads,
        shapes=shapes,
        resnet18_ms=resnet18_ms,
        system=SystemInfo.collect(("onnxruntime",)),
        timings=tuple(timings),
    )
    header, body = rows(result)
    sys.stdout.write("\n".join(" | ".join(cells) for cells in (header, *body)) + "\n")
    file = result.save(options.results / "shapes")
    sys.stdout.write(f"a run of ResNet-18 at 224x224: {resnet18_ms:.1f} ms\n{file}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
