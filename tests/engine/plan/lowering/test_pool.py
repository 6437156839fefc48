"""Pools: windows at the edges, sequences, global pools."""

from __future__ import annotations

import pytest

from zeroskip import UnsupportedOperatorError

from ...canonical_graph import CanonicalGraph
from ...checks import assert_plan_computes

WINDOW = {"kernel_shape": [3, 3], "strides": [2, 2]}


@pytest.mark.parametrize("ceil_mode", [0, 1])
@pytest.mark.parametrize("pads", [[0, 0, 0, 0], [1, 1, 1, 1], [0, 1, 1, 0]], ids=str)
def test_max_pool_computes_the_reference(ceil_mode: int, pads: list[int]) -> None:
    graph = CanonicalGraph(2, 20, 8, 7)
    y = graph.node("MaxPool", "x", ceil_mode=ceil_mode, pads=pads, dilations=[1, 1], **WINDOW)
    assert_plan_computes(graph, y)


def test_dilated_max_pool_computes_the_reference() -> None:
    graph = CanonicalGraph(2, 20, 9, 9)
    assert_plan_computes(graph, graph.node("MaxPool", "x", pads=[0] * 4, dilations=[2, 2], **WINDOW))


@pytest.mark.parametrize("count_include_pad", [0, 1])
@pytest.mark.parametrize("pads", [[0, 0, 0, 0], [1, 1, 1, 1], [0, 1, 1, 0]], ids=str)
def test_average_pool_computes_the_reference(count_include_pad: int, pads: list[int]) -> None:
    graph = CanonicalGraph(2, 20, 8, 7)
    y = graph.node("AveragePool", "x", count_include_pad=count_include_pad, pads=pads, **WINDOW)
    assert_plan_computes(graph, y)


def test_dilated_average_pool_is_refused() -> None:
    graph = CanonicalGraph(2, 20, 9, 9)
    y = graph.node("AveragePool", "x", pads=[0] * 4, dilations=[2, 2], **WINDOW)
    with pytest.raises(UnsupportedOperatorError, match="dilations"):
        graph.plan(y)


@pytest.mark.parametrize("op", ["GlobalAveragePool", "GlobalMaxPool"])
@pytest.mark.parametrize("shape", [(2, 20, 7), (2, 20, 5, 3)], ids=str)
def test_global_pools_compute_the_reference(op: str, shape: tuple[int, ...]) -> None:
    graph = CanonicalGraph(*shape)
    assert_plan_computes(graph, graph.node(op, "x"))


def test_pool_over_sequences_computes_the_reference() -> None:
    graph = CanonicalGraph(2, 20, 15)
    y = graph.node("MaxPool", "x", kernel_shape=[3], strides=[2], pads=[1, 1], dilations=[1])
    assert_plan_computes(graph, y)
