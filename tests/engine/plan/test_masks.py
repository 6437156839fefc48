"""Masks: written only where a convolution can skip by them, and never elsewhere."""

from __future__ import annotations

import numpy as np

from zeroskip.engine import Plan

from ..canonical_graph import CanonicalGraph
from ..checks import assert_plan_computes, step_of


def masked(plan: Plan) -> set[str]:
    return {spec.name for spec in plan.tensors if spec.masked}


def test_a_rectified_input_of_a_convolution_is_masked() -> None:
    graph = CanonicalGraph(1, 32, 6, 6)
    inner = graph.relu(graph.conv("x", (32, 32)))
    plan = assert_plan_computes(graph, graph.relu(graph.conv(inner, (32, 32), output="y")))
    assert masked(plan) == {inner}
    assert plan.steps[-2].attributes["algorithm"] == "auto"


def test_an_input_without_rectifier_is_not_masked_and_the_plan_says_why() -> None:
    graph = CanonicalGraph(1, 32, 6, 6)
    plan = assert_plan_computes(graph, graph.conv(graph.conv("x", (32, 32), output="raw"), (32, 32), output="y"))
    assert masked(plan) == set()
    assert step_of(plan, "y").attributes["algorithm"] == "dense"
    assert "'raw' went through no rectifier" in step_of(plan, "y").note


def test_zeros_survive_pooling_and_concatenation() -> None:
    graph = CanonicalGraph(1, 32, 6, 6)
    rectified = graph.relu(graph.conv("x", (32, 32)))
    pooled = graph.node("MaxPool", rectified, kernel_shape=[2, 2], strides=[2, 2], pads=[0] * 4, dilations=[1, 1])
    other = graph.conv(rectified, (32, 16), strides=[2, 2])
    joined = graph.node("Concat", pooled, other, axis=1, output="joined")
    plan = assert_plan_computes(graph, graph.conv(joined, (48, 16)))
    assert {rectified, pooled, other, "joined"} == masked(plan)


def test_depthwise_convolutions_and_additions_ask_for_no_mask() -> None:
    graph = CanonicalGraph(1, 32, 6, 6)
    rectified = graph.relu(graph.conv("x", (32, 32)))
    depthwise = graph.conv(rectified, (32, 32), group=32)
    plan = assert_plan_computes(graph, graph.node("Add", depthwise, rectified))
    assert masked(plan) == set()


def test_a_residual_is_not_masked_for_the_addition_alone() -> None:
    graph = CanonicalGraph(1, 32, 6, 6)
    residual = graph.relu(graph.node("Sigmoid", "x"))
    plan = assert_plan_computes(graph, graph.node("Add", graph.conv("x", (32, 32)), residual))
    assert masked(plan) == set()


def test_a_vector_used_as_a_map_carries_no_mask() -> None:
    graph = CanonicalGraph(2, 32)
    vector = graph.relu(graph.node("Linear", "x", graph.values(32, 32)))
    gate = graph.node("Reshape", vector, graph.constant([2, 32, 1, 1], dtype=np.int64))
    plan = assert_plan_computes(graph, graph.conv(gate, (32, 16), kernel=(1, 1)))
    assert masked(plan) == set()
