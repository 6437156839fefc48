"""The seam to the native core: refusals become EngineError, results equal those of the numpy executor."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from zeroskip import EngineError
from zeroskip.engine.native import compile_plan, core, new_weight_store

from .canonical_graph import CanonicalGraph
from .numpy_executor import run_plan
from .random_graphs import random_graph


def test_a_plan_that_makes_no_sense_is_refused_with_the_step() -> None:
    graph = CanonicalGraph(1, 16, 4, 4)
    plan = graph.plan(graph.conv("x", (16, 16)))
    broken = replace(plan.steps[1], attributes=plan.steps[1].attributes | {"strides": (2, 2)})
    plan = replace(plan, steps=(plan.steps[0], broken, *plan.steps[2:]))
    with pytest.raises(EngineError, match="node_conv_0"):
        compile_plan(plan, new_weight_store())


@pytest.mark.parametrize("isa", ["generic", "avx2", "avx512"])
def test_the_core_and_the_numpy_executor_agree_on_every_kind_of_step(isa: str) -> None:
    if isa not in core().isas_supported():
        pytest.skip(f"this CPU or build has no {isa}")
    graph = CanonicalGraph(2, 3, 20, 17)
    stem = graph.relu(graph.conv("x", (3, 32), strides=[2, 2]), 0.2, max_value=3.0)
    pooled = graph.node("MaxPool", stem, kernel_shape=[3, 3], strides=[1, 1], pads=[1] * 4, dilations=[1, 1])
    depthwise = graph.relu(graph.conv(pooled, (32, 32), kernel=(5, 5), group=32), 0.1)
    joined = graph.node("Concat", pooled, graph.conv(depthwise, (32, 24), kernel=(1, 1)), axis=1)
    gate = graph.node("Sigmoid", graph.node("GlobalAveragePool", joined))
    gated = graph.node("Mul", joined, gate)
    affine = graph.relu(graph.node("ChannelAffine", gated, graph.values(56), graph.values(56)))
    grouped = graph.conv(affine, (56, 56), group=4, dilations=[2, 2], pads=[2] * 4)
    total = graph.relu(graph.node("Add", grouped, affine))
    sizes = graph.constant([2, 56, 7, 7], np.int64)
    small = graph.node("Resize", total, "", "", sizes, mode="linear")
    padded = graph.node("Pad", small, graph.constant([0, 0, 0, 1, 0, 8, 1, 0], np.int64))
    last = graph.node("Transpose", padded, perm=[0, 2, 3, 1])
    flat = graph.node("Reshape", last, graph.constant([2, 8 * 8 * 64], np.int64))
    logits = graph.node("Linear", flat, graph.values(10, 4096), graph.values(10))
    plan = graph.plan(graph.node("Softmax", logits, axis=1), total, taps=[stem, joined])

    inputs = list(graph.feed().values())
    compiled = compile_plan(plan, new_weight_store(), isa=isa)
    for result, expected in zip(compiled.run(inputs), run_plan(plan, inputs), strict=True):
        np.testing.assert_allclose(result, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("seed", range(20, 40))
def test_the_core_computes_random_graphs(seed: int) -> None:
    graph, outputs, taps = random_graph(seed)
    plan = graph.plan(*outputs, taps=taps)
    inputs = list(graph.feed().values())
    compiled = compile_plan(plan, new_weight_store())
    for result, expected in zip(compiled.run(inputs), run_plan(plan, inputs), strict=True):
        np.testing.assert_allclose(result, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
