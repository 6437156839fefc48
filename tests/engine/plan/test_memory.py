"""Memory: recycling is tight, in-place steps are safe, and random graphs survive poisoned memory."""

from __future__ import annotations

import numpy as np
import pytest

from zeroskip.engine.plan.memory import _best_gap, _Buffer, _place

from ..canonical_graph import CanonicalGraph
from ..checks import assert_plan_computes, step_of
from ..random_graphs import random_graph


def test_a_chain_of_equal_layers_needs_two_buffers() -> None:
    graph = CanonicalGraph(1, 32, 8, 8)
    value = "x"
    for _ in range(6):
        value = graph.conv(value, (32, 32))
    plan = assert_plan_computes(graph, value)
    assert plan.arena_bytes == 2 * 32 * 8 * 8 * 4


def test_elementwise_steps_work_in_place_where_their_input_dies() -> None:
    graph = CanonicalGraph(1, 32, 8, 8)
    y = graph.node("Sigmoid", graph.node("Sigmoid", graph.conv("x", (32, 32))))
    plan = assert_plan_computes(graph, y)
    assert "in place" in step_of(plan, y).note
    assert plan.arena_bytes == 2 * 32 * 8 * 8 * 4


def test_a_fused_addition_overwrites_the_residual() -> None:
    graph = CanonicalGraph(1, 32, 8, 8)
    value = graph.conv("x", (32, 32))
    for _ in range(3):
        value = graph.relu(graph.node("Add", graph.conv(graph.conv(value, (32, 32)), (32, 32)), value))
    plan = assert_plan_computes(graph, value)
    assert sum("in place" in step.note for step in plan.steps) == 3
    assert plan.arena_bytes < 2.2 * 32 * 8 * 8 * 4


def test_a_residual_that_is_also_the_input_is_not_overwritten() -> None:
    graph = CanonicalGraph(1, 32, 8, 8)
    value = graph.node("Tanh", "x")
    plan = assert_plan_computes(graph, graph.node("Add", graph.conv(value, (32, 32)), value))
    assert not any("in place" in step.note for step in plan.steps if step.op == "conv")


def test_a_residual_that_shares_storage_with_the_input_is_not_overwritten() -> None:
    graph = CanonicalGraph(1, 32, 6, 6)
    value = graph.node("Tanh", "x")
    shapes = [graph.constant(shape, np.int64) for shape in ([1, 32, 36], [1, 32, 6, 6])]
    renamed = graph.node("Reshape", graph.node("Reshape", value, shapes[0]), shapes[1])
    assert_plan_computes(graph, graph.node("Add", graph.conv(value, (32, 32)), renamed))


def test_an_input_that_lives_on_is_not_overwritten() -> None:
    graph = CanonicalGraph(1, 32, 8, 8)
    shared = graph.conv("x", (32, 32))
    plan = assert_plan_computes(graph, graph.node("Mul", graph.node("Sigmoid", shared), shared))
    assert "in place" not in step_of(plan, "sigmoid_1").note


def test_slices_of_a_shared_buffer_are_not_overwritten() -> None:
    graph = CanonicalGraph(1, 32, 8, 8)
    a, b = (graph.conv("x", (32, 32)) for _ in range(2))
    joined = graph.node("Concat", graph.node("Sigmoid", a), b, axis=1)
    assert_plan_computes(graph, graph.node("Tanh", joined))


def test_offsets_are_aligned_and_inside_the_arena() -> None:
    graph = CanonicalGraph(3, 20, 5, 7)
    plan = assert_plan_computes(graph, graph.conv(graph.relu(graph.conv("x", (20, 36))), (36, 3)))
    for spec in plan.tensors:
        if not spec.is_external and spec.layout == "nhwc":
            assert spec.offset % 64 == 0
            assert spec.offset + spec.pixels * spec.pixel_stride * 4 <= plan.arena_bytes


def test_the_smallest_gap_that_fits_is_taken() -> None:
    neighbours = [_Buffer(64, 0, 9, offset=0), _Buffer(64, 0, 9, offset=256), _Buffer(64, 0, 9, offset=448)]
    assert _best_gap(neighbours, 128) == 320
    assert _best_gap(neighbours, 192) == 64
    assert _best_gap(neighbours, 256) == 512


@pytest.mark.parametrize("seed", range(5))
def test_buffers_that_live_together_never_share_bytes(seed: int) -> None:
    random = np.random.default_rng(seed)
    buffers = []
    for _ in range(60):
        first = int(random.integers(50))
        buffers.append(_Buffer(int(random.integers(1, 5000)), first, first + int(random.integers(20))))
    total = _place(buffers)
    for position, a in enumerate(buffers):
        assert a.offset % 64 == 0
        assert a.offset + a.size_bytes <= total
        for b in buffers[:position]:
            apart = a.offset + a.size_bytes <= b.offset or b.offset + b.size_bytes <= a.offset
            assert apart or a.last < b.first or b.last < a.first


@pytest.mark.parametrize("seed", range(20))
def test_random_graphs_compute_the_reference(seed: int) -> None:
    graph, outputs, taps = random_graph(seed)
    assert_plan_computes(graph, *outputs, taps=taps)
