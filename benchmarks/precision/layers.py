"""Layers of a network in each element type, dense and sparse, at several densities: where skipping begins to pay.

Zeros are those that a threshold leaves in the maps of a trained ResNet-50 on a photograph, or the same values in other
places, independently.
All different layers are steps of one plan, so that weights are as cold as in the network; algorithms take turns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import zeroskip as zs
from zeroskip.engine import CostModel, Plan, fitted_cost_model
from zeroskip.engine.cost import ElementType, can_skip
from zeroskip.engine.cost.synthetic import Algorithm, SyntheticPlan
from zeroskip.engine.native import CompiledPlan, compile_plan, new_weight_store
from zeroskip.engine.precision import multiplies_bf16
from zeroskip.system import cpu_model

from ..calibration.cases import CASES
from ..layers.run import layer_table
from .result import RESULTS, LayersAtDensity, LayersResult

_NETWORK = "resnet50"
_DENSITIES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0)
_ALGORITHMS: tuple[Algorithm, ...] = ("dense", "sparse", "auto")
_ROUNDS, _ITERATIONS = 5, 2
Maps = Mapping[tuple[int, ...], NDArray[np.float32]]


def recorded_maps(data: Path, shapes: Sequence[tuple[int, ...]]) -> Maps:
    """Return what rectifiers of a trained ResNet-50 read on a photograph, one map for each shape."""
    import onnx

    case = CASES["imgsim_resnet50"]
    content = case.read(data)
    names = [node.input[0] for node in onnx.load_from_string(content).graph.node if node.op_type == "Relu"]
    session = zs.InferenceSession(content)
    seen = session.observe(names, {session.get_inputs()[0].name: case.data(data, 1).array()})
    by_shape = {tuple(values.shape): values for values in reversed(list(seen.values()))}
    return {shape: by_shape[shape] for shape in shapes}


def measure(dtype: ElementType, threads: int, zeros: str, maps: Maps, model: CostModel) -> LayersResult:
    """Time all layers by every algorithm.

    Args:
        dtype: What they compute in.
        threads: Threads.
        zeros: ``"recorded"`` or ``"independent"``.
        maps: Recorded ones.
        model: Whose crossovers are tried beside the core's own.
    """
    plans: dict[str, Plan] = {algorithm: _plan(dtype, algorithm) for algorithm in _ALGORITHMS}
    plans["probed"] = _with_crossovers(plans["auto"], model)
    weights = new_weight_store()
    compiled = {name: compile_plan(plan, weights, threads, model.isa) for name, plan in plans.items()}
    shapes = [plans["auto"].tensors[index].shape for index in plans["auto"].inputs]
    rows = []
    for density in _DENSITIES:
        feed = [_values(maps[shape], density, zeros, dtype) for shape in shapes]
        rows.append(_row(density, compiled, feed))
    table = layer_table(_NETWORK)
    return LayersResult(
        network=_NETWORK,
        dtype=dtype,
        zeros=zeros,
        threads=threads,
        isa=model.isa,
        cpu=cpu_model(),
        names=tuple(shape.name for shape, _ in table),
        kinds=tuple(f"{shape.kernel}x{shape.kernel}" + (f"/{shape.stride}" * (shape.stride > 1)) for shape, _ in table),
        counts=tuple(count for _, count in table),
        rows=tuple(rows),
    )


def _plan(dtype: ElementType, algorithm: Algorithm) -> Plan:
    plan = SyntheticPlan(dtype)
    for shape, _ in layer_table(_NETWORK):
        x = plan.map(1, shape.inputs, shape.height, shape.width)
        plan.convolution(x, shape.outputs, shape.kernel, shape.stride, algorithm=algorithm)
    return plan.freeze()


def _with_crossovers(plan: Plan, model: CostModel) -> Plan:
    steps = (
        replace(step, attributes=step.attributes | {"crossover_density": model.crossover_density(plan, step)})
        if can_skip(step)
        else step
        for step in plan.steps
    )
    return replace(plan, steps=tuple(steps))


def _values(recorded: NDArray[np.float32], density: float, zeros: str, dtype: ElementType) -> NDArray[Any]:
    """Return a recorded map behind a rectifier of that density; for independent zeros its values change places."""
    least = np.quantile(recorded, 1.0 - density)
    values = np.where(recorded > least, recorded - least, np.float32(0))
    if zeros == "independent":
        values = np.random.default_rng(0).permutation(values.ravel()).reshape(values.shape)
    if dtype != "u8":
        return np.asarray(values, np.float32)
    return np.asarray(np.minimum(np.ceil(values * np.float32(255 / max(values.max(), 1e-9))), 255), np.uint8)


def _row(density: float, compiled: Mapping[str, CompiledPlan], feed: Sequence[Any]) -> LayersAtDensity:
    plan = compiled["auto"].plan
    steps = [index for index, step in enumerate(plan.steps) if step.macs]
    times: dict[str, list[list[float]]] = {name: [] for name in compiled}
    for _ in range(_ROUNDS):
        for name, program in compiled.items():
            measured = program.profile(feed, _ITERATIONS)
            times[name].append([measured[index]["min_ms"] for index in steps])
    taken = {name: np.array(values) for name, values in times.items()}
    speed = taken["dense"].sum(axis=1) / np.median(taken["dense"].sum(axis=1))  # of each round, on a shared machine
    return LayersAtDensity(
        density=density,
        **{f"{name}_ms": tuple(np.median(values / speed[:, None], axis=0).tolist()) for name, values in taken.items()},
    )


def measure_all(data: Path, thread_counts: Sequence[int]) -> None:
    """Measure every element type that the CPU has products of, with both kinds of zeros, and keep the results."""
    types: tuple[ElementType, ...] = ("float32", "u8", "bf16") if multiplies_bf16() else ("float32", "u8")
    shapes = [(1, shape.inputs, shape.height, shape.width) for shape, _ in layer_table(_NETWORK)]
    maps = recorded_maps(data, shapes)
    for threads in thread_counts:
        model = fitted_cost_model(None, threads)
        for dtype in types:
            for zeros in ("recorded", "independent"):
                result = measure(dtype, threads, zeros, maps, model)
                path = RESULTS / "layers" / f"{dtype}-{zeros}-t{threads}.json"
                path.parent.mkdir(parents=True, exist_ok=True)
                result.save(path)
                print(path.name, result.crossovers(), flush=True)
