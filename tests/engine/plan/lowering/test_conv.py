"""Conv: geometry, groups, ranks, and which input layouts it reads."""

from __future__ import annotations

import pytest

from zeroskip import UnsupportedOperatorError

from ...canonical_graph import CanonicalGraph
from ...checks import assert_plan_computes, ops, step_of


@pytest.mark.parametrize(
    "options",
    [
        {"kernel": (1, 1)},
        {"kernel": (3, 3), "strides": [2, 2]},
        {"kernel": (3, 5), "pads": [0, 1, 2, 3]},
        {"kernel": (3, 3), "dilations": [2, 3], "pads": [2, 3, 2, 3]},
        {"kernel": (3, 3), "group": 4},
        {"kernel": (2, 2), "pads": [0, 0, 1, 1], "bias": False},
    ],
    ids=str,
)
def test_conv_of_a_map_computes_the_reference(options: dict) -> None:
    graph = CanonicalGraph(2, 20, 9, 8)
    y = graph.conv(graph.relu("x"), (20, 24), **options)
    plan = assert_plan_computes(graph, y)
    assert "conv" in ops(plan)


def test_conv_with_as_many_groups_as_channels_is_depthwise() -> None:
    graph = CanonicalGraph(1, 24, 7, 7)
    plan = assert_plan_computes(graph, graph.relu(graph.conv("x", (24, 24), group=24)))
    assert ops(plan) == ["to_nhwc", "depthwise", "to_row"]
    assert step_of(plan, "fatrelu_1").macs == 24 * 7 * 7 * 9


def test_conv_with_two_outputs_per_channel_is_a_grouped_convolution() -> None:
    graph = CanonicalGraph(1, 8, 5, 5)
    assert "conv" in ops(assert_plan_computes(graph, graph.conv("x", (8, 16), group=8)))


def test_conv_over_sequences_is_a_map_of_height_one() -> None:
    graph = CanonicalGraph(3, 20, 33)
    y = graph.conv(graph.relu(graph.conv("x", (20, 32), kernel=(5,), strides=[2])), (32, 16), kernel=(3,))
    plan = assert_plan_computes(graph, y)
    assert plan.tensors[step_of(plan, "fatrelu_1").outputs[0]].shape == (3, 32, 1, 17)


def test_conv_of_few_channels_reads_the_graph_input_unpadded() -> None:
    graph = CanonicalGraph(2, 3, 8, 8)
    plan = assert_plan_computes(graph, graph.conv("x", (3, 16)))
    assert ops(plan) == ["conv", "to_row"]
    assert plan.steps[0].attributes["input_layout"] == "nchw"
    assert plan.steps[0].inputs == plan.inputs


def test_conv_of_few_channels_reads_a_channels_last_input_unpadded() -> None:
    graph = CanonicalGraph(2, 8, 9, 3)
    plan = assert_plan_computes(graph, graph.conv(graph.node("Transpose", "x", perm=[0, 3, 1, 2]), (3, 16)))
    assert ops(plan) == ["conv", "to_row"]
    assert plan.steps[0].attributes["input_layout"] == "nhwc"
    assert [node.node for node in plan.eliminated] == ["node_transpose_0"]


@pytest.mark.parametrize("options", [{"dilations": [1, 2]}, {"group": 3}], ids=str)
def test_dilated_and_grouped_convolutions_of_few_channels_read_a_padded_copy(options: dict) -> None:
    graph = CanonicalGraph(2, 3, 8, 8)
    assert ops(assert_plan_computes(graph, graph.conv("x", (3, 6), **options)))[0] == "to_nhwc"


def test_macs_count_the_dense_computation() -> None:
    graph = CanonicalGraph(2, 32, 8, 8)
    plan = graph.plan(graph.conv("x", (32, 48), strides=[2, 2], group=2))
    assert plan.macs == 2 * 48 * 4 * 4 * (32 // 2) * 9


def test_convolution_over_volumes_is_refused_by_name() -> None:
    graph = CanonicalGraph(1, 4, 5, 5, 5)
    y = graph.conv("x", (4, 8), kernel=(3, 3, 3))
    with pytest.raises(UnsupportedOperatorError, match=r"node_conv_0 \(Conv\): windows of 3 dimensions"):
        graph.plan(y)


def test_convolutions_that_share_weights_share_one_constant() -> None:
    graph = CanonicalGraph(1, 16, 4, 4)
    weight = graph.values(16, 16, 1, 1)
    attributes = {"kernel_shape": [1, 1], "strides": [1, 1], "pads": [0] * 4, "dilations": [1, 1], "group": 1}
    y = graph.node("Conv", graph.node("Conv", "x", weight, **attributes), weight, **attributes)
    plan = assert_plan_computes(graph, y)
    assert list(plan.constants) == [weight]
