"""Linear: what it reads after feature maps, and its epilogue."""

from __future__ import annotations

import numpy as np
import pytest

from ...canonical_graph import CanonicalGraph
from ...checks import assert_plan_computes, ops


def linear(graph: CanonicalGraph, x: str, inputs: int, outputs: int) -> str:
    return graph.node("Linear", x, graph.values(outputs, inputs), graph.values(outputs))


@pytest.mark.parametrize("shape", [(5, 12), (2, 3, 12), (2, 3, 4, 12)], ids=str)
def test_linear_keeps_leading_dimensions(shape: tuple[int, ...]) -> None:
    graph = CanonicalGraph(*shape)
    assert ops(assert_plan_computes(graph, linear(graph, "x", 12, 7))) == ["linear"]


@pytest.mark.parametrize("shape", [(5, 12), (2, 3, 12)], ids=str)
def test_one_threshold_for_all_is_fused(shape: tuple[int, ...]) -> None:
    graph = CanonicalGraph(*shape)
    assert ops(assert_plan_computes(graph, graph.relu(linear(graph, "x", 12, 7), 0.5))) == ["linear"]


def test_thresholds_along_another_axis_than_the_features_are_not_fused() -> None:
    graph = CanonicalGraph(2, 3, 12)
    y = graph.node("FatRelu", linear(graph, "x", 12, 7), graph.constant([0.0, 0.5, 1.0]))
    assert ops(assert_plan_computes(graph, y)) == ["linear", "activation"]


@pytest.mark.parametrize(("channels", "batch"), [(32, 2), (20, 1), (20, 2)])
def test_a_pooled_map_is_read_without_copying(channels: int, batch: int) -> None:
    graph = CanonicalGraph(batch, channels, 4, 4)
    pooled = graph.node("GlobalAveragePool", graph.relu("x"))
    flat = graph.node("Reshape", pooled, graph.constant([batch, channels], np.int64))
    plan = assert_plan_computes(graph, linear(graph, flat, channels, 5))
    assert ops(plan)[-2:] == ["global_avg_pool", "linear"]


def test_a_map_flattened_channels_first_is_converted_once() -> None:
    graph = CanonicalGraph(2, 32, 3, 3)
    flat = graph.node("Reshape", graph.relu("x"), graph.constant([2, 288], np.int64))
    plan = assert_plan_computes(graph, linear(graph, flat, 288, 5))
    assert ops(plan) == ["to_nhwc", "activation", "to_row", "linear"]


def test_a_map_flattened_channels_last_is_not_converted() -> None:
    graph = CanonicalGraph(2, 32, 3, 3)
    last = graph.node("Transpose", graph.relu("x"), perm=[0, 2, 3, 1])
    plan = assert_plan_computes(
        graph, linear(graph, graph.node("Reshape", last, graph.constant([2, 288], np.int64)), 288, 5)
    )
    assert ops(plan) == ["to_nhwc", "activation", "linear"]
