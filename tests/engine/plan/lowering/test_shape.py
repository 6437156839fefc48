"""Reshape, Transpose, Concat, Slice, Split, Pad, Identity: every value arrives where it belongs."""

from __future__ import annotations

import numpy as np
import pytest

from zeroskip import UnsupportedOperatorError

from ...canonical_graph import CanonicalGraph
from ...checks import assert_plan_computes, ops


def integers(graph: CanonicalGraph, *items: int) -> str:
    return graph.constant(items, np.int64)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((2, 20, 12), (2, 20, 3, 4)),
        ((2, 20, 3, 4), (2, 20, 12)),
        ((2, 20, 3, 4), (2, 240)),
        ((2, 20, 3, 4), (6, 80)),
        ((2, 32, 1, 1), (2, 32)),
        ((2, 240), (2, 20, 3, 4)),
        ((2, 4, 5, 3, 4), (2, 20, 3, 4)),
    ],
    ids=str,
)
def test_reshape_keeps_the_order_of_elements(before: tuple[int, ...], after: tuple[int, ...]) -> None:
    graph = CanonicalGraph(*before)
    reshaped = graph.node("Reshape", graph.relu("x"), integers(graph, *after))
    assert_plan_computes(graph, graph.node("Sigmoid", reshaped))


def test_regrouping_pixels_of_a_map_costs_nothing() -> None:
    graph = CanonicalGraph(2, 20, 3, 4)
    x = graph.relu(graph.conv("x", (20, 20)))
    y = graph.conv(graph.node("Reshape", x, integers(graph, 2, 20, 12)), (20, 20), kernel=(3,))
    plan = assert_plan_computes(graph, y)
    assert ops(plan)[:3] == ["to_nhwc", "conv", "conv"]
    assert plan.steps[2].attributes["algorithm"] == "auto"


@pytest.mark.parametrize("perm", [(0, 2, 3, 1), (0, 3, 1, 2), (0, 2, 1, 3), (1, 0, 2, 3), (3, 2, 1, 0)], ids=str)
@pytest.mark.parametrize("from_map", [True, False])
def test_transposition_computes_the_reference(perm: tuple[int, ...], from_map: bool) -> None:
    graph = CanonicalGraph(2, 20, 3, 4)
    x = graph.relu("x") if from_map else "x"
    assert_plan_computes(graph, graph.relu(graph.node("Transpose", x, perm=perm), 0.1))


@pytest.mark.parametrize("perm", [(0, 2, 1), (1, 0, 2), (2, 1, 0)], ids=str)
@pytest.mark.parametrize("from_map", [True, False])
def test_transposition_of_sequences_computes_the_reference(perm: tuple[int, ...], from_map: bool) -> None:
    graph = CanonicalGraph(2, 20, 7)
    x = graph.conv("x", (20, 20), kernel=(3,)) if from_map else "x"
    assert_plan_computes(graph, graph.node("Transpose", x, perm=perm))


def test_there_and_back_again_costs_nothing() -> None:
    graph = CanonicalGraph(2, 20, 3, 4)
    last = graph.node("Transpose", graph.relu(graph.conv("x", (20, 20))), perm=[0, 2, 3, 1])
    plan = assert_plan_computes(graph, graph.conv(graph.node("Transpose", last, perm=[0, 3, 1, 2]), (20, 20)))
    assert ops(plan) == ["to_nhwc", "conv", "conv", "to_row"]


def test_a_map_returned_channels_last_is_written_so_directly() -> None:
    graph = CanonicalGraph(2, 20, 3, 4)
    plan = assert_plan_computes(graph, graph.node("Transpose", graph.relu("x"), perm=[0, 2, 3, 1]))
    assert ops(plan) == ["to_nhwc", "activation", "to_row"]


@pytest.mark.parametrize("axis", [0, 1, 2, 3])
def test_concat_along_any_axis_computes_the_reference(axis: int) -> None:
    graph = CanonicalGraph(2, 20, 3, 4)
    other = list(graph.inputs["x"])
    other[axis] = 5
    graph.add_input("other", *other)
    y = graph.node("Concat", graph.relu("x"), graph.relu("other"), "x", axis=axis)
    assert_plan_computes(graph, graph.node("Sigmoid", y))


@pytest.mark.parametrize("from_map", [True, False])
@pytest.mark.parametrize(
    ("starts", "ends", "axes", "steps"),
    [
        ((4, 1), (18, 3), (1, 2), (1, 1)),
        ((0,), (10,), (3,), (2,)),
        ((0, 0), (1, 20), (0, 1), (1, 3)),
        ((1, 0), (3, 10), (2, 3), (1 << 16, 100)),
    ],
    ids=str,
)
def test_slice_computes_the_reference(from_map: bool, starts: tuple, ends: tuple, axes: tuple, steps: tuple) -> None:
    graph = CanonicalGraph(2, 20, 3, 10)
    x = graph.relu("x") if from_map else "x"
    y = graph.node("Slice", x, *(integers(graph, *item) for item in (starts, ends, axes, steps)))
    assert_plan_computes(graph, graph.node("Sigmoid", y))


def test_slice_of_a_sequence_computes_the_reference() -> None:
    graph = CanonicalGraph(2, 20, 10)
    x = graph.conv("x", (20, 20), kernel=(3,))
    bounds = [integers(graph, *item) for item in ((4, 1), (18, 9), (1, 2), (1, 1))]
    assert_plan_computes(graph, graph.node("Slice", x, *bounds))


def test_split_computes_the_reference() -> None:
    graph = CanonicalGraph(2, 20, 3, 4)
    x = graph.relu("x")
    sizes = integers(graph, 4, 16)
    graph._nodes.append(_split(x, sizes))
    graph.expected("first", "second")
    assert_plan_computes(graph, graph.relu("first", 0.1), graph.relu("second", 0.2))


def _split(x: str, sizes: str):  # type: ignore[no-untyped-def]
    import onnx

    return onnx.helper.make_node("Split", [x, sizes], ["first", "second"], name="split", axis=1)


@pytest.mark.parametrize("pads", [(0, 0, 1, 2, 0, 0, 3, 0), (0, 4, 0, 0, 0, 5, 1, 0), (1,) * 8], ids=str)
@pytest.mark.parametrize("value", [0.0, 1.5])
def test_pad_computes_the_reference(pads: tuple[int, ...], value: float) -> None:
    graph = CanonicalGraph(2, 20, 3, 4)
    y = graph.node("Pad", graph.relu("x"), integers(graph, *pads), graph.constant(value), mode="constant")
    assert_plan_computes(graph, graph.node("Sigmoid", y))


@pytest.mark.parametrize("mode", ["edge", "reflect"])
def test_pad_by_what_is_there_computes_the_reference(mode: str) -> None:
    graph = CanonicalGraph(2, 20, 4, 5)
    assert_plan_computes(graph, graph.node("Pad", "x", integers(graph, 0, 0, 1, 2, 0, 0, 3, 0), mode=mode))


def test_pad_of_sequences_computes_the_reference() -> None:
    graph = CanonicalGraph(2, 20, 7)
    y = graph.node("Pad", "x", integers(graph, 0, 0, 2, 0, 0, 3), mode="constant")
    assert_plan_computes(graph, graph.conv(y, (20, 16), kernel=(3,)))


def test_identity_of_an_input_is_copied_to_the_output() -> None:
    graph = CanonicalGraph(2, 3)
    assert ops(assert_plan_computes(graph, graph.node("Identity", "x"))) == ["copy"]


def test_all_problems_of_a_model_are_reported_at_once() -> None:
    graph = CanonicalGraph(2, 4, 4, 4)
    first = graph.node("Atan", "x")
    second = graph.node("Clip", "x", graph.node("ReduceMax", graph.add_input("low", 2), keepdims=0))
    with pytest.raises(UnsupportedOperatorError) as caught:
        graph.plan(first, second)
    assert "2 node(s)" in str(caught.value)
    assert "node_atan_0 (Atan): operator not supported" in str(caught.value)
    assert "(Clip): " in str(caught.value)
    assert "must be a constant" in str(caught.value)
