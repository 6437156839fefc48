"""`optimize`: the whole way from a model and data to a faster model and the numbers that prove it.

Analyze, calibrate, apply, verify, measure, write. Each stage is a public function of its own; here they are
only strung together, and their results put into one folder that appears whole or not at all.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .analysis import ModelInput, SparsityProfile, analyze, map_zeros, refuse_noise
from .baselines import available_engines
from .bench import BenchResult, EngineSpec, bench
from .calibration import (
    CalibrationResult,
    MeasuredSpeed,
    calibrate,
)
from .calibration.options import CalibrationOptions
from .calibration.preflight import preflight
from .calibration.problem import split_data
from .data import Dataset
from .journal import Journal
from .optimize_result import INT8_FILE, MODEL_FILE, QUANTIZATION_FILE, OptimizeResult
from .precisions import INT8_LABEL, compare_precisions, quantize_within
from .progress import Progress
from .staging import remove_stale, staged_directory
from .summary import LatencyMs, Summary
from .system import physical_cores
from .verification import PEER, Verification, verify

if TYPE_CHECKING:
    from .engine import SessionOptions
    from .onnx import LoadedModel
    from .onnx.load import ModelSource

_RESULT_BYTES = 32 << 20  # report, profiles and the journal, generously

EXACT_LABEL = "zeroskip_exact"
THRESHOLDED_LABEL = "zeroskip"

_ROUNDS = 9
"""The fewest of which one at either end may be off and the interval of a gain still hold 95 %."""

Announce = Callable[[str], None]
"""Told one line for each stage that is done."""


def optimize(
    model: ModelSource,
    data: Any,
    max_drop: float | None = None,
    output: str | os.PathLike[str] = "zeroskip-output",
    *,
    options: CalibrationOptions | None = None,
    holdout: Any = None,
    batch_size: int = 1,
    seconds: float = 5.0,
    progress: Progress | None = None,
    announce: Announce | None = None,
    **choices: Any,
) -> OptimizeResult:
    """Make a model sparser within a budget, check it, time it, and write model and evidence to a folder.

    Args:
        model: ONNX file, its content or a loaded model. It is read once; what becomes of the file meanwhile is without
            effect.
        data: Real inputs, labelled or not: a data set, or what :func:`zeroskip.data.from_iterable` reads; half of them
            are held out for check and measurement.
        max_drop: Largest loss of the metric, see :func:`zeroskip.calibrate`.
        output: Folder to create or to fill. Nothing appears there before everything has succeeded.
        options: How to calibrate, and with how many threads and which instruction set all engines run; None for the
            defaults.
        holdout: The held-out data, if they are not to be taken from ``data``.
        batch_size: Inputs per run in the measurement.
        seconds: Time given to each engine in the measurement.
        progress: Told of each step.
        announce: Told one line for each stage.
        **choices: Single options of a calibration by name, instead of ``options`` or on top of them.

    Returns:
        All results; the same are in the files.

    Raises:
        ZeroskipError: Whatever goes wrong in a stage; then nothing is written.

    Example:
        >>> data = image_folder("photos/", "imagenet")  # doctest: +SKIP
        >>> result = optimize("model.onnx", data, max_drop=0.01, output="out")  # doctest: +SKIP
        >>> result.summary.speedup  # doctest: +SKIP
        2.1
    """
    from .engine import SessionOptions
    from .onnx import LoadedModel

    tell = announce or (lambda line: None)
    # What cannot be is refused before the analysis. The speed is measured at the end, against ONNX Runtime too.
    asked = CalibrationOptions.of(options, {"max_drop": max_drop, **choices, "measure_seconds": 0.0})
    original = LoadedModel.of(model)
    model_input = ModelInput.of_model(original)
    data, holdout = model_input.data(data), None if holdout is None else model_input.data(holdout)
    refuse_noise(data, random_input=False)
    threads = physical_cores() if asked.threads is None else asked.threads
    asked = replace(asked, threads=threads)
    engine = SessionOptions(intra_op_num_threads=threads, isa=asked.isa)
    with _journal(Path(output)) as journal, staged_directory(output, original.weight_bytes + _RESULT_BYTES) as stage:
        calibration_data, holdout_data = split_data(data, holdout, asked)
        preflight(original, calibration_data, holdout_data, asked, progress)
        look = partial(
            analyze,
            data=calibration_data,
            batch_size=batch_size,
            threads=threads,
            isa=asked.isa,
            samples=len(calibration_data),  # those that the calibration speaks of: one sparsity for one thing
            seed=asked.seed,
            progress=progress,
        )
        profile = look(original)
        tell(f"analyzed: {_analyzed(profile)}")
        calibration = calibrate(
            original,
            calibration_data,
            options=asked,
            holdout=holdout_data,
            work_folder=journal,
            keep_best=False,  # who stops this wants it to end now; the work so far is kept
            progress=progress,
        )
        tell(f"calibrated: {calibration.message}")
        calibration.apply(original).save(stage / MODEL_FILE)
        thresholded = LoadedModel.of(stage / MODEL_FILE)  # what is verified and timed is what was written
        verifications = _verify(original, thresholded, holdout_data, engine, tell)
        after = look(thresholded, predict=False)
        maps = [map_zeros(each, holdout_data, options=engine, progress=progress) for each in (original, thresholded)]
        # Thresholds of zero are the original model, and that has one time.
        changed = {} if calibration.is_zero else {THRESHOLDED_LABEL: thresholded}
        quantized = quantize_within(original, calibration, calibration_data, holdout_data, asked, tell, progress)
        if quantized is not None:
            quantized.save_model(stage / INT8_FILE)
            quantized.save(stage / QUANTIZATION_FILE)
            changed[INT8_LABEL] = LoadedModel.of(stage / INT8_FILE)
        measured = _measure(original, changed, holdout_data, batch_size, engine, seconds, progress)
        precisions = compare_precisions(calibration, quantized, measured, _best_label(calibration), EXACT_LABEL)
        if precisions:
            tell("; ".join(map(str, precisions)))
        after = after.model_copy(update={"model": f"{original.name} with thresholds"})
        result = _result(Path(output), (profile, after), calibration, verifications, measured)
        result = replace(result, summary=result.summary.model_copy(update={"precisions": precisions}))
        result = replace(result, maps=maps[0], maps_after=maps[1])
        result.write(stage)
    return result


def _journal(output: Path) -> Journal:
    """Return the journal of a run: a folder beside the output, which is there until the run has succeeded."""
    target = output.absolute()
    anchor = next(folder for folder in target.parents if folder.is_dir())
    journal = Journal(anchor / f".{target.name}.work")
    if journal.is_open:
        remove_stale(target)
    return journal


def _analyzed(profile: SparsityProfile) -> str:
    """Say what was seen, without times: those that count are measured at the end, all engines side by side."""
    if not profile.skippable_macs:
        return profile.verdict
    return f"{profile.sparsity:.1%} of the multiplications that can be skipped are by zero on this data"


def _verify(
    original: LoadedModel, thresholded: LoadedModel, data: Dataset, options: SessionOptions, tell: Announce
) -> tuple[Verification, ...]:
    first = verify(original, data, options)
    if first is None:
        tell(f"not verified: {PEER} is not installed (pip install 'zeroskip[bench]')")
        return ()
    second = verify(thresholded, data, options)
    assert second is not None
    tell(
        f"verified: {PEER} {first.version} computes the same on {first.inputs} inputs, within "
        f"{first.difference:.0e} (original) and {second.difference:.0e} (thresholds) of the largest output"
    )
    return first, second


def _measure(
    original: LoadedModel,
    changed: dict[str, LoadedModel],
    data: Dataset,
    batch_size: int,
    options: SessionOptions,
    seconds: float,
    progress: Progress | None,
) -> BenchResult:
    engines = [EngineSpec("zeroskip", EXACT_LABEL)]
    engines += [EngineSpec("zeroskip", label, model=model) for label, model in changed.items()]
    if PEER in available_engines():
        engines.insert(0, EngineSpec(PEER))
    return bench(
        original,
        data,
        engines,
        threads=options.intra_op_num_threads,
        batch_size=batch_size,
        seconds=seconds,
        rounds=_ROUNDS,
        isa=options.isa,
        progress=progress,
    )


def _best_label(calibration: CalibrationResult) -> str:
    return EXACT_LABEL if calibration.is_zero else THRESHOLDED_LABEL


def _result(
    output: Path,
    profiles: tuple[SparsityProfile, SparsityProfile],
    calibration: CalibrationResult,
    verifications: tuple[Verification, ...],
    measured: BenchResult,
) -> OptimizeResult:
    """Put the parts together; every time in them is that of one measurement."""
    before, after = profiles
    ours = _best_label(calibration)
    gain = measured.gain(ours, over=EXACT_LABEL)
    if not calibration.is_zero:
        speed = MeasuredSpeed(**gain.model_dump(), threads=measured.threads, batch_size=measured.batch_size)
        calibration = calibration.model_copy(update={"measured_speed": speed})
    return OptimizeResult(
        output=output,
        summary=_summary(before, after, calibration, measured, ours),
        profile=before.timed_as(measured[EXACT_LABEL].p50_ms),
        profile_after=after.timed_as(measured[ours].p50_ms),
        calibration=calibration,
        verifications=verifications,
        bench=measured,
    )


def _summary(
    before: SparsityProfile,
    after: SparsityProfile,
    calibration: CalibrationResult,
    measured: BenchResult,
    ours: str,
) -> Summary:
    gain = measured.gain(ours, over=EXACT_LABEL)
    has_peer = any(row.label == PEER for row in measured.rows)
    return Summary(
        metric=calibration.metric,
        baseline=calibration.holdout.baseline,
        optimized=calibration.holdout.optimized,
        drop=calibration.holdout.drop,
        estimate=calibration.estimate,
        agreement=calibration.holdout.agreement,
        sparsity_before=before.sparsity,
        sparsity_after=after.sparsity,
        latency_ms=LatencyMs(
            onnxruntime=measured[PEER].p50_ms if has_peer else None,
            zeroskip_exact=measured[EXACT_LABEL].p50_ms,
            zeroskip=measured[ours].p50_ms,
        ),
        speedup_exact=measured.speedup(EXACT_LABEL, over=PEER) if has_peer else None,
        speedup=measured.speedup(ours, over=PEER) if has_peer else None,
        gain_exact=measured.gain(EXACT_LABEL, over=PEER) if has_peer else None,
        gain_thresholds=gain,
        recommended="thresholds" if gain.is_clear and not calibration.is_zero else "exact",
        threads=measured.threads,
        batch_size=measured.batch_size,
        isa=before.isa,
        versions=measured.system.versions,
    )
