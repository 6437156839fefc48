"""Comparisons, logic, Where, Cast, TopK, GatherElements and the arithmetic on indices, beside ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

import zeroskip as zs

BOOL, FLOAT, INT32, INT64 = TensorProto.BOOL, TensorProto.FLOAT, TensorProto.INT32, TensorProto.INT64
Shape = tuple[int | str, ...]


def model_of(
    text: str,
    constants: Mapping[str, np.ndarray] | None = None,
    shape: Shape = ("n", 3, 6, 7),
    outputs: str = "y",
    opset: int = 18,
) -> bytes:
    """Return a model of lines such as ``v,i = TopK(x, k) axis=1``; its input is ``x``."""
    nodes = []
    for line in filter(None, map(str.strip, text.splitlines())):
        left, right = line.split(" = ")
        call, _, rest = right.partition(")")
        op, _, given = call.partition("(")
        attributes = {key: int(value) for key, value in (item.split("=") for item in rest.split())}
        nodes.append(
            helper.make_node(op, [name.strip() for name in given.split(",")], left.strip().split(","), **attributes)
        )
    tensors = [numpy_helper.from_array(array, name) for name, array in (constants or {}).items()]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", FLOAT, shape)],
        [helper.make_value_info(name, helper.make_tensor_type_proto(FLOAT, None)) for name in outputs.split(",")],
        tensors,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)
    for output in model.graph.output:
        output.type.Clear()
    inferred = onnx.shape_inference.infer_shapes(model)
    for output in inferred.graph.output:
        output.type.tensor_type.ClearField("shape")
    return bytes(inferred.SerializeToString())


def assert_native_and_same(model: bytes, *inputs: np.ndarray) -> None:
    session = zs.InferenceSession(model, zs.SessionOptions(fallback="error"))
    expected = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    for x in inputs:
        for got, wanted in zip(session.run(None, {"x": x}), expected.run(None, {"x": x}), strict=True):
            np.testing.assert_array_equal(got, wanted, strict=True)


def assert_refused(model: bytes, words: str) -> None:
    with pytest.raises(zs.UnsupportedOperatorError, match=words):
        zs.InferenceSession(model, zs.SessionOptions(fallback="error"))


def whole(*shape: int, seed: int = 0) -> np.ndarray:
    """Return numbers of which many are equal."""
    return np.random.default_rng(seed).integers(-3, 4, shape).astype(np.float32)


def with_odd_ones(*shape: int) -> np.ndarray:
    x = whole(*shape).reshape(-1)
    x[::5], x[1::7], x[2::11], x[3::13] = np.nan, np.inf, -np.inf, -0.0
    return x.reshape(shape)


# ------------------------------------------------------------------ comparisons, logic, Where, Cast


@pytest.mark.parametrize("op", ["Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual"])
@pytest.mark.parametrize("limit", [np.float32(1), whole(3, 1, 1), whole(6, 7), whole(1, 3, 6, 1)], ids=np.shape)
def test_comparisons_are_onnxruntime_s(op: str, limit: np.ndarray) -> None:
    model = model_of(f"y = {op}(x, c)\nz = {op}(c, x)", {"c": np.asarray(limit)}, outputs="y,z")
    assert_native_and_same(model, whole(2, 3, 6, 7), with_odd_ones(1, 3, 6, 7))


@pytest.mark.parametrize("op", ["And", "Or", "Xor"])
def test_logic_is_onnxruntime_s(op: str) -> None:
    text = f"""
        a = Greater(x, zero)
        b = Less(x, one)
        y = {op}(a, b)
        z = Not(y)
    """
    model = model_of(text, {"zero": np.float32(0), "one": np.asarray(whole(3, 1, 1))}, outputs="y,z")
    assert_native_and_same(model, whole(2, 3, 6, 7), with_odd_ones(1, 3, 6, 7))


def test_truth_values_are_compared() -> None:
    text = "a = Greater(x, zero)\nb = Less(x, one)\ny = Equal(a, b)"
    assert_native_and_same(model_of(text, {"zero": np.float32(0), "one": np.float32(1)}), with_odd_ones(2, 3, 6, 7))


@pytest.mark.parametrize("other", [np.float32(2), whole(6, 1), whole(2, 3, 6, 7)], ids=np.shape)
@pytest.mark.parametrize("limit", [np.float32(0.5), whole(3, 1, 1, seed=1)], ids=np.shape)
def test_where_is_onnxruntime_s(other: np.ndarray, limit: np.ndarray) -> None:
    text = "s = Sigmoid(x)\nc = Less(x, l)\ny = Where(c, x, o)\nz = Where(c, o, x)"
    model = model_of(text, {"l": np.asarray(limit), "o": np.asarray(other)}, outputs="y,z")
    assert_native_and_same(model, with_odd_ones(2, 3, 6, 7))


def test_three_operands_of_where_are_broadcast() -> None:
    text = """
        r = ReduceMax(x, rows) keepdims=1
        c = Less(r, two)
        a = ReduceMin(x, columns) keepdims=1
        b = ReduceMax(x, all) keepdims=0
        y = Where(c, a, b)
    """
    constants = {"rows": np.array([2]), "columns": np.array([3]), "all": np.arange(4), "two": np.float32(2)}
    assert_native_and_same(model_of(text, constants), whole(2, 3, 6, 7), whole(1, 3, 6, 7, seed=1))


def test_where_behind_a_convolution_works_on_its_map() -> None:
    text = "v = Conv(x, w)\nc = Greater(v, l)\ny = Where(c, v, o)\nz = Not(c)"
    weight = np.random.default_rng(0).standard_normal((5, 3, 1, 1)).astype(np.float32)
    constants = {"w": weight, "l": whole(5, 1, 1), "o": np.float32(-1)}
    model = model_of(text, constants, ("n", 3, "h", "w"), "y,z")
    session = zs.InferenceSession(model, zs.SessionOptions(fallback="error"))
    expected = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    for shape in ((1, 3, 6, 7), (3, 3, 4, 4), (2, 3, 1, 1)):
        x = whole(*shape)
        (y, z), (wanted, inverse) = session.run(None, {"x": x}), expected.run(None, {"x": x})
        np.testing.assert_allclose(y, wanted, rtol=0, atol=1e-5)
        np.testing.assert_array_equal(z, inverse, strict=True)


@pytest.mark.parametrize("kind", [BOOL, FLOAT, INT32, INT64])
@pytest.mark.parametrize("source", ["x", "truth", "index"])
def test_casts_are_onnxruntime_s(source: str, kind: int) -> None:
    text = f"truth = Less(x, two)\nindex = ArgMax(x) axis=1\ny = Cast({source}) to={kind}"
    if (source, kind) == ("x", FLOAT):
        pytest.skip("it is no cast")
    x = np.random.default_rng(0).uniform(-3, 3, (2, 3, 6, 7)).astype(np.float32)
    assert_native_and_same(model_of(text, {"two": np.float32(2)}, outputs="y"), x, np.trunc(x))


def test_a_heat_map_keeps_its_peaks() -> None:
    text = "s = Sigmoid(x)\nm = MaxPool(s)\ne = Equal(m, s)\nk = Cast(e) to=1\ny = Mul(s, k)"
    model = onnx.load_from_string(model_of(text.replace("MaxPool", "Identity")))
    pool = model.graph.node[1]
    pool.op_type = "MaxPool"
    pool.attribute.extend([helper.make_attribute("kernel_shape", [3, 3]), helper.make_attribute("pads", [1] * 4)])
    data = model.SerializeToString()
    session = zs.InferenceSession(data, zs.SessionOptions(fallback="error"))
    expected = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    x = np.random.default_rng(0).standard_normal((2, 3, 6, 7)).astype(np.float32)
    (got,), (wanted,) = session.run(None, {"x": x}), expected.run(None, {"x": x})
    np.testing.assert_allclose(got, wanted, rtol=1e-5)
    assert 0 < np.count_nonzero(got) < got.size / 2


# ------------------------------------------------------------------------------------ TopK


@pytest.mark.parametrize("largest", [0, 1])
@pytest.mark.parametrize(("axis", "k"), [(-1, 1), (-1, 7), (2, 4), (1, 2), (-4, 1)])
def test_the_best_are_onnxruntime_s(axis: int, k: int, largest: int) -> None:
    text = f"v,i = TopK(x, k) axis={axis} largest={largest}"
    model = model_of(text, {"k": np.array([k])}, outputs="v,i")
    assert_native_and_same(model, whole(2, 3, 6, 7), with_odd_ones(1, 3, 6, 7), np.full((1, 3, 6, 7), np.nan, "f"))


@pytest.mark.parametrize("largest", [0, 1])
@pytest.mark.parametrize("k", [1, 300, 5000])
@pytest.mark.parametrize("order", ["random", "rising", "falling", "equal"])
def test_the_best_of_many_are_onnxruntime_s(order: str, k: int, largest: int) -> None:
    x = np.random.default_rng(0).integers(0, 3000, (2, 20000)).astype(np.float32)
    x[1, ::1000] = np.nan
    x = {"random": x, "rising": np.sort(x), "falling": np.sort(x)[:, ::-1].copy(), "equal": np.ones_like(x)}[order]
    model = model_of(f"v,i = TopK(x, k) largest={largest}", {"k": np.array([k])}, ("n", 20000), "v,i")
    assert_native_and_same(model, x)


def test_what_need_not_be_sorted_is_the_same_set() -> None:
    model = model_of("v,i = TopK(x, k) sorted=0", {"k": np.array([20])}, ("n", 50), "v,i")
    x = np.random.default_rng(0).standard_normal((3, 50)).astype(np.float32)
    session = zs.InferenceSession(model, zs.SessionOptions(fallback="error"))
    expected = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    for got, wanted in zip(session.run(None, {"x": x}), expected.run(None, {"x": x}), strict=True):
        np.testing.assert_array_equal(np.sort(got), np.sort(wanted), strict=True)


@pytest.mark.parametrize("output", ["v", "i"])
def test_one_result_may_be_unread(output: str) -> None:
    assert_native_and_same(model_of("v,i = TopK(x, k)", {"k": np.array([2])}, outputs=output), whole(2, 3, 6, 7))


def test_more_than_there_are_is_an_error_that_says_so() -> None:
    model = model_of("v,i = TopK(x, k)", {"k": np.array([8])}, outputs="v")
    assert_refused(model, "8 values of an axis that has 7")
    with pytest.raises(zs.ZeroskipError):
        zs.InferenceSession(model).run(None, {"x": whole(1, 3, 6, 7)})


def test_none_of_them_is_an_empty_result() -> None:
    model = model_of("v,i = TopK(x, k)\ny = Relu(x)", {"k": np.array([0])}, outputs="v,i,y")
    v, i, _ = zs.InferenceSession(model).run(None, {"x": whole(1, 3, 6, 7)})
    assert (v.shape, v.dtype, i.shape, i.dtype) == ((1, 3, 6, 0), np.float32, (1, 3, 6, 0), np.int64)


def test_the_number_wanted_must_fit_each_shape() -> None:
    model = model_of("r = Relu(x)\nv,i = TopK(r, k)", {"k": np.array([5])}, ("n", "m"), "v,i")
    assert_native_and_same(model, whole(2, 9), whole(3, 5), whole(1, 40))
    session = zs.InferenceSession(model, zs.SessionOptions(fallback="error"))
    session.run(None, {"x": whole(1, 9)})
    with pytest.raises(zs.UnsupportedOperatorError, match="5 values of an axis that has 4"):
        session.run(None, {"x": whole(1, 4)})


# ------------------------------------------------------------------------- gathering at computed places


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_elements_at_constant_places_are_onnxruntime_s(axis: int) -> None:
    shape = [2, 3, 5]
    extent, shape[axis] = shape[axis], 4
    places = np.random.default_rng(0).integers(-extent, extent, shape)
    if axis != 0:
        places = places[:1]
    assert_native_and_same(model_of(f"y = GatherElements(x, i) axis={axis}", {"i": places}, (2, 3, 5)), whole(2, 3, 5))


@pytest.mark.parametrize("axis", [1, -1])
def test_elements_at_computed_places_are_onnxruntime_s(axis: int) -> None:
    text = f"v,i = TopK(x, k) axis={axis}\nr = Neg(x)\ny = GatherElements(r, i) axis={axis}"
    assert_native_and_same(model_of(text, {"k": np.array([2])}), whole(2, 3, 6, 7), with_odd_ones(1, 3, 6, 7))


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("keepdims", [0, 1])
def test_slices_at_computed_places_are_onnxruntime_s(axis: int, keepdims: int) -> None:
    text = f"i = ArgMax(x) axis={axis} keepdims={keepdims}\ny = Gather(x, i) axis={axis}"
    assert_native_and_same(model_of(text, shape=(3, 4, 5)), whole(3, 4, 5))


def test_places_that_may_lie_outside_are_refused() -> None:
    text = "i = ArgMax(x) axis=1\nj = Add(i, one)\ns = Transpose(x)\ny = Gather(s, j) axis=1"
    assert_refused(model_of(text, {"one": np.array(5)}, (3, 4)), "Gather.*indices are 5 to 8, of an axis that has 3")
    model = model_of("i = Cast(x) to=7\ny = GatherElements(x, i)", shape=(3, 4))
    assert_refused(model, "must be constants or found by the model")
    outside = model_of("y = GatherElements(x, i)", {"i": np.array([[3]])}, (3, 4))
    assert_refused(outside, "indices are 3 to 3, of an axis that has 3")


def test_boxes_of_the_best_queries_are_picked() -> None:
    """The tail of DETR-like detectors: the best of all queries and classes, their labels and their boxes."""
    text = """
        s = Sigmoid(logits)
        f = Flatten(s) axis=1
        v,i = TopK(f, k) axis=1
        labels = Mod(i, classes)
        query = Div(i, classes)
        u = Unsqueeze(query, last)
        t = Tile(u, repeats)
        boxes = GatherElements(corners, t) axis=1
        big = Greater(v, half)
        kept = Where(big, labels, minus)
        label32 = Cast(kept) to=6
    """
    text = "logits,corners = Split(x, sizes) axis=2\n" + text
    constants = {
        "sizes": np.array([5, 4]), "k": np.array([9]), "classes": np.array(5), "last": np.array([-1]),
        "repeats": np.array([1, 1, 4]), "half": np.float32(0.6), "minus": np.array(-1),
    }  # fmt: skip
    model = model_of(text, constants, ("n", "q", 9), "i,labels,boxes,kept,label32")
    assert_native_and_same(model, whole(2, 10, 9), whole(1, 12, 9), whole(3, 40, 9))


# ------------------------------------------------------------------------------ arithmetic on indices


@pytest.mark.parametrize(
    ("expression", "constant"),
    [
        ("Add(i, c)", 7), ("Sub(c, i)", 3), ("Mul(i, c)", -5), ("Div(i, c)", 4), ("Div(c, j)", 100), ("Div(m, c)", 3),
        ("Mod(i, c)", 3), ("Max(i, c)", 5), ("Min(c, i)", 5),
    ],
    ids=str,
)  # fmt: skip
def test_arithmetic_on_indices_is_onnxruntime_s(expression: str, constant: int) -> None:
    text = f"i = ArgMax(x) axis=1\nj = Add(i, one)\nm = Sub(zero, i)\ny = {expression}"
    model = model_of(text, {"c": np.array(constant), "one": np.array(1), "zero": np.array(0)}, ("n", 19))
    x = np.random.default_rng(0).standard_normal((64, 19)).astype(np.float32)
    assert_native_and_same(model, x)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("y = Mul(i, d)", "beyond 16777216"),
        ("y = Greater(i, c)", "float32 does not hold exactly"),
        ("e = Sub(i, one)\ny = Mod(e, two)", "beyond 16777216"),
        ("e = Sub(i, one)\ny = Div(two, e)", "beyond 16777216"),
        ("f = Cast(x) to=7\ny = Cast(f) to=6", "beyond 16777216"),
        ("y = Mod(x, half) fmod=1", "whole numbers only"),
    ],
)
def test_numbers_that_might_not_be_exact_are_refused(text: str, words: str) -> None:
    constants = {"c": np.array((1 << 24) + 1), "d": np.array(1 << 24), "one": np.array(1), "two": np.array(2)}
    constants["half"] = np.float32(0.5)
    assert_refused(model_of(f"i = ArgMax(x) axis=1\n{text}", constants, (4, 19)), words)
