"""Times measured runs against ONNX Runtime, interleaved, at batch 1; adds to the files that `measure` wrote.

python -m benchmarks.finetuning.timing --data DATA --work FOLDER [--only resnet20-plain-0,...] [--threads 1,2]

Apart from `measure` because only this needs a machine with nothing else to do.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from zeroskip.bench import EngineSpec, bench
from zeroskip.data import Dataset

from .measure import model_file
from .pictures import Cifar
from .result import RunResult, Timing, Variant, load_records, record_file

_DENSE, _SPARSE = "dense", "sparse"


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.finetuning.timing")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--only", type=lambda text: text.split(","), help="names of runs; by default all measured")
    parser.add_argument("--threads", type=lambda text: [int(n) for n in text.split(",")], default=[1, 2])
    parser.add_argument("--time", type=float, default=1.0, help="seconds for each engine")
    options = parser.parse_args(arguments)
    pictures = Cifar.load(options.data / "cifar10", 1).dataset("test").subset(64)
    for name, record in load_records().items():
        if record.measured is not None and (options.only is None or name in options.only):
            found = timed(record.measured, name, pictures, options)
            record.model_copy(update={"measured": found}).save(record_file(name))
            print(name, flush=True)
    return 0


def timed(result: RunResult, name: str, pictures: Dataset, options: argparse.Namespace) -> RunResult:
    """Return a result with the timings of all its variants."""
    dense = options.work / f"{result.network}-plain-0.trained.onnx"
    return result.model_copy(
        update={
            "variants": tuple(
                kind.model_copy(update={"timings": timings(kind, name, dense, pictures, options)})
                for kind in result.variants
            )
        }
    )


def timings(
    kind: Variant, name: str, dense: Path, pictures: Dataset, options: argparse.Namespace
) -> tuple[Timing, ...]:
    """Time one variant, and the dense model beside it."""
    sparse = model_file(options.work, name, kind)
    engines = [EngineSpec("onnxruntime", _DENSE, model=dense), EngineSpec("zeroskip", _SPARSE, model=sparse)]
    found = []
    for threads in options.threads:
        # Two networks: their outputs differ, as was intended.
        rows = bench(dense, pictures, engines, threads=threads, seconds=options.time, tolerance=float("inf"))
        found.append(Timing(threads=threads, latency_ms=rows[_SPARSE].p50_ms, dense_latency_ms=rows[_DENSE].p50_ms))
    return tuple(found)


if __name__ == "__main__":
    sys.exit(main())
