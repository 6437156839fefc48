"""Resize: modes, coordinate transformations, sizes and scales."""

from __future__ import annotations

import numpy as np
import pytest

from zeroskip import UnsupportedOperatorError

from ...canonical_graph import CanonicalGraph
from ...checks import assert_plan_computes

TRANSFORMATIONS = ["half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric"]


@pytest.mark.parametrize("transformation", TRANSFORMATIONS)
@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_resize_to_sizes_computes_the_reference(mode: str, transformation: str) -> None:
    graph = CanonicalGraph(2, 20, 4, 6)
    sizes = graph.constant([2, 20, 9, 5], np.int64)
    y = graph.node("Resize", "x", "", "", sizes, mode=mode, coordinate_transformation_mode=transformation)
    assert_plan_computes(graph, y)


@pytest.mark.parametrize("nearest_mode", ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"])
def test_every_way_of_rounding_computes_the_reference(nearest_mode: str) -> None:
    graph = CanonicalGraph(1, 16, 5, 5)
    scales = graph.constant([1, 1, 2, 1.5])
    y = graph.node("Resize", "x", "", scales, mode="nearest", nearest_mode=nearest_mode)
    assert_plan_computes(graph, y)


@pytest.mark.parametrize("transformation", TRANSFORMATIONS)
def test_scales_are_taken_as_given_where_the_size_was_rounded(transformation: str) -> None:
    graph = CanonicalGraph(1, 16, 5, 5)
    scales = graph.constant([1, 1, 1.3, 1.3])
    y = graph.node("Resize", "x", "", scales, mode="linear", coordinate_transformation_mode=transformation)
    assert_plan_computes(graph, y)


def test_cubic_interpolation_is_refused() -> None:
    graph = CanonicalGraph(1, 16, 5, 5)
    y = graph.node("Resize", "x", "", graph.constant([1, 1, 2, 2]), mode="cubic")
    with pytest.raises(UnsupportedOperatorError, match="mode 'cubic'"):
        graph.plan(y)
