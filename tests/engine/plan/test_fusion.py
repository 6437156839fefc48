"""Fusion: what moves into an epilogue, what must not, and where the fused step runs."""

from __future__ import annotations

import numpy as np
import pytest

from ..canonical_graph import CanonicalGraph
from ..checks import assert_plan_computes, ops, step_of


def two_branches(graph: CanonicalGraph) -> tuple[str, str]:
    return graph.conv("x", (32, 32), output="left"), graph.conv("x", (32, 32), output="right")


def test_rectifier_after_convolution_is_its_epilogue() -> None:
    graph = CanonicalGraph(1, 32, 5, 5)
    plan = assert_plan_computes(graph, graph.relu(graph.conv("x", (32, 32)), 0.5, max_value=1.5))
    step = step_of(plan, "fatrelu_1")
    assert step.attributes["activation"] == "fatrelu"
    assert step.attributes["max_value"] == 1.5
    assert np.all(plan.constants[step.constants["thresholds"]] == 0.5)
    assert step.nodes == ("node_conv_0", "node_fatrelu_1")


def test_of_two_convolutions_the_one_executed_last_takes_the_addition() -> None:
    graph = CanonicalGraph(1, 32, 5, 5)
    left, right = two_branches(graph)
    plan = assert_plan_computes(graph, graph.relu(graph.node("Add", left, right)))
    assert ops(plan) == ["to_nhwc", "conv", "conv", "to_row"]
    assert len(step_of(plan, "left").inputs) == 1
    fused = plan.steps[2]
    assert fused.nodes == ("node_right", "node_add_2", "node_fatrelu_3")
    assert plan.tensors[fused.inputs[1]].name == "left"


def test_a_convolution_fused_with_a_later_addend_moves_behind_it() -> None:
    graph = CanonicalGraph(1, 32, 5, 5)
    early = graph.conv("x", (32, 32), output="early")
    late = graph.node("Sigmoid", graph.node("Sigmoid", "x"))
    plan = assert_plan_computes(graph, graph.node("Add", early, late))
    assert ops(plan) == ["to_nhwc", "activation", "activation", "conv", "to_row"]


def test_an_addition_without_convolution_takes_the_rectifier() -> None:
    graph = CanonicalGraph(1, 32, 5, 5)
    other = graph.add_input("other", 1, 32, 5, 5)
    plan = assert_plan_computes(graph, graph.relu(graph.node("Add", "x", other)))
    assert "activation" not in ops(plan)


def test_an_affine_step_takes_the_rectifier() -> None:
    graph = CanonicalGraph(1, 32, 5, 5)
    affine = graph.node("ChannelAffine", "x", graph.values(32), graph.values(32))
    assert ops(assert_plan_computes(graph, graph.relu(affine))) == ["to_nhwc", "affine", "to_row"]


def test_a_convolution_that_is_read_twice_keeps_its_raw_result() -> None:
    graph = CanonicalGraph(1, 32, 5, 5)
    raw = graph.conv("x", (32, 32))
    plan = assert_plan_computes(graph, graph.node("Mul", graph.relu(raw), graph.node("Sigmoid", raw)))
    assert ops(plan).count("activation") == 2


def test_a_convolution_that_is_returned_keeps_its_raw_result() -> None:
    graph = CanonicalGraph(1, 32, 5, 5)
    raw = graph.conv("x", (32, 32))
    plan = assert_plan_computes(graph, raw, graph.relu(raw))
    assert "activation" in ops(plan)


def test_a_rectifier_that_is_read_twice_is_still_fused() -> None:
    graph = CanonicalGraph(1, 32, 5, 5)
    shared = graph.relu(graph.conv("x", (32, 32)))
    second = graph.node("Add", graph.conv(shared, (32, 32)), shared)
    plan = assert_plan_computes(graph, second, shared)
    assert "activation" not in ops(plan)
    assert "add" not in ops(plan)


def test_a_rectified_convolution_does_not_take_an_addition() -> None:
    graph = CanonicalGraph(1, 32, 5, 5)
    rectified = graph.relu(graph.conv("x", (32, 32)))
    assert "add" in ops(assert_plan_computes(graph, graph.node("Add", rectified, "x")))


def test_a_convolution_added_to_itself_is_not_its_own_residual() -> None:
    graph = CanonicalGraph(1, 32, 5, 5)
    y = graph.conv("x", (32, 32))
    assert "add" in ops(assert_plan_computes(graph, graph.node("Add", y, y)))


def test_a_convolution_takes_one_addition_only() -> None:
    graph = CanonicalGraph(1, 32, 5, 5)
    left, right = two_branches(graph)
    other = graph.add_input("other", 1, 32, 5, 5)
    total = graph.node("Add", graph.node("Add", left, right), other)
    plan = assert_plan_computes(graph, graph.relu(total))
    assert sum(len(step.inputs) == 2 for step in plan.steps if step.op == "conv") == 1
    assert ops(plan).count("add") == 1


@pytest.mark.parametrize("function", ["Sigmoid", "HardSwish", "Tanh"])
def test_other_functions_stay_steps(function: str) -> None:
    graph = CanonicalGraph(1, 32, 5, 5)
    assert "activation" in ops(assert_plan_computes(graph, graph.node(function, graph.conv("x", (32, 32)))))


def test_a_tapped_activation_stays_fused_and_is_returned_as_well() -> None:
    graph = CanonicalGraph(1, 32, 5, 5)
    inner = graph.relu(graph.conv("x", (32, 32)))
    plan = assert_plan_computes(graph, graph.conv(inner, (32, 32)), taps=[inner])
    assert "activation" not in ops(plan)
    assert len(plan.outputs) == 2


def test_a_rectifier_behind_a_normalization_is_its_epilogue_in_maps_only() -> None:
    graph = CanonicalGraph(2, 32, 5, 6)
    normalized = graph.node("InstanceNormalization", "x", graph.values(32), graph.values(32), epsilon=1e-3)
    assert "activation" not in ops(assert_plan_computes(graph, graph.relu(normalized, 0.2)))
    rows = CanonicalGraph(3, 20, 12)
    normalized = rows.node("LayerNormalization", "x", rows.values(12), rows.values(12), axis=-1)
    assert "activation" in ops(assert_plan_computes(rows, rows.relu(normalized, 0.2)))
