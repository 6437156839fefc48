"""Networks of random weights in int8 against other engines, and how well the cost model predicts their times.

``prepare`` makes the models: scales from eight photographs, by ONNX Runtime's tool and by OpenVINO's (NNCF).
``measure`` times them in one interleaved run for each case, on an idle machine.

python -m benchmarks.precision.networks prepare --work WORK
python -m benchmarks.precision.networks measure --work WORK
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

import zeroskip as zs
from zeroskip.baselines.quantizers import quantize_for
from zeroskip.bench import BenchResult, EngineSpec, bench
from zeroskip.data import arrays
from zeroskip.engine import CostModel, fitted_cost_model

from ..lists import integers, words
from ..models.cases import random_cases
from .result import RESULTS, NetworkResult, Prediction, Rival

_NETWORKS = ("resnet50", "resnet18")
_SPARSITIES = (None, 0.8)
_ROWS = {  # by label: engine and file
    "int8": ("zeroskip", "onnxruntime_int8"),
    "float32": ("zeroskip", "float32"),
    "onnxruntime_int8": ("onnxruntime", "onnxruntime_int8"),
    "openvino_int8": ("openvino", "openvino_int8"),
    "openvino_same": ("openvino", "onnxruntime_int8"),
}
_CALIBRATION_PHOTOS = 8


def prepare(work: Path, network: str) -> None:
    """Write the models of a network and the photographs they are timed on."""
    for case in random_cases(network, _SPARSITIES, None):
        folder = _folder(work, network, case.target_sparsity)
        folder.mkdir(parents=True, exist_ok=True)
        pictures = case.data.array()
        np.save(folder / "x.npy", pictures)
        feeds = [{"input": pictures[i % len(pictures)][None]} for i in range(_CALIBRATION_PHOTOS)]
        (folder / "float32.onnx").write_bytes(case.model)
        for engine in ("onnxruntime", "openvino"):
            (folder / f"{engine}_int8.onnx").write_bytes(quantize_for(engine, case.model, feeds)[0])
        print(folder, flush=True)


def measure(work: Path, network: str, sparsity: float | None, threads: int, seconds: float) -> NetworkResult:
    """Time the models in turns, and say what the cost model predicts for ours."""
    folder = _folder(work, network, sparsity)
    pictures = np.load(folder / "x.npy")
    costs = fitted_cost_model(None, threads)
    rows = [EngineSpec(engine, label, model=folder / f"{file}.onnx") for label, (engine, file) in _ROWS.items()]
    quantized = folder / "onnxruntime_int8.onnx"
    found = bench(quantized, arrays(pictures), rows, threads=threads, seconds=seconds, rounds=9, tolerance=1e9)
    predictions = tuple(
        _prediction(what, folder / f"{file}.onnx", pictures, costs, threads)
        for what, file in (("float32", "float32"), ("int8", "onnxruntime_int8"))
    )
    return NetworkResult(
        network=network,
        sparsity=sparsity,
        threads=threads,
        isa=costs.isa,
        cpu=found.system.cpu,
        date=found.date,
        versions={row.engine: row.version for row in found.rows},
        is_unstable=found.is_unstable,
        rivals=tuple(_rival(found, label) for label in _ROWS),
        predictions=predictions,
    )


def _rival(found: BenchResult, label: str) -> Rival:
    gain = found.gain("int8", over=label) if label != "int8" else None
    return Rival(
        label=label,
        latency_ms=found[label].p50_ms,
        least_ms=min(found[label].round_p50_ms),
        gain=None if gain is None else (gain.ratio, gain.low, gain.high),
        sparsity=found[label].sparsity_seen,
    )


def _prediction(what: str, model: Path, pictures: np.ndarray, costs: CostModel, threads: int) -> Prediction:
    """Compare steps timed now with what the cost model says of them."""
    session = zs.InferenceSession(model, zs.SessionOptions(intra_op_num_threads=threads, cost_model=costs))
    name = session.get_inputs()[0].name
    plan = session.plan({name: pictures[:1].shape})
    profiles = [session.profile({name: picture[None]}, iterations=3) for picture in (*pictures, *pictures)]
    measured = predicted = 0.0
    for place, step in enumerate(plan.steps):
        same = [profile.steps[place] for profile in profiles]
        measured += float(np.median([item.latency_ms for item in same]))
        densities = [item.input_density for item in same if item.input_density is not None]
        predicted += costs.predict(plan, step, float(np.mean(densities)) if densities else None, threads)
    return Prediction(precision=what, measured_ms=measured, predicted_ms=predicted)


def _folder(work: Path, network: str, sparsity: float | None) -> Path:
    return work / f"{network}-{'natural' if sparsity is None else f'{100 * sparsity:.0f}'}"


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.precision.networks", description=__doc__)
    parser.add_argument("step", choices=("prepare", "measure"))
    parser.add_argument("--work", type=Path, required=True, help="folder for the models")
    parser.add_argument("--network", type=words, default=list(_NETWORKS))
    parser.add_argument("--threads", type=integers, default=[1, 2])
    parser.add_argument("--seconds", type=float, default=6.0, help="for each engine and case")
    options = parser.parse_args(arguments)
    for network in options.network:
        if options.step == "prepare":
            prepare(options.work, network)
            continue
        for sparsity in _SPARSITIES:
            for threads in options.threads:
                result = measure(options.work, network, sparsity, threads, options.seconds)
                name = f"{_folder(Path(), network, sparsity)}-t{threads}.json"
                (RESULTS / "networks").mkdir(parents=True, exist_ok=True)
                result.save(RESULTS / "networks" / name)
                print(name, *(f"{item.label} {item.latency_ms:.1f}" for item in result.rivals), flush=True)
                print(*(f"{item.precision}: {item.ratio:.2f}" for item in result.predictions), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
