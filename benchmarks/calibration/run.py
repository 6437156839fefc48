"""Calibrates trained networks by several methods and saves one JSON file for each.

python -m benchmarks.calibration.run --data DATA                 # everything; DATA has imagenet_calib, cifar10, ...
python -m benchmarks.calibration.run --data DATA --network resnet20 --method sensitivity,energy --samples 400
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from zeroskip import InferenceSession, SessionOptions, calibrate
from zeroskip.analysis import ModelInput
from zeroskip.calibration import CalibrationResult
from zeroskip.cli.console import Terminal
from zeroskip.data import Dataset
from zeroskip.errors import ZeroskipError
from zeroskip.system import cpu_model

from .cases import CASES, Case
from .result import RESULTS, MethodResult

METHODS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "sensitivity": {"strategy": "sensitivity"},
        "energy": {"strategy": "energy"},
        "bias": {"strategy": "sensitivity", "compensation": "bias"},
        "reconstruct": {"strategy": "sensitivity", "compensation": "reconstruct"},
        "greedy": {"strategy": "greedy"},
    }
)
_BUDGET = 0.01
_TIMED_INPUTS, _ROUNDS = 4, 15
_LARGEST_SPREAD = 0.1


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    options = _parser().parse_args(given)
    terminal = Terminal()
    failures = 0
    for name in options.network:
        for method in options.method:
            try:
                result = _measured(CASES[name], method, options)
            except ZeroskipError as error:
                terminal.note(f"{name}, {method}: {error}")
                failures += 1
                continue
            options.results.mkdir(parents=True, exist_ok=True)
            result.save(options.results / f"{name}.{method}.json")
            terminal.note(
                f"{name}, {method}: sparsity {result.sparsity_before:.1%} -> {result.sparsity_after:.1%}, drop "
                f"{result.drop:.1%}, {result.cpu_seconds:.0f} s of CPU"
            )
    return 1 if failures else 0


def _measured(case: Case, method: str, options: argparse.Namespace) -> MethodResult:
    model, data = case.read(options.data), case.data(options.data, options.samples)
    started = time.process_time()
    found = calibrate(
        model,
        data,
        _BUDGET,
        metric=case.metric,
        curve=True,
        probe_samples=options.probe_samples,
        threads=options.threads,
        **METHODS[method],
    )
    seconds = time.process_time() - started
    session = InferenceSession(model, SessionOptions(intra_op_num_threads=options.threads))
    return MethodResult(
        network=case.name,
        method=method,
        metric=found.metric,
        calibration_samples=found.calibration.samples,
        holdout_samples=found.holdout.samples,
        probe_samples=options.probe_samples,
        sparsity_before=found.sparsity_before,
        max_information_loss=found.max_information_loss,
        curve=found.curve,
        sparsity_after=found.sparsity_after,
        drop=found.holdout.drop,
        interval=found.holdout.interval,
        measured_speedup=None if found.is_zero else _speedup(session, model, found, data, options.threads),
        kept_corrections=len(found.layers),
        cpu_seconds=seconds,
        cpu=cpu_model(),
        isa=session.explain(_one(session, data)).isa,
        command=f"python -m benchmarks.calibration.run --data DATA --network {case.name} --method {method} "
        f"--samples {options.samples} --probe-samples {options.probe_samples} --threads {options.threads}",
    )


def _one(session: InferenceSession, data: Dataset) -> dict[str, tuple[int, ...]]:
    return {ModelInput.of(session).name: (1, *data.sample_shape)}


def _speedup(
    session: InferenceSession, model: bytes, found: CalibrationResult, data: Dataset, threads: int
) -> float | None:
    """Return median time before over median time after, both taking turns; None where the rounds disagree."""
    faster = InferenceSession(found.apply(model).to_bytes(), session.options)
    feeds = [feed for feed, _ in ModelInput.of(session).feeds(data.subset(_TIMED_INPUTS), 1)]
    ratios = []
    for _ in range(_ROUNDS):
        before, after = (min(_seconds(timed, feed) for feed in feeds) for timed in (session, faster))
        ratios.append(before / after)
    low, middle, high = np.percentile(ratios, [20, 50, 80])
    return float(middle) if high - low < _LARGEST_SPREAD * middle else None


def _seconds(session: InferenceSession, feed: Mapping[str, Any]) -> float:
    started = time.perf_counter()
    session.run(None, feed)
    return time.perf_counter() - started


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.calibration.run", description="Calibrate networks.")
    names = {"type": lambda text: text.split(","), "metavar": "NAME,..."}
    parser.add_argument("--data", type=Path, required=True, help="folder of imagenet_calib, cifar10 and so on")
    parser.add_argument("--network", default=list(CASES), **names)  # type: ignore[arg-type]
    parser.add_argument("--method", default=list(METHODS), **names)  # type: ignore[arg-type]
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--probe-samples", type=int, default=32)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--results", type=Path, default=RESULTS)
    return parser


if __name__ == "__main__":
    sys.exit(main())
