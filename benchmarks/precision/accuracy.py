"""What int8 costs trained networks: ours with and without thresholds, and the peers', each quantised by its own tool.

Either half of the pictures chooses everything (scales, thresholds, layers kept in float32) for a model of its own,
whose answers are counted on the other half, which nothing has seen, by the engine that is to run the model.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import zeroskip as zs
from zeroskip.analysis import ModelInput
from zeroskip.baselines.quantizers import quantize_for
from zeroskip.baselines.registry import create_engine
from zeroskip.data import Dataset
from zeroskip.onnx import LoadedModel

from ..calibration.cases import Case
from .cases import WAYS, model_path
from .result import AccuracyResult, Way

_MAX_DROP = 0.01
_PROBE_SAMPLES = 16
_SEED = 0
PICTURES = 500
"""Half of them choose, the others judge; then the other way round."""


def judge(case: Case, data: Path, work: Path, threads: int) -> AccuracyResult:
    """Make the models of a network and count their answers.

    Args:
        case: The network.
        data: As for benchmarks.calibration.run.
        work: Folder for the models; what it holds is not made again.
        threads: Of our searches.
    """
    halves = case.data(data, PICTURES).split(0.5, seed=_SEED)
    folds = (halves, halves[::-1])
    model = case.read(data)
    base = np.concatenate([_answers("zeroskip", "f32", model, unseen) for _, unseen in folds])
    truth = np.concatenate([unseen.labels for _, unseen in folds]) if case.metric == "top1" else base
    ways = []
    for name in WAYS:
        paths = [model_path(work, case.name, name, fold) for fold in range(len(folds))]
        made = [_kept(case, name, model, fold[0], path, threads) for fold, path in zip(folds, paths, strict=True)]
        answers = base
        if name != "float32":
            pairs = zip(made, folds, strict=True)
            answers = np.concatenate([_answers(WAYS[name], "int8", each, unseen) for each, (_, unseen) in pairs])
        ways.append(_way(name, truth, base, answers))
    return AccuracyResult(
        network=case.name,
        metric=case.metric,
        max_drop=_MAX_DROP,
        choosing=len(halves[0]),
        unseen=len(halves[0]) + len(halves[1]),
        seed=_SEED,
        ways=tuple(ways),
    )


def _kept(case: Case, way: str, model: bytes, choosing: Dataset, path: Path, threads: int) -> bytes:
    """Return the model of a row from its file, which is made where it is not there."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_make(case, way, model, choosing, threads))
    return path.read_bytes()


def _way(name: str, truth: NDArray[np.int64], base: NDArray[np.int64], answers: NDArray[np.int64]) -> Way:
    return Way(
        name=name,
        right=float(np.mean(answers == truth)),
        lost=int(np.sum((base == truth) & (answers != truth))),
        won=int(np.sum((base != truth) & (answers == truth))),
        drop=float(np.mean(base == truth) - np.mean(answers == truth)),
    )


def _make(case: Case, way: str, model: bytes, data: Dataset, threads: int) -> bytes:
    """Return the model of a row."""
    if way == "float32":
        return model
    if way in ("onnxruntime_int8", "openvino_int8"):
        feeds = [feed for feed, _ in ModelInput.of_model(LoadedModel.of(model)).feeds(data, 1)]
        return quantize_for(WAYS[way], model, feeds)[0]
    options = zs.CalibrationOptions(
        max_drop=_MAX_DROP, threads=threads, costs="model", measure_seconds=0.0, probe_samples=_PROBE_SAMPLES
    )
    thresholds = None
    if way == "int8_thresholds":
        thresholds = zs.calibrate(model, data, options=options).thresholds
    return zs.quantize(model, data, thresholds=thresholds, options=options).quantized.to_bytes()


def _answers(engine: str, precision: Any, model: bytes, data: Dataset) -> NDArray[np.int64]:
    """Return the class that an engine answers to every picture, one at a time."""
    runner = create_engine(engine, 1, precision if engine != "zeroskip" else "f32")
    feeds = [feed for feed, _ in ModelInput.of_model(LoadedModel.of(model)).feeds(data, 1)]
    runner.load(model, {name: value.shape for name, value in feeds[0].items()})
    return np.argmax(np.concatenate([np.array(runner.run(feed)[0], np.float32) for feed in feeds]), axis=1)
