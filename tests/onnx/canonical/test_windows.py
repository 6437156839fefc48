"""Convolutions and pools: attributes written out, pads resolved and merged, global pools found."""

from __future__ import annotations

import numpy as np
import pytest

from onnx_graphs import assert_parity, build, node_of, op_types, random_array
from zeroskip.errors import ShapeError, ZeroskipError
from zeroskip.onnx import canonicalize, load_model, unsupported_nodes


def attributes(body: str, op_type: str, **keywords: object) -> dict[str, object]:
    node = node_of(assert_parity(build(body, **keywords)), op_type)
    return {key: attribute.value for key, attribute in node.attributes.items()}


def test_defaults_of_a_convolution_are_written_out() -> None:
    assert attributes("y = Conv(x, w)", "Conv", constants={"w": random_array(4, 3, 3, 5)}) == {
        "kernel_shape": (3, 5), "strides": (1, 1), "pads": (0, 0, 0, 0), "dilations": (1, 1), "group": 1,
    }  # fmt: skip


def test_convolution_of_one_spatial_axis() -> None:
    found = attributes(
        "y = Conv <pads = [2, 1], strides = [2]> (x, w)",
        "Conv",
        inputs=(2, 3, 16),
        constants={"w": random_array(4, 3, 3)},
    )
    assert found == {"kernel_shape": (3,), "strides": (2,), "pads": (2, 1), "dilations": (1,), "group": 1}


@pytest.mark.parametrize("mode", ["SAME_UPPER", "SAME_LOWER", "VALID"])
@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (2, 2), (5, 3), (1, 2)])
@pytest.mark.parametrize("size", [7, 8])
def test_auto_pad_of_convolutions(mode: str, kernel: int, stride: int, size: int) -> None:
    body = f'y = Conv <auto_pad = "{mode}", strides = [{stride}, {stride}]> (x, w)'
    constants = {"w": random_array(4, 3, kernel, kernel)}
    found = attributes(body, "Conv", inputs=(1, 3, size, size + 2), constants=constants)
    assert "auto_pad" not in found


@pytest.mark.parametrize("op_type", ["MaxPool", "AveragePool"])
@pytest.mark.parametrize("mode", ["SAME_UPPER", "SAME_LOWER", "VALID"])
def test_auto_pad_of_pools(op_type: str, mode: str) -> None:
    body = f'y = {op_type} <auto_pad = "{mode}", kernel_shape = [3, 2], strides = [2, 1]> (x)'
    assert "auto_pad" not in attributes(body, op_type, inputs=(1, 3, 7, 8))


@pytest.mark.parametrize("op_type", ["MaxPool", "AveragePool"])
@pytest.mark.parametrize("opset", [10, 12, 19, 22])
@pytest.mark.parametrize(
    "window",
    [
        "kernel_shape = [2, 2]",
        "kernel_shape = [3, 3], strides = [2, 2], pads = [1, 1, 1, 1]",
        "kernel_shape = [3, 3], strides = [2, 2], ceil_mode = 1",
        "kernel_shape = [3, 3], strides = [2, 2], pads = [0, 0, 1, 1], ceil_mode = 1",
        "kernel_shape = [2, 2], strides = [2, 2], pads = [1, 1, 1, 1], ceil_mode = 1",
    ],
)
@pytest.mark.parametrize("size", [6, 7])
def test_pools(op_type: str, opset: int, window: str, size: int) -> None:
    found = attributes(f"y = {op_type} <{window}> (x)", op_type, inputs=(1, 3, size, size), opset=opset)
    assert {"kernel_shape", "strides", "pads", "dilations", "ceil_mode"} <= set(found)
    assert ("count_include_pad" in found) == (op_type == "AveragePool")


def test_pad_in_front_of_a_convolution_is_merged() -> None:
    constants = {"p": np.array([0, 0, 1, 2, 0, 0, 3, 4]), "w": random_array(4, 3, 3, 3)}
    body = "q = Pad(x, p) y = Conv <pads = [1, 1, 1, 1]> (q, w)"
    assert attributes(body, "Conv", constants=constants)["pads"] == (2, 3, 4, 5)


@pytest.mark.parametrize(
    ("pads", "value", "mode"),
    [
        ([0, 0, 1, 1, 0, 0, 1, 1], 0.5, "constant"),
        ([0, 1, 1, 1, 0, 0, 1, 1], 0.0, "constant"),
        ([0, 0, 1, 1, 0, 0, 1, 1], 0.0, "reflect"),
        ([0, 0, -1, 1, 0, 0, 1, 1], 0.0, "constant"),
    ],
)
def test_other_pads_stay(pads: list[int], value: float, mode: str) -> None:
    channels = 3 + pads[1]
    constants = {"p": np.array(pads), "v": value, "w": random_array(4, channels, 3, 3)}
    model = build(f'q = Pad <mode = "{mode}"> (x, p, v) y = Conv(q, w)', constants=constants)
    assert op_types(canonicalize(load_model(model))) == ["Pad", "Conv"]


def test_pad_in_front_of_a_max_pool_is_merged_behind_an_activation_only() -> None:
    constants = {"p": np.array([0, 0, 1, 1, 0, 0, 1, 1])}
    pool = "y = MaxPool <kernel_shape = [3, 3], strides = [2, 2]> (q)"
    assert op_types(assert_parity(build(f"q = Pad(x, p) {pool}", constants=constants))) == ["Pad", "MaxPool"]
    canonical = assert_parity(build(f"r = Relu(x) q = Pad(r, p) {pool}", constants=constants))
    assert op_types(canonical) == ["FatRelu", "MaxPool"]


def test_pad_in_front_of_an_average_pool_counts() -> None:
    constants = {"p": np.array([0, 0, 1, 1, 0, 0, 1, 1])}
    body = "q = Pad(x, p) y = AveragePool <kernel_shape = [3, 3], strides = [2, 2]> (q)"
    found = attributes(body, "AveragePool", constants=constants)
    assert found["count_include_pad"] == 1
    assert found["pads"] == (1, 1, 1, 1)


@pytest.mark.parametrize(
    "window",
    [
        "MaxPool <kernel_shape = [2, 2]>",
        "AveragePool <kernel_shape = [2, 2]>",
        "MaxPool <kernel_shape = [3, 3], strides = [2, 2], ceil_mode = 1>",
        "AveragePool <kernel_shape = [3, 3], strides = [2, 2], ceil_mode = 1>",
        "MaxPool <kernel_shape = [3, 3], dilations = [2, 2]>",
        "AveragePool <kernel_shape = [3, 3], pads = [1, 1, 1, 1]>",
    ],
)
def test_pads_that_a_pool_cannot_take_stay(window: str) -> None:
    """Windows in the pads alone, or beyond them, would give something else."""
    constants = {"p": np.array([0, 0, 2, 2, 0, 0, 2, 2])}
    canonical = assert_parity(build(f"r = Relu(x) q = Pad(r, p) y = {window} (q)", constants=constants))
    assert "Pad" in op_types(canonical)


def test_padding_of_some_axes() -> None:
    constants = {"p": np.array([1, 2]), "a": np.array([-1]), "w": random_array(4, 3, 3, 3)}
    body = "q = Pad(x, p, , a) y = Conv(q, w)"
    assert attributes(body, "Conv", constants=constants)["pads"] == (0, 1, 0, 2)


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("y = GlobalAveragePool(x)", ["GlobalAveragePool"]),
        ("y = GlobalMaxPool(x)", ["GlobalMaxPool"]),
        ("y = ReduceMean(x, a)", ["GlobalAveragePool"]),
        ("y = ReduceMean <keepdims = 0> (x, a)", ["GlobalAveragePool", "Reshape"]),
        ("y = ReduceMean <keepdims = 0> (x, n)", ["GlobalAveragePool", "Reshape"]),
        ("y = ReduceMax <keepdims = 0> (x, a)", ["GlobalMaxPool", "Reshape"]),
        ("y = AveragePool <kernel_shape = [8, 8]> (x)", ["GlobalAveragePool"]),
        ("y = AveragePool <kernel_shape = [8, 8], strides = [8, 8]> (x)", ["GlobalAveragePool"]),
        ("y = MaxPool <kernel_shape = [8, 8]> (x)", ["GlobalMaxPool"]),
        ("r = Relu(x) y = MaxPool <kernel_shape = [1, 1]> (r)", ["FatRelu", "Identity"]),
        ("r = MaxPool <kernel_shape = [1, 1]> (x) y = Relu(r)", ["FatRelu"]),
        ("y = ReduceMean(x, c)", ["ReduceMean"]),
        ("y = ReduceMean(x)", ["ReduceMean"]),
    ],
)
def test_global_pools(body: str, found: list[str]) -> None:
    constants = {"a": np.array([2, 3]), "n": np.array([-1, -2]), "c": np.array([1])}
    assert op_types(assert_parity(build(body, constants=constants))) == found


@pytest.mark.parametrize(
    "attributes",
    [
        "kernel_shape = [3]", "kernel_shape = [3, 3], strides = [0, 1]", "kernel_shape = [3, 3], pads = [1, 1]",
        "kernel_shape = [3, 3], auto_pad = \"SOME\"", "kernel_shape = [3, 2000000000], auto_pad = \"SAME_UPPER\"",
    ],
)  # fmt: skip
def test_windows_that_make_no_sense(attributes: str) -> None:
    with pytest.raises(ZeroskipError, match=r"\(MaxPool\)"):
        canonicalize(load_model(build(f"y = MaxPool <{attributes}> (x)")))


def test_indices_of_maxima_are_reported() -> None:
    model = build("y, i = MaxPool <kernel_shape = [2, 2]> (x)", outputs="y")
    (node,) = unsupported_nodes(canonicalize(load_model(model)))
    assert "indices" in node.reason


@pytest.mark.parametrize("mode", ["SAME_UPPER", "SAME_LOWER"])
@pytest.mark.parametrize(("kernel", "stride"), [(1, 3), (1, 5), (2, 5), (3, 7), (1, 8)])
@pytest.mark.parametrize("size", [*range(4, 17)])
def test_strides_above_the_window_leave_out_what_onnxruntime_leaves_out(
    mode: str, kernel: int, stride: int, size: int
) -> None:
    body = f'y = Conv <auto_pad = "{mode}", kernel_shape = [{kernel}, 2], strides = [{stride}, 1]> (x, w)'
    model = build(body, inputs=("N", 3, "H", "W"), constants={"w": random_array(4, 3, kernel, 2)})
    assert_parity(model, {"x": random_array(2, 3, size, 5)})


def test_same_padding_of_dilated_pools_is_left_to_the_other_runtime() -> None:
    body = 'y = MaxPool <auto_pad = "SAME_UPPER", kernel_shape = [3, 3], dilations = [2, 2]> (x)'
    (node,) = unsupported_nodes(canonicalize(load_model(build(body))))
    assert node.reason == "auto_pad with dilations is not supported"


def test_window_larger_than_what_it_slides_over() -> None:
    model = build("y = Conv <strides = [4, 4]> (x, w)", constants={"w": random_array(4, 3, 9, 9)})
    with pytest.raises(ShapeError, match="does not fit in"):
        canonicalize(load_model(model))
