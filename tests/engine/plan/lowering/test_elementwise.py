"""Functions of two operands and ChannelAffine: layouts, gates, and broadcasting."""

from __future__ import annotations

import pytest

from ...canonical_graph import CanonicalGraph
from ...checks import assert_plan_computes, ops


@pytest.mark.parametrize("op", ["Add", "Mul"])
@pytest.mark.parametrize("shape", [(3, 20), (2, 5, 7), (2, 20, 5, 3), (2, 3, 4, 5, 6)], ids=str)
def test_equal_shapes_of_any_rank_compute_the_reference(op: str, shape: tuple[int, ...]) -> None:
    graph = CanonicalGraph(*shape)
    other = graph.add_input("other", *shape)
    assert op.lower() in ops(assert_plan_computes(graph, graph.node(op, "x", other)))


@pytest.mark.parametrize("gate_first", [False, True])
def test_a_gate_multiplies_every_pixel_of_its_channel(gate_first: bool) -> None:
    graph = CanonicalGraph(2, 24, 5, 3)
    gate = graph.node("Sigmoid", graph.node("GlobalAveragePool", "x"))
    assert_plan_computes(graph, graph.node("Mul", *([gate, "x"] if gate_first else ["x", gate])))


def test_a_value_added_to_itself_is_not_computed_in_place_of_itself_twice() -> None:
    graph = CanonicalGraph(1, 16, 4, 4)
    doubled = graph.node("Sigmoid", "x")
    assert_plan_computes(graph, graph.node("Add", doubled, doubled))


@pytest.mark.parametrize("shape", [(3, 20), (2, 20, 7), (2, 20, 5, 3)], ids=str)
def test_channel_affine_of_any_rank_computes_the_reference(shape: tuple[int, ...]) -> None:
    graph = CanonicalGraph(*shape)
    affine = graph.node("ChannelAffine", "x", graph.values(20), graph.values(20))
    assert_plan_computes(graph, graph.relu(affine, 0.2))


SHAPES = [(1,), (16, 1, 1), (4, 5), (1, 16, 4, 5), (2, 1, 4, 1), (2, 1, 1, 1), (2, 16, 1, 1)]


@pytest.mark.parametrize("op", ["Add", "Sub", "Mul", "Div", "Max", "Min", "Pow"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_operands_of_other_shapes_are_broadcast_over_maps(op: str, shape: tuple[int, ...]) -> None:
    graph = CanonicalGraph(2, 16, 4, 5)
    x = graph.node("Sigmoid", "x")
    other = graph.node("Sigmoid", graph.add_input("other", *shape))
    plan = assert_plan_computes(graph, graph.node(op, x, other), graph.node(op, other, x))
    assert set(ops(plan)) & {"broadcast", "mul"}


@pytest.mark.parametrize("op", ["Add", "Sub", "Mul", "Div", "Max"])
@pytest.mark.parametrize("shape", [*SHAPES, (), (2, 16, 4, 5)], ids=str)
def test_constants_of_any_shape_are_broadcast(op: str, shape: tuple[int, ...]) -> None:
    graph = CanonicalGraph(2, 16, 4, 5)
    x = graph.conv("x", (16, 16))
    plan = assert_plan_computes(graph, graph.node(op, x, graph.values(*shape)))
    assert "constant" in ops(plan) or "residual" in plan.steps[1].constants


@pytest.mark.parametrize(("first", "second"), [((3, 7), (5, 3, 1)), ((2, 1, 3, 1, 4), (6, 1, 5, 1)), ((4, 1), (1, 5))])
def test_rows_of_any_rank_are_broadcast(first: tuple[int, ...], second: tuple[int, ...]) -> None:
    graph = CanonicalGraph(*first)
    other = graph.add_input("other", *second)
    assert ops(assert_plan_computes(graph, graph.node("Sub", "x", other))) == ["broadcast"]


def test_products_keep_the_zeros_of_a_factor() -> None:
    graph = CanonicalGraph(1, 16, 4, 4)
    zeros = graph.relu(graph.conv("x", (16, 16)))
    up = graph.conv("x", (16, 16))
    squared, gated = graph.node("Mul", zeros, zeros), graph.node("Mul", zeros, up)
    scaled = graph.node("Mul", gated, graph.node("GlobalAveragePool", "x"))
    plan = graph.plan(*(graph.conv(value, (16, 16)) for value in (squared, gated, scaled)))
    assert [step.attributes["algorithm"] for step in plan.steps if step.op == "conv"][2:] == ["auto"] * 3


@pytest.mark.parametrize("op", ["Abs", "Sqrt", "Erf", "Softsign"])
def test_functions_that_are_zero_at_zero_keep_zeros(op: str) -> None:
    graph = CanonicalGraph(1, 16, 4, 4)
    value = graph.node(op, graph.relu(graph.conv("x", (16, 16))))
    plan = graph.plan(graph.conv(value, (16, 16)), graph.conv(graph.node("Exp", value), (16, 16)))
    assert [step.attributes["algorithm"] for step in plan.steps if step.op == "conv"][1:] == ["auto", "dense"]


@pytest.mark.parametrize("shape", [(3, 7), (2, 5, 4)], ids=str)
def test_a_single_number_stays_one_without_axes(shape: tuple[int, ...]) -> None:
    graph = CanonicalGraph(*shape)
    plan = assert_plan_computes(graph, graph.node("Div", graph.values(), "x"))
    assert [array.shape for array in plan.constants.values()] == [()]
