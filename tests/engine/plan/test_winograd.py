"""Winograd: allowed where it has a form, refused by the option, and as exact as promised."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import zeroskip as zs

from ..canonical_graph import CanonicalGraph
from ..checks import assert_plan_computes, step_of


def choice(channels: tuple[int, int] = (32, 32), **attributes: Any) -> object:
    """Return the ``winograd`` attribute of a convolution of a rectified input."""
    graph = CanonicalGraph(1, channels[0], 9, 9)
    plan = assert_plan_computes(graph, graph.conv(graph.relu("x"), channels, output="y", **attributes))
    return step_of(plan, "y").attributes.get("winograd", "off")


def test_a_3x3_convolution_of_stride_1_may_take_it() -> None:
    assert choice() == "auto"
    assert choice(channels=(16, 64), pads=[0, 2, 1, 0]) == "auto"


@pytest.mark.parametrize(
    "attributes",
    [
        {"strides": [2, 2]},
        {"strides": [1, 2]},
        {"dilations": [2, 2]},
        {"kernel": (1, 1)},
        {"kernel": (3, 1)},
        {"kernel": (5, 5)},
        {"group": 2},
        {"channels": (8, 32)},
        {"channels": (32, 8)},
    ],
    ids=str,
)
def test_others_may_not(attributes: dict[str, Any]) -> None:
    assert choice(**attributes) == "off"


@pytest.mark.parametrize(
    ("channels", "kernel", "strides", "expected"),
    [
        ((3, 64), (7, 7), [2, 2], "auto"),
        ((1, 16), (5, 5), [2, 2], "auto"),
        ((3, 64), (7, 7), [1, 1], "off"),
        ((3, 64), (3, 3), [2, 2], "off"),
        ((8, 64), (7, 7), [2, 2], "off"),
        ((3, 8), (7, 7), [2, 2], "off"),
    ],
)
def test_first_layers_with_large_windows_may_take_it(
    channels: tuple[int, int], kernel: tuple[int, int], strides: list[int], expected: str
) -> None:
    graph = CanonicalGraph(1, channels[0], 17, 17)
    plan = assert_plan_computes(graph, graph.conv("x", channels, kernel=kernel, strides=strides, output="y"))
    assert step_of(plan, "y").attributes.get("winograd", "off") == expected


def network(channels: int = 64, size: int = 28) -> onnx.ModelProto:
    """Return two 3x3 convolutions, the second of a rectified input."""
    random = np.random.default_rng(3)
    shape = (channels, channels, 3, 3)
    weights = {
        f"w{index}": (random.standard_normal(shape) / np.sqrt(9 * channels)).astype(np.float32) for index in (1, 2)
    }
    nodes = [
        helper.make_node("Conv", ["x", "w1"], ["c1"], pads=[1] * 4),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("Conv", ["r1", "w2"], ["y"], pads=[1] * 4),
    ]
    extents = [1, channels, size, size]
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, extents)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, extents)],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def test_the_option_changes_kernels_and_only_the_rounding_of_results() -> None:
    x = {"x": np.random.default_rng(0).standard_normal((1, 64, 28, 28), np.float32)}
    model = network()
    sessions = [zs.InferenceSession(model, zs.SessionOptions(winograd=allowed)) for allowed in (True, False)]
    kernels = [[step.kernel for step in session.explain().steps if step.op == "conv"] for session in sessions]
    assert all("winograd" in kernel for kernel in kernels[0])
    assert not any("winograd" in kernel for kernel in kernels[1])
    fast, direct = (session.run(None, x)[0] for session in sessions)
    difference = np.abs(fast - direct).max() / np.abs(direct).max()
    assert 0 < difference < 1e-5


def test_the_explanation_says_when_it_is_taken() -> None:
    steps = [step for step in zs.InferenceSession(network()).explain().steps if "winograd" in step.kernel]
    assert [step.algorithm for step in steps] == ["dense", "auto"]
    assert "Winograd where the input is dense; else skips zeros" in steps[1].note


def test_one_session_takes_images_of_sizes_that_pad_a_first_layer_differently() -> None:
    """SAME padding of 96 pixels begins with two rows of zeros, that of 97 with three: the kernel is arranged anew."""
    random = np.random.default_rng(3)
    weight = numpy_helper.from_array(random.standard_normal((64, 3, 7, 7)).astype(np.float32), "w")
    node = helper.make_node("Conv", ["x", "w"], ["y"], strides=[2, 2], auto_pad="SAME_UPPER")
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, "H", "W"])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 64, "h", "w"])
    graph = helper.make_graph([node], "network", [x], [y], [weight])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    sessions = [zs.InferenceSession(model, zs.SessionOptions(winograd=allowed)) for allowed in (True, False)]
    for size in [(96, 96), (97, 96), (96, 97), (97, 97)]:
        image = {"x": random.standard_normal((1, 3, *size), np.float32)}
        fast, direct = (session.run(None, image)[0] for session in sessions)
        assert "winograd" in sessions[0].explain().steps[0].kernel
        np.testing.assert_allclose(fast, direct, rtol=0, atol=1e-5 * np.abs(direct).max())


@pytest.mark.parametrize("magnitude", [1e36, 3e37])
def test_numbers_near_the_end_of_the_range_are_summed_directly_on_request(magnitude: float) -> None:
    """Winograd adds inputs up before it multiplies; ``docs/semantics.md`` promises it up to 1e36."""
    weight = np.random.default_rng(0).standard_normal((64, 64, 3, 3)).astype(np.float32) / 24
    node = helper.make_node("Conv", ["x", "w"], ["y"], pads=[1, 1, 1, 1])
    infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 64, 28, 28]) for name in "xy"]
    graph = helper.make_graph([node], "g", infos[:1], infos[1:], [numpy_helper.from_array(weight, "w")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    x = np.random.default_rng(1).uniform(-1.0, 1.0, (1, 64, 28, 28)).astype(np.float32)
    scaled = {"x": x * np.float32(magnitude)}
    ((want,), (direct,), (quick,)) = (
        zs.InferenceSession(model, zs.SessionOptions(winograd=winograd)).run(None, feed)
        for winograd, feed in ((False, {"x": x}), (False, scaled), (True, scaled))
    )
    np.testing.assert_allclose(direct / magnitude, want, atol=1e-5)
    assert np.isfinite(quick).all() == (magnitude <= 1e36)
    if magnitude <= 1e36:
        np.testing.assert_allclose(quick / magnitude, want, atol=1e-4)
