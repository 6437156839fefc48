"""Nodes that cannot be executed are reported all at once, with names and reasons."""

from __future__ import annotations

import numpy as np
import pytest

import zeroskip
from onnx_graphs import build, random_array
from zeroskip.errors import ModelError, UnsupportedOperatorError, ZeroskipError
from zeroskip.onnx import canonicalize, check_supported, load_model, unsupported_nodes

SHAPE = (2, 3, 8, 8)


def reasons(body: str, **keywords: object) -> list[str]:
    return [node.reason for node in unsupported_nodes(canonicalize(load_model(build(body, **keywords))))]


def test_all_nodes_are_reported_at_once() -> None:
    model = build(
        "a = Atan(x) r = Relu(a) b = Asinh(r) c = custom.Thing(b) y = Sigmoid(c)",
        domains={"custom": 3},
        opset=17,
    )
    for index, node in enumerate(model.graph.node):
        node.name = f"n{index}"
    canonical = canonicalize(load_model(model))
    assert [(n.node_name, n.op_type, n.domain, n.opset) for n in unsupported_nodes(canonical)] == [
        ("n0", "Atan", "", 17),
        ("n2", "Asinh", "", 17),
        ("n3", "Thing", "custom", 3),
    ]
    with pytest.raises(UnsupportedOperatorError) as caught:
        check_supported(canonical)
    message = str(caught.value)
    assert "3 of 5 nodes cannot be executed" in message
    assert "'n0' (Atan, opset 17): this operator is not supported" in message
    assert "'n3' (custom::Thing, opset 3)" in message
    assert "Supported operators: Abs, Add, And, ArgMax, ArgMin, AveragePool" in message
    assert isinstance(caught.value, ModelError)


def test_operators_of_other_domains_are_not_taken_for_standard_ones() -> None:
    body = "a = custom.Relu(x) b = custom.Identity(a) c = custom.Conv(b, w) y = custom.Add(c, c)"
    model = build(body, constants={"w": random_array(4, 3, 1, 1)}, domains={"custom": 1})
    found = unsupported_nodes(canonicalize(load_model(model)))
    assert [(node.domain, node.op_type) for node in found] == [
        ("custom", "Relu"), ("custom", "Identity"), ("custom", "Conv"), ("custom", "Add"),
    ]  # fmt: skip


def test_nodes_behind_an_unknown_one_are_not_blamed() -> None:
    body = "c = custom.Thing(x) f = Flatten(c) m = MatMul(f, w) r = Relu(m) y = Add(r, r)"
    model = build(body, constants={"w": random_array(4, 3)}, domains={"custom": 1})
    assert [node.op_type for node in unsupported_nodes(canonicalize(load_model(model)))] == ["Thing"]


def test_supported_model_passes() -> None:
    check_supported(canonicalize(load_model(build("r = Relu(x) y = Add(r, x)"))))


@pytest.mark.parametrize(
    ("body", "inputs", "reason"),
    [
        ("y = Conv(x, z)", {"x": SHAPE, "z": (4, 3, 3, 3)}, "weight and bias must be constants"),
        ("y = Conv(x, w5)", {"x": (1, 3, 4, 4, 4)}, "its input has rank 5, supported are 3 and 4"),
        ("y = MatMul(x, z)", {"x": SHAPE, "z": (8,)}, "operands of ranks [4, 1] are not supported"),
        ("n, y = LayerNormalization(x, row)", {"x": SHAPE}, "only its first output is supported"),
        ("y = InstanceNormalization(x, z, z)", {"x": SHAPE, "z": (3,)}, "weight and bias must be constants"),
        ("y = ConvTranspose(x, z)", {"x": SHAPE, "z": (3, 4, 2, 2)}, "this operator is not supported"),
        ("c = Cast <to = 10> (x) y = Sigmoid(c)", {"x": SHAPE}, "'c' has element type float16, supported is float32"),
        ("y = ThresholdedRelu <alpha = -0.5> (x)", {"x": SHAPE}, "this operator is not supported"),
        ('y = Pad <mode = "wrap"> (x, pads)', {"x": SHAPE}, "mode 'wrap' is not supported"),
        ('y = Pad <mode = "edge"> (x, front)', {"x": SHAPE}, "mode 'edge' is supported for the spatial axes"),
        ("y = MaxPool <kernel_shape = [9, 1], strides = [2, 1]> (x)", {"x": SHAPE}, "window is larger than the padded"),
        ("y = Pad(x, crop)", {"x": SHAPE}, "negative pads are not supported"),
    ],
)
def test_reasons(body: str, inputs: dict[str, tuple[int, ...]], reason: str) -> None:
    constants = {
        "w5": random_array(4, 3, 1, 1, 1), "row": random_array(8), "pads": np.array([0, 0, 1, 1, 0, 0, 1, 1]),
        "front": np.array([0, 1, 0, 0, 0, 0, 0, 0]), "crop": np.array([0, 0, -1, 0, 0, 0, 0, 0]),
    }  # fmt: skip
    assert reason in reasons(body, inputs=inputs, constants=constants)[0]


def test_other_element_types_are_reported() -> None:
    model = build("y = Relu(x)")
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.elem_type = 10
    (node,) = unsupported_nodes(canonicalize(load_model(model)))
    assert node.reason == "'x' has element type float16, supported is float32"


def test_gate_is_supported() -> None:
    assert reasons("y = Mul(x, z)", inputs={"x": SHAPE, "z": (2, 3, 1, 1)}) == []
    assert reasons("y = Mul(z, x)", inputs={"x": SHAPE, "z": (2, 3, 1, 1)}) == []


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("y = AveragePool <kernel_shape = [3, 3], pads = [4, 1, 1, 1]> (x)", "a window lies wholly in the padding"),
        ("y = MaxPool <kernel_shape = [3, 3], pads = [0, 0, 0, 3]> (x)", "a window lies wholly in the padding"),
        ("y = Reshape (x, sizes)", "[2, 3, 8, 8] has not as many elements as [2, 5]"),
    ],
)
def test_what_contradicts_itself_is_not_supported(body: str, reason: str) -> None:
    assert reasons(body, constants={"sizes": np.array([2, 5])} if "sizes" in body else None) == [reason]
    fine = body.replace("pads = [4", "pads = [1").replace("0, 3]", "0, 2]")
    assert fine == body or reasons(fine) == []


ODD = "/etc/passwd"


@pytest.mark.parametrize(
    "node",
    [
        f'y = Resize <mode = "nearest", nearest_mode = "{ODD}"> (x, , s)',
        f'y = Resize <mode = "linear", nearest_mode = "{ODD}"> (x, , s)',
        f'y = Resize <mode = "nearest", coordinate_transformation_mode = "{ODD}"> (x, , s)',
        f'y = Resize <mode = "{ODD}"> (x, , s)',
        f'y = Resize <mode = "nearest", keep_aspect_ratio_policy = "{ODD}"> (x, , s)',
        f'y = Pad <mode = "{ODD}"> (x, p)',
        f'y = MaxPool <kernel_shape = [2, 2], auto_pad = "{ODD}"> (x)',
        f'y = AveragePool <kernel_shape = [2, 2], auto_pad = "{ODD}"> (x)',
        f'y = Conv <auto_pad = "{ODD}"> (x, w)',
        f'y = ConvTranspose <auto_pad = "{ODD}"> (x, w)',
        f'y = DepthToSpace <blocksize = 1, mode = "{ODD}"> (x)',
    ],
)
def test_words_that_no_attribute_knows_never_reach_the_core(node: str) -> None:
    """Planner and core must agree: what the planner takes, the core runs."""
    constants = {
        "s": np.array([1, 1, 1.7, 0.6], np.float32),
        "p": np.array([0, 0, 1, 1, 0, 0, 1, 1]),
        "w": random_array(3, 3, 2, 2),
    }
    used = {name: array for name, array in constants.items() if name in node.partition("(")[2]}
    model = build(node, constants=used)
    said = ""
    try:
        zeroskip.InferenceSession(model, zeroskip.SessionOptions(fallback="error"))
    except ZeroskipError as error:
        said = str(error)
    assert "core" not in said
