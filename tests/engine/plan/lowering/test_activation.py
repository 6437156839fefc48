"""FatRelu in all its forms and the other pointwise functions."""

from __future__ import annotations

import numpy as np
import pytest

from ...canonical_graph import CanonicalGraph
from ...checks import assert_plan_computes, ops


@pytest.mark.parametrize("shape", [(4, 20), (2, 20, 7), (2, 20, 5, 3)], ids=str)
@pytest.mark.parametrize("options", [{}, {"threshold": 0.5}, {"threshold": 0.5, "max_value": 1.0}], ids=str)
def test_fat_relu_of_any_rank_computes_the_reference(shape: tuple[int, ...], options: dict) -> None:
    graph = CanonicalGraph(*shape)
    assert_plan_computes(graph, graph.relu("x", **options))


@pytest.mark.parametrize("shape", [(4, 20), (2, 20, 7), (2, 20, 5, 3)], ids=str)
def test_fat_relu_with_thresholds_per_channel_computes_the_reference(shape: tuple[int, ...]) -> None:
    graph = CanonicalGraph(*shape)
    thresholds = graph.constant(np.linspace(0, 1, 20))
    assert_plan_computes(graph, graph.node("FatRelu", "x", thresholds))


@pytest.mark.parametrize("shape", [(4, 20), (2, 20, 5, 3)], ids=str)
@pytest.mark.parametrize(
    ("op", "attributes"),
    [("Sigmoid", {}), ("Tanh", {}), ("HardSwish", {}), ("HardSigmoid", {"alpha": 0.3, "beta": 0.4})],
)
def test_pointwise_functions_compute_the_reference(shape: tuple[int, ...], op: str, attributes: dict) -> None:
    graph = CanonicalGraph(*shape)
    plan = assert_plan_computes(graph, graph.node(op, "x", **attributes))
    assert "activation" in ops(plan)


@pytest.mark.parametrize("bounds", [(-0.5, 0.5), (-0.5, None), (None, 0.25)], ids=str)
def test_clip_with_either_bound_left_out_computes_the_reference(bounds: tuple[float | None, ...]) -> None:
    graph = CanonicalGraph(2, 20, 5, 3)
    inputs = ["" if bound is None else graph.constant(bound) for bound in bounds]
    assert_plan_computes(graph, graph.node("Clip", "x", *inputs))
