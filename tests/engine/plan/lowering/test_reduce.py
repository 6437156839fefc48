"""Softmax, ReduceMean and LRN."""

from __future__ import annotations

import numpy as np
import pytest

from ...canonical_graph import CanonicalGraph
from ...checks import assert_plan_computes


@pytest.mark.parametrize("axis", [1, -1])
@pytest.mark.parametrize("shape", [(3, 10), (2, 5, 4, 3)], ids=str)
def test_softmax_computes_the_reference(shape: tuple[int, ...], axis: int) -> None:
    graph = CanonicalGraph(*shape)
    assert_plan_computes(graph, graph.node("Softmax", graph.relu("x"), axis=axis))


@pytest.mark.parametrize("keepdims", [0, 1])
@pytest.mark.parametrize("axes", [[1], [2, 3], [-1]], ids=str)
def test_reduce_mean_computes_the_reference(axes: list[int], keepdims: int) -> None:
    graph = CanonicalGraph(2, 20, 3, 4)
    y = graph.node("ReduceMean", graph.relu("x"), graph.constant(axes, np.int64), keepdims=keepdims)
    assert_plan_computes(graph, y)


@pytest.mark.parametrize("size", [3, 5])
def test_lrn_computes_the_reference(size: int) -> None:
    graph = CanonicalGraph(2, 20, 3, 4)
    assert_plan_computes(graph, graph.node("LRN", "x", size=size, alpha=0.01, beta=0.6, bias=2.0))
