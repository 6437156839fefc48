"""QuantizeLinear and DequantizeLinear in canonical form: one spelling, zeros that stay zeros, faults that are named."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from numpy.typing import ArrayLike

from onnx_graphs import build, random_array, run
from zeroskip.errors import ModelError
from zeroskip.onnx import activations, canonicalize, load_model, to_bytes, to_standard, unsupported_nodes
from zeroskip.onnx.quantization import quantize
from zeroskip.onnx.values import constant, is_op, is_own

U8, S8, S32 = np.uint8, np.int8, np.int32
X = 3.0 * random_array(2, 3, 8, 8, seed=4)
WEIGHT = random_array(4, 3, 3, 3, seed=1)
QUANTIZERS = ("QuantizeLinear", "DequantizeLinear")


def steps(scale: ArrayLike, zero_point: ArrayLike, dtype: Any = U8, name: str = "") -> dict[str, Any]:
    return {f"s{name}": np.asarray(scale, np.float32), f"z{name}": np.asarray(zero_point, dtype)}


def canonical(model: onnx.ModelProto, tolerance: float = 0.0, **feeds: np.ndarray) -> ir.Model:
    """Return the canonical form, found to be supported and to give what ONNX Runtime gives for the model."""
    feeds = feeds or {"x": X}
    graph = canonicalize(load_model(model), {name: array.shape for name, array in feeds.items()})
    assert unsupported_nodes(graph) == []
    for want, got in zip(run(model, feeds), run(to_bytes(to_standard(graph)), feeds), strict=True):
        assert got.dtype == want.dtype
        np.testing.assert_allclose(got.astype(np.float64), want.astype(np.float64), rtol=0, atol=tolerance)
    return graph


def zero_points(model: ir.Model) -> set[int]:
    found = [constant(node.inputs[2]) for node in model.graph if is_op(node, *QUANTIZERS)]
    return {int(item) for item in found if item is not None and item.dtype == U8}


def rectifiers(model: ir.Model) -> list[ir.Node]:
    return [node for node in model.graph if is_own(node, "FatRelu")]


PAIR = "q = QuantizeLinear(x, s, z) y = DequantizeLinear(q, s, z)"


@pytest.mark.parametrize("opset", [10, 13, 19, 20, 21, 23])
@pytest.mark.parametrize(("dtype", "zero_point"), [(U8, 0), (U8, 117), (U8, 255), (S8, 0), (S8, -128), (S8, 5)])
def test_a_pair_is_u8_and_gives_the_same_floats(dtype: Any, zero_point: int, opset: int) -> None:
    model = canonical(build(PAIR, constants=steps(0.037, zero_point, dtype), opset=opset))
    assert [node.op_type for node in model.graph] == ["QuantizeLinear", "DequantizeLinear"]
    assert zero_points(model) == {zero_point if dtype is U8 else zero_point + 128}


@pytest.mark.parametrize("scale", [(1,), ()])
def test_scales_of_one_element(scale: tuple[int, ...]) -> None:
    canonical(build(PAIR, constants=steps(np.full(scale, 0.05), np.full(scale, 3))))


def test_a_zero_point_that_is_left_out() -> None:
    model = canonical(build("q = QuantizeLinear(x, s) y = DequantizeLinear(q, s)", constants=steps(0.1, 0)))
    assert zero_points(model) == {0}


def test_the_type_of_the_result_as_an_attribute() -> None:
    body = "q = QuantizeLinear <output_dtype = 3> (x, s) y = DequantizeLinear(q, s)"
    assert zero_points(canonical(build(body, constants=steps(0.1, 0), opset=21))) == {128}


def test_other_steps_behind_are_another_scale() -> None:
    body = "q = QuantizeLinear(x, s, z) y = DequantizeLinear(q, s2, z2)"
    canonical(build(body, constants=steps(0.1, 4) | steps(0.3, 9, name="2")))


@pytest.mark.parametrize("dtype", [U8, S8])
def test_steps_that_come_out(dtype: Any) -> None:
    model = build("q = QuantizeLinear(x, s, z)", outputs="q", constants=steps(0.1, 4, dtype))
    model.graph.output[0].type.tensor_type.elem_type = onnx.TensorProto.UINT8 if dtype is U8 else onnx.TensorProto.INT8
    if dtype is U8:
        canonical(model)
    else:
        (refused,) = unsupported_nodes(canonicalize(load_model(model), {"x": X.shape}))
        assert "element type int8, supported is uint8, and int8 between two quantisers" in str(refused)


# ------------------------------------------------------------------ what moves


@pytest.mark.parametrize(
    "body",
    [
        "m = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (q)",
        "m = Reshape(q, shape)",
        "m = Flatten(q)",
        "m = Transpose <perm = [0, 2, 3, 1]> (q)",
        "m = Concat <axis = 1> (q, q)",
        "m = Slice(q, one, three, axes)",
        "a = Transpose <perm = [0, 2, 3, 1]> (q) m = Reshape(a, shape)",
        "m = Identity(q)",
        "a, b = Split <axis = 2, num_outputs = 2> (q) m = Concat <axis = 1> (b, a)",
    ],
)
@pytest.mark.parametrize("dtype", [U8, S8])
def test_integers_that_are_moved(dtype: Any, body: str) -> None:
    integers = {"shape": [2, 8, 24], "one": [1], "three": [3], "axes": [2]}
    text = f"q = QuantizeLinear(x, s, z) {body} y = DequantizeLinear(m, s, z)"
    model = canonical(build(text, constants=steps(0.05, 7, dtype) | integers))
    moved = [value for node in model.graph if not is_op(node, "QuantizeLinear") for value in node.outputs]
    assert all(value.dtype == ir.DataType.FLOAT for value in moved)


def test_transposes_around_quantisers_vanish() -> None:
    text = """a = Transpose <perm = [0, 3, 1, 2]> (x) q = QuantizeLinear(a, s, z) f = DequantizeLinear(q, s, z)
        y = Transpose <perm = [0, 2, 3, 1]> (f)"""
    model = canonical(build(text, inputs=(2, 8, 8, 3), constants=steps(0.05, 7)), x=X.transpose(0, 2, 3, 1).copy())
    assert not [node for node in model.graph if is_op(node, "Transpose")]


def test_equal_readers_become_one() -> None:
    text = "q = QuantizeLinear(x, s, z) a = DequantizeLinear(q, s, z) b = DequantizeLinear(q, s, z) y = Add(a, b)"
    model = canonical(build(text, constants=steps(0.05, 7)))
    assert [node.op_type for node in model.graph] == ["QuantizeLinear", "DequantizeLinear", "Add"]


def test_quantised_twice_is_quantised_once() -> None:
    text = PAIR.replace("y =", "f =") + " r = QuantizeLinear(f, s, z) y = DequantizeLinear(r, s, z)"
    assert len(canonical(build(text, constants=steps(0.05, 7))).graph) == 2


# ------------------------------------------------------------------ rectifiers

CONV = "c = Conv <pads = [1, 1, 1, 1]> (x, w)"


@pytest.mark.parametrize(
    ("activation", "dtype", "zero_point"),
    [
        ("c", U8, 0),
        ("c", S8, -128),
        ("Relu(c)", U8, 0),
        ("Relu(c)", S8, -128),
        ("Relu(c)", S8, 0),
        ("Relu(c)", U8, 128),
        ("Relu(c)", U8, 3),
        ("Relu(c)", S8, 100),
        ("Clip(c, zero, six)", S8, 0),
        ("ThresholdedRelu <alpha = 0.7> (c)", U8, 0),
        ("ThresholdedRelu <alpha = 0.7> (c)", S8, 0),
    ],
)
@pytest.mark.parametrize("scale", [0.061, 0.25])
def test_behind_a_rectifier_zero_is_zero(activation: str, dtype: Any, zero_point: int, scale: float) -> None:
    activation = activation if "(" in activation else f"Identity({activation})"
    text = f"{CONV} r = {activation} q = QuantizeLinear(r, s, z) y = DequantizeLinear(q, s, z)"
    extra = {"w": WEIGHT, "zero": np.float32(0), "six": np.float32(6)}
    model = canonical(build(text, constants=steps(scale, zero_point, dtype) | extra))
    assert zero_points(model) == {0}
    (rectifier,) = rectifiers(model)
    integers = quantize(np.float32([scale / 2.001, scale / 1.999]), np.float32(scale), np.uint8(0))
    assert integers.tolist() == [0, 1]
    threshold = max(0.7 * ("0.7" in activation), scale / 2)
    assert rectifier.attributes.get_float("threshold") == pytest.approx(threshold, rel=1e-6)


def test_zeros_by_rounding_count() -> None:
    """The activation's own zeros are those that are found behind the quantiser."""
    text = f"{CONV} q = QuantizeLinear(c, s, z) f = DequantizeLinear(q, s, z) y = Conv(f, w2)"
    model = build(text, constants=steps(0.5, 0) | {"w": WEIGHT, "w2": random_array(2, 4, 1, 1)})
    (activation,) = activations(load_model(model))
    assert (activation.name, activation.producer, activation.consumers) == ("c", "Conv", ("y",))
    onnx_model = onnx.ModelProto.FromString(model.SerializeToString())
    onnx_model.graph.output.extend([onnx.helper.make_tensor_value_info(name, 1, None) for name in ("c", "f")])
    _, before, behind = run(onnx_model, {"x": X})
    np.testing.assert_array_equal(before > activation.threshold, behind != 0)


def test_what_a_float_reader_sees_stays() -> None:
    text = f"{CONV} r = Relu(c) q = QuantizeLinear(r, s, z) f = DequantizeLinear(q, s, z) y = Add(f, r)"
    model = canonical(build(text, constants=steps(0.25, 0, S8) | {"w": WEIGHT}))
    (rectifier,) = rectifiers(model)
    assert rectifier.attributes.get_float("threshold", 0.0) == 0.0
    assert zero_points(model) == {128}


def test_an_image_is_no_activation() -> None:
    assert not rectifiers(canonical(build(PAIR, constants=steps(0.1, 0))))


@pytest.mark.parametrize(("dtype", "zero_point"), [(S8, 0), (U8, 0), (U8, 128), (U8, 3)])
@pytest.mark.parametrize(
    "activation",
    [
        "r = Relu(f)",
        "r = ThresholdedRelu <alpha = 0.4> (f)",
        "r = ThresholdedRelu <alpha = 0.62> (f)",  # a whole number of steps
        "g = Greater(f, t) r = Where(g, f, zero)",
        "h = ThresholdedRelu <alpha = 0.4> (f) r = Clip(h, zero, two)",
    ],
)
def test_the_same_steps_on_both_sides_of_a_rectifier(activation: str, dtype: Any, zero_point: int) -> None:
    text = f"""{CONV} q = QuantizeLinear(c, s, z) f = DequantizeLinear(q, s, z) {activation}
        q2 = QuantizeLinear(r, s, z) y = DequantizeLinear(q2, s, z)"""
    given = {"w": WEIGHT, "zero": np.float32(0), "two": np.float32(2.02), "t": np.float32([0.1, 0.31, 0.5, 3])}
    given["t"] = given["t"].reshape(4, 1, 1)
    model = canonical(build(text, constants=steps(0.031, zero_point, dtype) | given))
    assert [node.op_type for node in model.graph] == ["Conv", "FatRelu", "QuantizeLinear", "DequantizeLinear"]


def test_other_steps_in_front_of_a_rectifier_stay() -> None:
    text = f"""{CONV} q = QuantizeLinear(c, s, z) f = DequantizeLinear(q, s, z) r = Relu(f)
        q2 = QuantizeLinear(r, s2, z2) y = DequantizeLinear(q2, s2, z2)"""
    model = canonical(build(text, constants=steps(0.031, 9) | steps(0.1, 0, name="2") | {"w": WEIGHT}))
    assert len(model.graph) == 6


# ------------------------------------------------------------------ what cannot be

BLOCKS = PAIR.replace("Linear", "Linear <block_size = 4> ")
COMPUTED = "m = ReduceMax <keepdims = 0> (x)" + PAIR.replace("s,", "m,")
CHANNELS = steps(np.full(3, 0.1), np.zeros(3))


@pytest.mark.parametrize(
    ("body", "constants", "message"),
    [
        (PAIR, steps(0.0, 0), "has a scale of 0.0; scales are finite numbers above 0"),
        (PAIR, steps(-0.5, 0), "has a scale of -0.5"),
        (PAIR, steps(np.nan, 0), "has a scale of nan"),
        (PAIR, steps(np.inf, 0), "has a scale of inf"),
        (PAIR, steps([0.1, 0.1, 0.1], 0), "has 3 scales and 1 zero points"),
        (PAIR, steps(0.1, [0, 0]), "has 1 scales and 2 zero points"),
        (PAIR, steps([0.1, 0.1], [0, 0]), "has 2 scales along axis 1 of 'x', where it has 3"),
        (PAIR, steps([[0.1, 0.1, 0.1]], [[0, 0, 0]]), r"has scales of shape \[1, 3\]; they are one number, or a list"),
        ("y = QuantizeLinear <axis = 4> (x, s, z)", CHANNELS, "has scales along axis 4, but 'x' has rank 4"),
        ("y = QuantizeLinear <axis = -5> (x, s, z)", CHANNELS, "has scales along axis -5"),
        (
            PAIR.replace("q, s, z", "q, s, z2"),
            steps(0.1, 0) | {"z2": S8(0)},
            "reads uint8 with a zero point of type int8",
        ),
        (
            "f = DequantizeLinear(i, s, z) y = Add(f, x)",
            steps(0.1, 3, S32) | {"i": S32(5)},
            "reads int32 with a zero point of 3",
        ),
        ("f = DequantizeLinear(i, s) y = Add(f, x)", {"s": np.float32(0), "i": S8(5)}, "has a scale of 0.0"),
        (
            "f = DequantizeLinear(i, s, z) y = Add(f, x)",
            steps(0.1, 3) | {"i": S8(5)},
            "reads int8 with a zero point of type uint8",
        ),
    ],
)
def test_faults(body: str, constants: dict[str, ArrayLike], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        canonicalize(load_model(build(body, constants=constants)), {"x": X.shape})


@pytest.mark.parametrize(
    ("body", "constants", "opset", "message"),
    [
        (PAIR, CHANNELS, 13, "scales per channel are supported for constants only"),
        (PAIR, steps(0.1, 0, np.uint16), 21, "element type uint16, supported is uint8"),
        (PAIR, steps(0.1, 0, np.int16), 21, "element type int16, supported is uint8"),
        (
            BLOCKS,
            steps(np.full((2, 1, 8, 8), 0.1), np.zeros((2, 1, 8, 8))),
            21,
            "scales of blocks are supported for constants only",
        ),
        (COMPUTED, steps(0.1, 0), 13, "scale and zero point must be constants"),
    ],
)
def test_forms_that_are_for_others(body: str, constants: dict[str, ArrayLike], opset: int, message: str) -> None:
    refused = unsupported_nodes(canonicalize(load_model(build(body, constants=constants, opset=opset)), {"x": X.shape}))
    assert refused
    assert message in " ".join(map(str, refused))
