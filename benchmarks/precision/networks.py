"""Networks of random weights in int8 against other engines, and how well the cost model predicts their times.

``prepare`` makes the models: scales from a few photographs, by ``zeroskip.quantize``, ONNX Runtime's tool and
OpenVINO's (NNCF).
``measure`` times them in one interleaved run for each case, on an idle machine.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

import zeroskip as zs
from zeroskip.baselines.quantizers import quantize_for
from zeroskip.bench import BenchResult, EngineSpec, bench
from zeroskip.data import arrays
from zeroskip.engine import CostModel, fitted_cost_model
from zeroskip.engine.cost.synthetic import SyntheticPlan
from zeroskip.engine.cost.zeros import clustered_values
from zeroskip.engine.native import compile_plan, new_weight_store

from ..calibration.cases import Case
from ..layers.run import layer_table
from ..models.cases import random_cases
from .accuracy import PICTURES
from .cases import WAYS, model_path
from .result import NetworkResult, Prediction, Rival

NETWORKS = ("resnet50", "resnet18")
SPARSITIES = (None, 0.8)
_ROWS = {  # by label: engine and file
    "int8": ("zeroskip", "int8"),
    "float32": ("zeroskip", "float32"),
    "onnxruntime_int8": ("onnxruntime", "onnxruntime_int8"),
    "openvino_int8": ("openvino", "openvino_int8"),
    "openvino_same": ("openvino", "int8"),
}
_CALIBRATION_PHOTOS = 8
_REPEATS = 4
_BUDGET = 0.2  # answers of random weights mean nothing: all layers are to become integers


def prepare(work: Path, network: str) -> None:
    """Write the models of a network and the photographs they are timed on."""
    for case in random_cases(network, SPARSITIES, None):
        folder = case_folder(work, network, case.target_sparsity)
        folder.mkdir(parents=True, exist_ok=True)
        pictures = case.data.array()
        np.save(folder / "x.npy", pictures)
        feeds = [{"input": pictures[i % len(pictures)][None]} for i in range(_CALIBRATION_PHOTOS)]
        (folder / "float32.onnx").write_bytes(case.model)
        for engine in ("onnxruntime", "openvino"):
            (folder / f"{engine}_int8.onnx").write_bytes(quantize_for(engine, case.model, feeds)[0])
        repeated = arrays(np.concatenate([pictures] * _REPEATS))
        options = zs.CalibrationOptions(costs="model", measure_seconds=0.0)
        (folder / "int8.onnx").write_bytes(
            zs.quantize(case.model, repeated, _BUDGET, options=options).quantized.to_bytes()
        )
        print(folder, flush=True)


def measure(work: Path, network: str, sparsity: float | None, threads: int, seconds: float) -> NetworkResult:
    """Time the models in turns, and say what the cost model predicts for ours."""
    folder = case_folder(work, network, sparsity)
    pictures = np.load(folder / "x.npy", allow_pickle=False)
    costs = fitted_cost_model(None, threads)
    rows = [EngineSpec(engine, label, model=folder / f"{file}.onnx") for label, (engine, file) in _ROWS.items()]
    quantized = folder / "int8.onnx"
    found = bench(quantized, arrays(pictures), rows, threads=threads, seconds=seconds, rounds=9, tolerance=1e9)
    predictions = tuple(
        _prediction(what, folder / f"{file}.onnx", pictures, costs, threads)
        for what, file in (("float32", "float32"), ("int8", "int8"))
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
        rivals=rivals(found, "int8"),
        predictions=predictions,
    )


def rivals(found: BenchResult, ours: str) -> tuple[Rival, ...]:
    """Return the rows of a run, each over the row of that label."""
    made = []
    for row in found.rows:
        gain = found.gain(ours, over=row.label) if row.label != ours else None
        made.append(
            Rival(
                label=row.label,
                latency_ms=row.p50_ms,
                least_ms=min(row.round_p50_ms),
                gain=None if gain is None else (gain.ratio, gain.low, gain.high),
                sparsity=row.sparsity_seen,
            )
        )
    return tuple(made)


def measure_trained(case: Case, data: Path, work: Path, threads: int, seconds: float) -> NetworkResult:
    """Time the models of a trained network that ``accuracy`` made, on pictures that chose nothing."""
    files = {way: model_path(work, case.name, way) for way in WAYS}
    rows = [EngineSpec(WAYS[way], way, model=file) for way, file in files.items()]
    unseen = case.data(data, PICTURES).split(0.5, seed=0)[1].subset(5)
    found = bench(files["float32"], unseen, rows, threads=threads, seconds=seconds, rounds=9, tolerance=1e9)
    return NetworkResult(
        network=case.name,
        sparsity=None,
        threads=threads,
        isa=fitted_cost_model(None, threads).isa,
        cpu=found.system.cpu,
        date=found.date,
        versions={row.engine: row.version for row in found.rows},
        is_unstable=found.is_unstable,
        rivals=rivals(found, "int8_thresholds"),
        predictions=(),
    )


class _Speedometer:
    """Tells how fast the machine is at the moment, by dense float32 layers of another network.

    A shared machine slows down by its caches and memory as much as by its clock, so arithmetic alone does not tell.

    Args:
        costs: Whose prices are the measure.
        threads: Threads.
    """

    def __init__(self, costs: CostModel, threads: int) -> None:
        builder = SyntheticPlan()
        for shape, _ in layer_table("resnet18"):
            x = builder.map(1, shape.inputs, shape.height, shape.width)
            builder.convolution(x, shape.outputs, shape.kernel, shape.stride, algorithm="dense")
        self._compiled = compile_plan(builder.freeze(), new_weight_store(), threads, costs.isa)
        plan = self._compiled.plan
        self._feed = [clustered_values(plan.tensors[index].shape, (0.5,))[0] for index in plan.inputs]
        self._layers = [place for place, step in enumerate(plan.steps) if step.macs]
        self._priced_ms = sum(costs.dense_ms(plan, plan.steps[place]) for place in self._layers)

    def speed(self) -> float:
        """Return the speed of now over that of the moment the prices are of."""
        times = self._compiled.profile(self._feed, 2)
        return self._priced_ms / sum(times[place]["median_ms"] for place in self._layers)


def _prediction(what: str, model: Path, pictures: np.ndarray, costs: CostModel, threads: int) -> Prediction:
    """Compare steps timed now with what the cost model says of them."""
    session = zs.InferenceSession(model, zs.SessionOptions(intra_op_num_threads=threads, cost_model=costs))
    name = session.get_inputs()[0].name
    plan = session.plan({name: pictures[:1].shape})
    profiles, speeds, speedometer = [], [], _Speedometer(costs, threads)
    for picture in (*pictures, *pictures):
        before = speedometer.speed()
        profiles.append(session.profile({name: picture[None]}, iterations=3))
        speeds.append((before + speedometer.speed()) / 2)
    measured = predicted = 0.0
    for place, step in enumerate(plan.steps):
        same = [profile.steps[place] for profile in profiles]
        measured += float(np.median([item.latency_ms * speed for item, speed in zip(same, speeds, strict=True)]))
        densities = [item.input_density for item in same if item.input_density is not None]
        predicted += costs.predict(plan, step, float(np.mean(densities)) if densities else None, threads)
    speed = float(np.median(speeds))
    return Prediction(precision=what, measured_ms=measured, predicted_ms=predicted, speed=speed)


def case_folder(work: Path, network: str, sparsity: float | None) -> Path:
    """Return where the models of a case lie."""
    return work / f"{network}-{'natural' if sparsity is None else f'{100 * sparsity:.0f}'}"
