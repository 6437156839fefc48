"""Plan: prints, becomes JSON, leaves out what nobody reads."""

from __future__ import annotations

import json

import pytest

from zeroskip import ModelError
from zeroskip.engine import TensorSpec, build_plan

from ..canonical_graph import CanonicalGraph
from ..checks import ops


def make_graph() -> tuple[CanonicalGraph, str]:
    graph = CanonicalGraph(1, 16, 4, 4)
    return graph, graph.conv(graph.relu(graph.conv("x", (16, 16)), max_value=6.0), (16, 16))


def test_plan_is_json_and_knows_its_constants_by_shape() -> None:
    graph, y = make_graph()
    data = json.loads(json.dumps(graph.plan(y).to_dict(), allow_nan=False))
    assert data["constants"]["constant_0"] == [16, 16, 3, 3]
    assert [step["op"] for step in data["steps"]] == ["to_nhwc", "conv", "conv", "to_row"]
    assert data["tensors"][data["inputs"][0]]["offset"] == -1


def test_plan_prints_one_line_per_step() -> None:
    graph, y = make_graph()
    lines = str(graph.plan(y)).splitlines()
    assert lines[0].startswith("plan: 4 steps")
    assert "fatrelu_1 [1x16x4x4 nhwc masked] = conv" in lines[2]


def test_the_same_model_gives_the_same_plan() -> None:
    graph, y = make_graph()
    model = graph.model(y)
    assert build_plan(model).to_dict() == build_plan(model).to_dict()


def test_without_constants_keeps_everything_else() -> None:
    graph, y = make_graph()
    plan = graph.plan(y)
    assert plan.without_constants().constants == {}
    assert plan.without_constants().steps == plan.steps


def test_steps_that_nobody_reads_are_left_out() -> None:
    graph, y = make_graph()
    graph.node("Sigmoid", "x")
    assert "activation" not in ops(graph.plan(y))


def test_an_unknown_tap_is_named() -> None:
    graph, y = make_graph()
    with pytest.raises(ModelError, match="no value of the graph is called nowhere"):
        graph.plan(y, taps=["nowhere"])


def test_tensor_spec_counts() -> None:
    spec = TensorSpec("x", (2, 20, 3, 4), "nhwc", pixel_stride=32, offset=0)
    assert (spec.elements, spec.pixels, spec.is_external) == (480, 24, False)
