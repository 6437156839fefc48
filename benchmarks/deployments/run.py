"""Calibrates, measures and tells of the models of :mod:`.cases`.

python -m benchmarks.deployments.run calibrate --photos PHOTOS --work WORK     # thresholds, once
python -m benchmarks.deployments.run measure --photos PHOTOS --work WORK      # on an idle machine
python -m benchmarks.deployments.run page                                      # docs/results/deployments.md
"""

from __future__ import annotations

import argparse
import statistics
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from pydantic import BaseModel

import zeroskip as zs
from zeroskip.analysis import ModelInput
from zeroskip.files import atomic_write_text
from zeroskip.system import cpu_model

from .cases import DEPLOYMENTS, Deployment

_ROOT = Path(__file__).resolve().parents[2]
RESULTS = _ROOT / "benchmarks" / "results" / "deployments"
PAGE = _ROOT / "docs" / "results" / "deployments.md"
_FEEDS, _FEWEST_ROUNDS = 6, 7


class Measured(BaseModel):
    """What was measured of one model.

    Attributes:
        name: Of the case.
        onnxruntime_ms: Median time of a run in ONNX Runtime.
        exact_ms: The same in zeroskip, as the model is.
        thresholds_ms: The same with thresholds; None where none were found.
        exact_gain: ONNX Runtime's time over the exact one: median over rounds, 20th and 80th percentile.
        thresholds_gain: The same with thresholds.
        difference: Largest difference of the outputs from ONNX Runtime's, of the largest output.
        sparsity: Of what skipping layers read, before and after.
        message: What the calibration said.
        reason: Why little or nothing is gained, as ``analyze`` says it.
        islands: Operators that ONNX Runtime runs.
        threads: Of both.
        cpu: The processor.
        isa: The instruction set.
        onnxruntime: Its version.
        date: Of the measurement.
    """

    name: str
    onnxruntime_ms: float
    exact_ms: float
    thresholds_ms: float | None
    exact_gain: tuple[float, float, float]
    thresholds_gain: tuple[float, float, float] | None
    difference: float
    sparsity: tuple[float, float]
    message: str
    reason: str
    islands: int
    threads: int
    cpu: str
    isa: str
    onnxruntime: str
    date: str


def calibrate(case: Deployment, photos: Path, work: Path, seconds: float) -> None:
    """Find thresholds; write the model with them, what was said, and what ``analyze`` says, into a folder."""
    options = dict(case.options) | {"measure_seconds": 0.0, "probe_samples": 8, "time_limit": seconds}
    result = zs.calibrate(str(case.path), case.inputs(photos), case.max_drop, **options)
    work.mkdir(parents=True, exist_ok=True)
    result.save(work / f"{case.name}.json")
    result.apply(str(case.path)).save(work / f"{case.name}.onnx")
    profile = zs.analyze(str(case.path), case.inputs(photos), samples=8)
    (work / f"{case.name}.txt").write_text(profile.verdict)
    print(case.name, result.message)


def measure(case: Deployment, photos: Path, work: Path, threads: int, seconds: float) -> Measured:
    """Time the three ways in turns, input by input, in one process."""
    from zeroskip.calibration import CalibrationResult

    result = CalibrationResult.load(work / f"{case.name}.json")
    native = zs.SessionOptions(intra_op_num_threads=threads)
    exact = zs.InferenceSession(str(case.path), native)
    ways: dict[str, Any] = {"onnxruntime": _peer(str(case.path), threads), "exact": exact}
    if not result.is_zero:
        ways["thresholds"] = zs.InferenceSession(str(work / f"{case.name}.onnx"), native)
    model_input = ModelInput.of(exact)
    data = model_input.data(case.inputs(photos))
    feeds = [feed for feed, _ in model_input.feeds(data.subset(_FEEDS), 1)]
    difference = max(_difference(ways["onnxruntime"].run(None, feed), exact.run(None, feed)) for feed in feeds)
    rounds: list[dict[str, float]] = []
    end = time.perf_counter() + seconds
    while len(rounds) <= _FEWEST_ROUNDS or time.perf_counter() < end:
        rounds.append({name: _seconds(session, feeds) for name, session in ways.items()})
    rounds = rounds[1:]  # the first warms up
    medians = {name: 1e3 * statistics.median(item[name] for item in rounds) for name in ways}
    ratios = {name: [item["onnxruntime"] / item[name] for item in rounds] for name in ways}
    gains = {name: tuple(np.percentile(values, (50, 20, 80)).tolist()) for name, values in ratios.items()}
    return Measured(
        name=case.name,
        onnxruntime_ms=medians["onnxruntime"],
        exact_ms=medians["exact"],
        thresholds_ms=medians.get("thresholds"),
        exact_gain=gains["exact"],  # type: ignore[arg-type]
        thresholds_gain=gains.get("thresholds"),  # type: ignore[arg-type]
        difference=difference,
        sparsity=(result.sparsity_before, result.sparsity_after),
        message=result.message,
        reason=(work / f"{case.name}.txt").read_text(),
        islands=len(exact.explain_islands()),
        threads=threads,
        cpu=cpu_model(),
        isa=exact.profile(feeds[0], 1).isa,
        onnxruntime=onnxruntime.__version__,
        date=datetime.now(timezone.utc).isoformat(timespec="minutes"),
    )


def _peer(model: str, threads: int) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _seconds(session: Any, feeds: list[Any]) -> float:
    """Return the time of a run, mean over the inputs; one run before it wakes the threads."""
    session.run(None, feeds[-1])
    start = time.perf_counter()
    for feed in feeds:
        session.run(None, feed)
    return (time.perf_counter() - start) / len(feeds)


def _difference(expected: list[Any], got: list[Any]) -> float:
    return max(
        float(np.abs(one - other).max() / max(float(np.abs(one).max()), 1e-30))
        for one, other in zip(expected, got, strict=True)
    )


def page(results: list[Measured]) -> str:
    """Return the page of all results."""
    cases = {case.name: case for case in DEPLOYMENTS}
    first = results[0]
    lines = [
        "# Trained models as packages bring them",
        "",
        "Made by `python -m benchmarks.deployments.run page`. Batch 1, medians over rounds in which ONNX Runtime,",
        "zeroskip exact and zeroskip with thresholds take turns on the same inputs in one process; in brackets the",
        "20th and 80th percentile of the ratio. Thresholds were found without labels on 48 inputs, half of them held",
        "out, with eight for the probes and a time limit.",
        "",
        f"{first.cpu}, {first.isa}, {first.threads} threads, ONNX Runtime {first.onnxruntime}, {first.date[:10]}.",
        "",
        "| model | task and inputs | ONNX Runtime | exact | times as fast | with thresholds | times as fast | zeros |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for item in results:
        case = cases[item.name]
        after = "-" if item.thresholds_ms is None else f"{item.thresholds_ms:.2f} ms"
        lines.append(
            f"| {item.name} (`{case.package}`) | {case.task} | {item.onnxruntime_ms:.2f} ms | {item.exact_ms:.2f} ms | "
            f"{_ratio(item.exact_gain)} | {after} | {_ratio(item.thresholds_gain)} | "
            f"{item.sparsity[0]:.0%} to {item.sparsity[1]:.0%} |"
        )
    lines += ["", "What `calibrate` and `analyze` said:", ""]
    for item in results:
        parts = f"; {item.islands} islands in ONNX Runtime" if item.islands else ""
        lines += [f"- **{item.name}**{parts}. {item.message} *{item.reason}*"]
    return "\n".join(lines) + "\n"


def _ratio(gain: tuple[float, float, float] | None) -> str:
    return "-" if gain is None else f"{gain[0]:.2f} ({gain[1]:.2f} to {gain[2]:.2f})"


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.deployments.run", description=__doc__)
    parser.add_argument("step", choices=("calibrate", "measure", "page"))
    parser.add_argument("--photos", type=Path, help="folder of photographs")
    parser.add_argument("--work", type=Path, help="folder for models with thresholds")
    parser.add_argument("--only", nargs="*", default=[case.name for case in DEPLOYMENTS])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=8.0, help="of each measurement")
    parser.add_argument("--time-limit", type=float, default=60.0, help="seconds of each search")
    options = parser.parse_args(arguments)
    for case in (case for case in DEPLOYMENTS if case.name in options.only and options.step != "page"):
        if options.step == "calibrate":
            calibrate(case, options.photos, options.work, options.time_limit)
            continue
        measured = measure(case, options.photos, options.work, options.threads, options.seconds)
        RESULTS.mkdir(parents=True, exist_ok=True)
        atomic_write_text(RESULTS / f"{case.name}.json", measured.model_dump_json(indent=2) + "\n")
        print(case.name, measured.exact_gain, measured.thresholds_gain, f"{measured.difference:.1e}")
    if options.step == "page":
        files = [RESULTS / f"{case.name}.json" for case in DEPLOYMENTS]
        found = [Measured.model_validate_json(file.read_text()) for file in files if file.exists()]
        atomic_write_text(PAGE, page(found))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
