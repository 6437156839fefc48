"""Add, Mul and ChannelAffine: layouts, gates, and what is refused."""

from __future__ import annotations

import pytest

from zeroskip import UnsupportedOperatorError

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


def test_broadcasting_over_pixels_is_refused_with_both_shapes() -> None:
    graph = CanonicalGraph(2, 16, 4, 4)
    other = graph.add_input("other", 2, 1, 4, 4)
    with pytest.raises(UnsupportedOperatorError, match=r"\(2, 1, 4, 4\) over \(2, 16, 4, 4\)"):
        graph.plan(graph.node("Mul", "x", other))


def test_a_constant_of_every_element_is_refused_by_name() -> None:
    graph = CanonicalGraph(1, 4, 4, 4)
    with pytest.raises(UnsupportedOperatorError, match="'constant_0' of shape"):
        graph.plan(graph.node("Add", "x", graph.values(1, 4, 4, 4)))
