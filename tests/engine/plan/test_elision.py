"""Elision: concatenations become views, moves become names, and neither where it would be wrong."""

from __future__ import annotations

import pytest

from ..canonical_graph import CanonicalGraph
from ..checks import assert_plan_computes, ops, step_of


def branches(graph: CanonicalGraph, *channels: int) -> list[str]:
    return [graph.relu(graph.conv("x", (32, count), kernel=(1, 1)), output=f"b{i}") for i, count in enumerate(channels)]


def test_aligned_channels_are_written_into_slices_of_one_buffer() -> None:
    graph = CanonicalGraph(2, 32, 5, 5)
    joined = graph.node("Concat", *branches(graph, 16, 32, 20), axis=1)
    plan = assert_plan_computes(graph, graph.conv(joined, (68, 16)))
    assert "concat" not in ops(plan)
    slices = [plan.tensors[step_of(plan, name).outputs[0]] for name in ("b0", "b1", "b2")]
    assert [spec.pixel_stride for spec in slices] == [80, 80, 80]
    assert [spec.offset - slices[0].offset for spec in slices] == [0, 64, 192]
    assert [spec.mask_offset - slices[0].mask_offset for spec in slices] == [0, 2, 6]


def test_unaligned_channels_are_copied_and_the_plan_says_why() -> None:
    graph = CanonicalGraph(2, 32, 5, 5)
    joined = graph.node("Concat", *branches(graph, 20, 16), axis=1)
    plan = assert_plan_computes(graph, graph.conv(joined, (36, 16)))
    assert "channel 20" in step_of(plan, joined).note


def test_an_operand_used_twice_is_copied() -> None:
    graph = CanonicalGraph(2, 32, 5, 5)
    (branch,) = branches(graph, 16)
    assert "concat" in ops(assert_plan_computes(graph, graph.node("Concat", branch, branch, axis=1)))


def test_an_operand_of_two_concatenations_lies_in_one_of_them() -> None:
    graph = CanonicalGraph(2, 32, 5, 5)
    a, b, c = branches(graph, 16, 16, 16)
    first, second = graph.node("Concat", b, a, axis=1), graph.node("Concat", c, a, axis=1)
    plan = assert_plan_computes(graph, graph.conv(first, (32, 16)), graph.conv(second, (32, 16)))
    assert ops(plan).count("concat") == 1


@pytest.mark.parametrize("is_chain", [True, False])
def test_a_dense_block_is_one_buffer(is_chain: bool) -> None:
    """Whether each concatenation takes the one before (a chain) or all features anew."""
    graph = CanonicalGraph(2, 32, 4, 4)
    features = [graph.conv("x", (32, 32), kernel=(1, 1))]
    joined = features[0]
    for layer in range(3):
        affine = graph.node("ChannelAffine", joined, *(graph.values(32 + 16 * layer) for _ in range(2)))
        features.append(graph.conv(graph.relu(affine), (32 + 16 * layer, 16)))
        joined = graph.node("Concat", *([joined, features[-1]] if is_chain else features), axis=1)
    plan = assert_plan_computes(graph, graph.relu(joined))
    assert "concat" not in ops(plan)


def test_a_slice_feeds_an_addition_and_a_convolution() -> None:
    graph = CanonicalGraph(2, 32, 5, 5)
    a, b = branches(graph, 32, 16)
    joined = graph.node("Concat", a, b, axis=1)
    y = graph.node("Add", graph.conv(joined, (48, 32)), a)
    assert "concat" not in ops(assert_plan_computes(graph, graph.relu(y), graph.conv(a, (32, 16))))


def test_a_pooled_slice_is_not_taken_for_a_flat_vector() -> None:
    graph = CanonicalGraph(2, 32, 5, 5)
    pooled = [graph.node("GlobalAveragePool", branch) for branch in branches(graph, 16, 16)]
    joined = graph.node("Concat", *pooled, axis=1)
    flat = graph.node("Reshape", pooled[0], graph.constant([2, 16], dtype=int))
    assert_plan_computes(graph, graph.conv(joined, (32, 16), kernel=(1, 1)), graph.node("Softmax", flat, axis=1))


def test_a_reshaped_map_is_copied_into_a_concatenation() -> None:
    graph = CanonicalGraph(2, 32, 4, 4)
    a, b = branches(graph, 16, 16)
    flat = [graph.node("Reshape", value, graph.constant([2, 16, 16], dtype=int)) for value in (a, b)]
    assert_plan_computes(graph, graph.relu(graph.node("Concat", *flat, axis=1)), graph.conv(a, (16, 16)))


def test_a_graph_input_is_never_renamed() -> None:
    graph = CanonicalGraph(2, 12)
    plan = assert_plan_computes(graph, graph.node("Reshape", "x", graph.constant([4, 6], dtype=int)))
    assert ops(plan) == ["copy"]


def test_a_value_returned_twice_is_copied_once() -> None:
    graph = CanonicalGraph(2, 12)
    y = graph.node("Sigmoid", "x")
    model = graph.model(y)
    model.graph.outputs.append(model.graph.outputs[0])
    from zeroskip.engine import build_plan

    plan = build_plan(model)
    assert ops(plan) == ["activation", "copy"]
    assert len(set(plan.outputs)) == 2
