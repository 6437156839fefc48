"""The arithmetic of quantisers, and the integers that float constants were made from."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir
import pytest

from onnx_graphs import build, random_array, run
from zeroskip.onnx import canonicalize, load_model, prepare, to_bytes, to_standard
from zeroskip.onnx.quantization import dequantize, integers_of, largest_zero, quantize, weight_quantization
from zeroskip.onnx.rewriting import copy_model
from zeroskip.onnx.values import constant

RANDOM = np.random.default_rng(0)
VALUES = np.concatenate(
    [
        np.float32([np.nan, np.inf, -np.inf, 0.0, -0.0, 3e38, -3e38, 1e-45]),
        (np.arange(-600, 600) / 2).astype(np.float32) * np.float32(0.1),
        random_array(500, seed=3) * 20,
    ]
).reshape(1, 4, -1)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
@pytest.mark.parametrize("axis", [None, 1])
def test_arithmetic_is_that_of_onnx_runtime(dtype: Any, axis: int | None) -> None:
    scale = np.float32(0.1) if axis is None else np.float32([0.1, 0.03, 1.0, 7.0])
    zero_point = np.asarray(3 if axis is None else [0, 1, 100, 127], dtype)
    model = build(
        "q = QuantizeLinear(x, s, z) y = DequantizeLinear(q, s, z)",
        inputs=VALUES.shape,
        constants={"s": scale, "z": zero_point},
    )
    (want,) = run(model, {"x": VALUES})
    integers = quantize(VALUES, scale, zero_point, axis or 1)
    assert integers.dtype == dtype
    np.testing.assert_array_equal(dequantize(integers, scale, zero_point, axis or 1), want)


def weights(dtype: Any, zero_point: int, count: int, axis: int = 0) -> dict[str, np.ndarray]:
    shape = [4, 3, 3, 3]
    limits = np.iinfo(dtype)
    low, high = max(limits.min, zero_point - 127), min(limits.max, zero_point + 127)
    values = RANDOM.integers(low, high, shape, dtype, endpoint=True)
    scale = RANDOM.uniform(0.01, 0.1, count).astype(np.float32).reshape(() if count == 1 else (-1,))
    return {"w": values, "s": scale, "z": np.full(scale.shape, zero_point, dtype)}


CONV = "f = DequantizeLinear <axis = 0> (w, s, z) y = Conv (x, f)"


@pytest.mark.parametrize(("dtype", "zero_point"), [(np.int8, 0), (np.int8, 5), (np.uint8, 128), (np.uint8, 120)])
@pytest.mark.parametrize("count", [1, 4])
def test_weights_keep_their_integers(dtype: Any, zero_point: int, count: int) -> None:
    given = weights(dtype, zero_point, count)
    model = canonicalize(load_model(build(CONV, constants=given)), {"x": (2, 3, 8, 8)})
    (conv,) = model.graph
    found = weight_quantization(conv.inputs[1])
    assert found is not None
    assert found.values.dtype == np.int8
    np.testing.assert_array_equal(found.values, given["w"].astype(int) - zero_point)
    per_output = found.per_output()
    assert per_output is not None
    np.testing.assert_array_equal(per_output, np.broadcast_to(given["s"], (4,)))
    np.testing.assert_array_equal(constant(conv.inputs[1]), dequantize(given["w"], given["s"], given["z"], 0))


def test_integers_survive_copies() -> None:
    model = prepare(load_model(build(CONV, constants=weights(np.int8, 0, 4))))
    (conv,) = copy_model(copy_model(model)).graph
    assert weight_quantization(conv.inputs[1]) is not None


def test_other_values_have_no_integers() -> None:
    text = "f = DequantizeLinear <axis = 0> (w, s, z) c = Conv (x, f) y = Mul(c, two)"
    model = prepare(load_model(build(text, constants=weights(np.int8, 0, 4) | {"two": np.full((4, 1, 1), 2.0)})))
    (conv,) = model.graph
    assert weight_quantization(conv.inputs[1]) is None


def test_a_transposed_kernel_keeps_its_integers() -> None:
    """Channels last, as some exporters store weights."""
    values = RANDOM.integers(-127, 127, (3, 3, 2, 4), np.int8)
    given = {"w": values, "s": np.float32([0.1, 0.2, 0.3, 0.4]), "z": np.zeros(4, np.int8)}
    text = "f = DequantizeLinear <axis = 3> (w, s, z) t = Transpose <perm = [3, 2, 0, 1]> (f) y = Conv (x, t)"
    (conv,) = prepare(load_model(build(text, inputs=(1, 2, 5, 5), constants=given))).graph
    found = weight_quantization(conv.inputs[1])
    assert found is not None
    assert found.axis == 0
    np.testing.assert_array_equal(found.values, values.transpose(3, 2, 0, 1))


def test_weights_out_of_range_have_no_integers() -> None:
    given = weights(np.uint8, 128, 1) | {"z": np.uint8(0)}
    assert integers_of(given["w"], given["s"], given["z"], 0) is None


@pytest.mark.parametrize(
    "body",
    [
        "y = MatMul(x, f)",
        "y = Gemm(x, f)",
        "t = Transpose(f) y = Gemm <transB = 1> (x, t)",
        "t = Identity(f) y = MatMul(x, t)",
    ],
)
def test_a_linear_layer_has_one_scale_for_each_output(body: str) -> None:
    scale = np.float32([0.1, 0.2, 0.3])
    given = {"w": RANDOM.integers(-127, 127, (5, 3), np.int8), "s": scale, "z": np.zeros(3, np.int8)}
    model = build(f"f = DequantizeLinear <axis = 1> (w, s, z) {body}", inputs=(2, 5), constants=given)
    (linear,) = canonicalize(load_model(model), {"x": (2, 5)}).graph
    found = weight_quantization(linear.inputs[1])
    assert found is not None
    np.testing.assert_array_equal(found.values, given["w"].T)
    np.testing.assert_array_equal(found.per_output(), scale)


def test_a_bias_keeps_32_bits() -> None:
    given = weights(np.int8, 0, 4) | {"b": np.int32([1 << 20, -7, 0, 3]), "t": np.full(4, 1e-3, np.float32)}
    text = "f = DequantizeLinear <axis = 0> (w, s, z) g = DequantizeLinear <axis = 0> (b, t) y = Conv (x, f, g)"
    (conv,) = canonicalize(load_model(build(text, constants=given)), {"x": (2, 3, 8, 8)}).graph
    found = weight_quantization(conv.inputs[2])
    assert found is not None
    assert found.values.dtype == np.int32
    assert found.values.tolist() == [1 << 20, -7, 0, 3]


def test_floats_that_are_quantised_in_the_file() -> None:
    """As quantisation-aware training exports them: Q and DQ of a float weight."""
    text = "q = QuantizeLinear <axis = 0> (w, s, z) f = DequantizeLinear <axis = 0> (q, s, z) y = Conv (x, f)"
    given = {"w": random_array(4, 3, 3, 3), "s": np.full(4, 0.02, np.float32), "z": np.zeros(4, np.int8)}
    model = build(text, constants=given)
    canonical = canonicalize(load_model(model), {"x": (2, 3, 8, 8)})
    assert weight_quantization(next(iter(canonical.graph)).inputs[1]) is not None
    x = random_array(2, 3, 8, 8)
    np.testing.assert_array_equal(run(to_bytes(to_standard(canonical)), {"x": x})[0], run(model, {"x": x})[0])


@pytest.mark.parametrize("dtype", [np.int16, ir.DataType.INT4.numpy()])
def test_weights_in_blocks_and_other_widths_are_floats(dtype: Any) -> None:
    values = RANDOM.integers(-8, 7, (6, 8)).astype(dtype)
    scale = RANDOM.uniform(0.1, 0.2, (6, 2)).astype(np.float32)
    text = "f = DequantizeLinear <axis = 1, block_size = 4> (w, s) y = MatMul(x, f)"
    model = build(text, inputs=(2, 6), constants={"s": scale}, opset=21)
    model.graph.initializer.append(ir.serde.serialize_tensor(ir.Tensor(values, name="w")))
    (linear,) = canonicalize(load_model(model), {"x": (2, 6)}).graph
    want = (values.astype(np.float32) * np.repeat(scale, 4, 1)).T
    np.testing.assert_array_equal(constant(linear.inputs[1]), want)


@pytest.mark.parametrize("scale", [1e-40, 1e-3, 0.1, 0.3, 1.0, 7.7, 3e37])
def test_the_largest_zero(scale: float) -> None:
    step, bound = np.float32(scale), largest_zero(scale)
    above = np.nextafter(bound, np.float32(np.inf))
    assert quantize(np.float32([bound, above]), step, np.uint8(0)).tolist() == [0, 1]
