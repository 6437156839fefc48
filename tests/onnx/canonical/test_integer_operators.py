"""Operators on integers become float operators between quantisers, and give what integer kernels give."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest

from onnx_graphs import build, run
from zeroskip.errors import ModelError
from zeroskip.onnx import canonicalize, load_model, prepare, to_bytes, to_standard, unsupported_nodes

RANDOM = np.random.default_rng(2)
MICROSOFT = "com.microsoft"
READ = "q = QuantizeLinear(x, xs, xz)"
WRITE = "y = DequantizeLinear(r, ys, yz)"


def constants(shape: tuple[int, ...], dtype: Any, weight: tuple[int, ...] = (), scales: int = 1) -> dict[str, Any]:
    """Return steps of x and y, and of a weight ``w``, small enough for kernels that add pairs in 16 bits."""
    middle = 128 if dtype is np.uint8 else 0
    found = {
        "xs": np.float32(0.04), "xz": np.asarray(middle - 3, dtype), "os": np.float32(0.07),
        "ys": np.float32(0.11), "yz": np.asarray(middle + 2, dtype), "oz": np.asarray(middle, dtype),
    }  # fmt: skip
    if weight:
        found["w"] = RANDOM.integers(-60, 60, weight, np.int8)
        found["ws"] = RANDOM.uniform(0.005, 0.01, scales).astype(np.float32).reshape(() if scales == 1 else (-1,))
        found["wz"] = np.zeros(found["ws"].shape, np.int8)
        found["b"] = RANDOM.integers(-500, 500, weight[0], np.int32)
    return found


def check(model: onnx.ModelProto, shape: tuple[int, ...], steps: int, scale: float = 0.11) -> list[str]:
    """Compare with ONNX Runtime, allowing some steps of the result; return the operators of the canonical form."""
    x = 2.5 * RANDOM.standard_normal(shape).astype(np.float32)
    canonical = canonicalize(load_model(model), {"x": shape})
    assert unsupported_nodes(canonical) == []
    (want,), (got,) = run(model, {"x": x}), run(to_bytes(to_standard(canonical)), {"x": x})
    assert np.ptp(want) > 10 * scale
    np.testing.assert_allclose(got, want, rtol=0, atol=(steps + 0.01) * scale)
    assert (got != want).mean() < 0.05
    return [node.op_type for node in canonical.graph]


def model_of(body: str, shape: tuple[int, ...], given: dict[str, Any], write: str = WRITE) -> onnx.ModelProto:
    return build(f"{READ} {body} {write}", inputs=shape, constants=given, domains={MICROSOFT: 1})


@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
@pytest.mark.parametrize("scales", [1, 4])
@pytest.mark.parametrize("bias", ["", ", b"])
def test_conv(dtype: Any, scales: int, bias: str) -> None:
    shape = (2, 3, 8, 8)
    body = f"r = QLinearConv <pads = [1, 1, 1, 1], strides = [2, 2]> (q, xs, xz, w, ws, wz, ys, yz{bias})"
    found = check(model_of(body, shape, constants(shape, dtype, (4, 3, 3, 3), scales)), shape, 1)
    assert found == ["QuantizeLinear", "DequantizeLinear", "Conv", "QuantizeLinear", "DequantizeLinear"]


def test_the_float_operator_has_the_name_of_the_node() -> None:
    shape = (2, 3, 8, 8)
    model = model_of("r = QLinearConv(q, xs, xz, w, ws, wz, ys, yz)", shape, constants(shape, np.uint8, (4, 3, 3, 3)))
    model.graph.node[1].name = "first layer"
    names = {node.name: node.op_type for node in prepare(load_model(model)).graph}
    assert names["first layer"] == "Conv"


@pytest.mark.parametrize("scales", [1, 6])
def test_matmul(scales: int) -> None:
    given = constants((4, 16), np.uint8, (16, 6), scales)
    check(model_of("r = QLinearMatMul(q, xs, xz, w, ws, wz, ys, yz)", (4, 16), given), (4, 16), 1)


@pytest.mark.parametrize(("weight", "attributes"), [((6, 16), "transB = 1"), ((16, 6), "transB = 0, alpha = 0.5")])
def test_gemm(weight: tuple[int, int], attributes: str) -> None:
    given = constants((4, 16), np.uint8, weight)
    given["b"] = RANDOM.integers(-500, 500, 6, np.int32)
    body = f"r = com.microsoft.QGemm <{attributes}> (q, xs, xz, w, ws, wz, b, ys, yz)"
    check(model_of(body, (4, 16), given), (4, 16), 1)


def test_gemm_that_gives_floats() -> None:
    body = "y = com.microsoft.QGemm <transB = 1> (q, xs, xz, w, ws, wz, b)"
    model = model_of(body, (4, 16), constants((4, 16), np.uint8, (6, 16)), "")
    x = RANDOM.standard_normal((4, 16)).astype(np.float32)
    found = to_bytes(to_standard(canonicalize(load_model(model), {"x": (4, 16)})))
    np.testing.assert_allclose(run(found, {"x": x})[0], run(model, {"x": x})[0], rtol=0, atol=1e-5)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
@pytest.mark.parametrize(
    ("body", "steps"),
    [
        ("r = com.microsoft.QLinearAdd(q, xs, xz, p, os, oz, ys, yz)", 1),
        ("r = com.microsoft.QLinearMul(q, xs, xz, p, os, oz, ys, yz)", 1),
        ("r = com.microsoft.QLinearConcat <axis = 1> (ys, yz, q, xs, xz, p, os, oz)", 0),
        ("r = com.microsoft.QLinearGlobalAveragePool(q, xs, xz, ys2, yz)", 1),
        ("r = com.microsoft.QLinearAveragePool <kernel_shape = [2, 2], strides = [2, 2]> (q, xs, xz, ys, yz)", 1),
        ("r = com.microsoft.QLinearAveragePool <kernel_shape = [3, 3], pads = [1, 1, 1, 1]> (q, xs, xz, ys, yz)", 1),
        ("r = com.microsoft.QLinearSigmoid(q, xs, xz, ys2, yz)", 1),
        ("r = MaxPool <kernel_shape = [2, 2]> (q)", 0),
    ],
)
def test_others(body: str, steps: int, dtype: Any) -> None:
    shape, given = (2, 3, 8, 8), constants((2, 3, 8, 8), dtype)
    given["ys2"] = np.float32(0.004)
    if "Sigmoid" in body:
        given["yz"] = np.asarray(np.iinfo(dtype).min, dtype)
    write = WRITE.replace("ys", "ys2") if "ys2" in body else WRITE
    text = f"p = QuantizeLinear(x, os, oz) {body}"
    scale = float(given["ys2"] if "ys2" in body else given["ys"])
    check(model_of(text, shape, given, write), shape, steps, scale)


def test_quantisers_of_another_domain() -> None:
    body = "y = com.microsoft.DequantizeLinear(p, xs, xz)"
    text = f"p = com.microsoft.QuantizeLinear(x, xs, xz) {body}"
    model = build(text, inputs=(2, 3), constants=constants((2, 3), np.int8), domains={MICROSOFT: 1})
    found = canonicalize(load_model(model), {"x": (2, 3)})
    assert [node.op_type for node in found.graph] == ["QuantizeLinear", "DequantizeLinear"]
    x = RANDOM.standard_normal((2, 3)).astype(np.float32)
    np.testing.assert_array_equal(run(to_bytes(to_standard(found)), {"x": x})[0], run(model, {"x": x})[0])


CONV = "r = QLinearConv(q, xs, xz, w, ws, wz, ys, yz)"


@pytest.mark.parametrize(
    ("body", "changed", "message"),
    [
        (CONV.replace(", ys, yz", ""), {}, "has no scale for its result"),
        (CONV.replace(", yz", ""), {}, "has no zero point for its result"),
        (CONV.replace("xz", ""), {}, "has no zero point as input 0 to 2"),
        (CONV, {"ws": np.float32([0.1, 0.1, 0.1]), "wz": np.zeros(3, np.int8)}, "has 3 scales along axis 0"),
        (CONV, {"ws": np.float32([0.1, 0.1, 0.0, 0.1]), "wz": np.zeros(4, np.int8)}, "has a scale of 0.0"),
        (CONV, {"ys": np.float32("nan")}, "has a scale of nan"),
        (CONV, {"wz": np.zeros(4, np.int8)}, "has 1 scales and 4 zero points"),
    ],
)
def test_faults(body: str, changed: dict[str, Any], message: str) -> None:
    shape = (2, 3, 8, 8)
    given = constants(shape, np.uint8, (4, 3, 3, 3)) | changed
    with pytest.raises(ModelError, match=message):
        canonicalize(load_model(model_of(body, shape, given)), {"x": shape})


@pytest.mark.parametrize(
    "body",
    [
        "i = ConvInteger(q, w, xz) y = Cast <to = 1> (i)",
        "a, s, z = DynamicQuantizeLinear(x) y = DequantizeLinear(a, s, z)",
    ],
)
def test_what_is_left_to_others(body: str) -> None:
    shape = (2, 3, 8, 8)
    model = model_of(body, shape, constants(shape, np.uint8, (4, 3, 3, 3)), "")
    assert unsupported_nodes(canonicalize(load_model(model), {"x": shape}))
