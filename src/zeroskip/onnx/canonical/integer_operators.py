"""Operators on integers, written with the float operators they stand for between DequantizeLinear and QuantizeLinear.

The QOperator format of ONNX Runtime (QLinearConv and its relatives) and the quantisers of its own domain; what has no
constant scales is left as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ...errors import ModelError
from ..rewriting import AttributeValue, add_constant, become, describe, insert_before, malformed_as_model_error, owner
from ..values import constant, operand

MICROSOFT_DOMAIN = "com.microsoft"
INTEGER_RESULT = "zeroskip.integer_result"
"""Entry of a float operator's ``meta``: name of the integers in the file that its result was."""
_FLOAT = ir.TensorType(ir.DataType.FLOAT)


@dataclass(frozen=True)
class Quantized:
    """A tensor of integers among the inputs of a node.

    Args:
        value: The tensor.
        scale: Its scale, or scales.
        zero_point: Its zero point, or points; None for 0.
    """

    value: ir.Value
    scale: ir.Value
    zero_point: ir.Value | None


def expand_integer_operators(graph: ir.Graph) -> None:
    """Write the integer operators of a graph with float operators, in place.

    Args:
        graph: Of opset ``TARGET_OPSET``, with nodes of other domains; shapes and types need not be known.

    Raises:
        ModelError: If a node lacks a scale or a zero point.
    """
    for node in list(graph):
        expansion = _EXPANSIONS.get((node.domain, node.op_type))
        if expansion is not None:
            with malformed_as_model_error(node):
                expansion(node)


def _triple(node: ir.Node, first: int, *, is_optional: bool = False) -> Quantized:
    """Return tensor, scale and zero point, which are inputs in this order."""
    value, scale, zero_point = (operand(node, first + offset) for offset in range(3))
    if value is None or scale is None or (zero_point is None and not is_optional):
        missing = ["tensor", "scale", "zero point"][[value, scale, zero_point].index(None)]
        raise ModelError(f"{describe(node)} has no {missing} as input {first} to {first + 2}")
    return Quantized(value, scale, zero_point)


def _steps(node: ir.Node, first: int, *, is_optional: bool = False) -> tuple[ir.Value, ir.Value | None]:
    """Return the scale and the zero point of the result."""
    scale, zero_point = operand(node, first), operand(node, first + 1)
    if scale is None or (zero_point is None and not is_optional):
        raise ModelError(f"{describe(node)} has no {'scale' if scale is None else 'zero point'} for its result")
    return scale, zero_point


def _is_constant(*values: ir.Value | None) -> bool:
    return all(value is None or constant(value) is not None for value in values)


def _floats(node: ir.Node, tensor: Quantized, axis: int = 1) -> ir.Value:
    inputs = [tensor.value, tensor.scale] if tensor.zero_point is None else [*vars(tensor).values()]
    value = insert_before(node, "DequantizeLinear", inputs, {"axis": axis})
    value.type = _FLOAT
    return value


def _finish(
    node: ir.Node,
    op_type: str,
    inputs: Sequence[ir.Value | None],
    attributes: dict[str, AttributeValue],
    steps: tuple[ir.Value, ir.Value | None],
) -> None:
    """Let a node quantise the result of the float operator, which takes its name: it is what people know."""
    result = insert_before(node, op_type, inputs, attributes)
    result.type, made = _FLOAT, result.producer()
    assert made is not None
    made.name, node.name = node.name, made.name
    made.meta[INTEGER_RESULT] = node.outputs[0].name
    become(node, "QuantizeLinear", [result, *steps] if steps[1] is not None else [result, steps[0]], {})


def _kept(node: ir.Node, *names: str) -> dict[str, AttributeValue]:
    return {name: attribute for name, attribute in node.attributes.items() if name in names}


_WINDOW = ("auto_pad", "ceil_mode", "count_include_pad", "dilations", "group", "kernel_shape", "pads", "strides")


def _is_channels_last(node: ir.Node) -> bool:
    return node.attributes.get_int("channels_last", 0) != 0


def _conv(node: ir.Node) -> None:
    x, weight, steps, bias = _triple(node, 0), _triple(node, 3), _steps(node, 6), operand(node, 8)
    if not _is_constant(x.scale, weight.scale, *steps, bias) or _is_channels_last(node):
        return
    inputs: list[ir.Value | None] = [_floats(node, x), _floats(node, weight, axis=0)]
    if bias is not None:
        inputs.append(_bias(node, bias, x.scale, weight.scale))
    _finish(node, "Conv", inputs, _kept(node, *_WINDOW), steps)


def _bias(node: ir.Node, bias: ir.Value, *scales: ir.Value, factor: float = 1.0) -> ir.Value:
    """Return a bias of products of the steps of input and weight as floats."""
    product = np.float32(factor)
    for scale in scales:
        array = constant(scale)
        assert array is not None
        product = product * array.reshape(-1).astype(np.float32)
    steps = np.asarray(product, np.float32)
    value = add_constant(owner(node), steps.reshape(()) if steps.size == 1 else steps, f"{node.name}.bias_scale")
    return _floats(node, Quantized(bias, value, None), axis=0)


def _matmul(node: ir.Node) -> None:
    a, b, steps = _triple(node, 0), _triple(node, 3), _steps(node, 6)
    if _is_constant(a.scale, b.scale, *steps):
        _finish(node, "MatMul", [_floats(node, a, axis=0), _floats(node, b, axis=1)], {}, steps)


def _gemm(node: ir.Node) -> None:
    a, b, bias = _triple(node, 0), _triple(node, 3), operand(node, 6)
    if not _is_constant(a.scale, b.scale, bias, operand(node, 7), operand(node, 8)):
        return
    attributes = _kept(node, "alpha", "transA", "transB")
    inputs: list[ir.Value | None] = [
        _floats(node, a),
        _floats(node, b, axis=0 if node.attributes.get_int("transB", 0) else 1),
    ]
    if bias is not None:
        inputs.append(_bias(node, bias, a.scale, b.scale, factor=node.attributes.get_float("alpha", 1.0)))
    if operand(node, 7) is None:
        become(node, "Gemm", inputs, attributes)
    else:
        _finish(node, "Gemm", inputs, attributes, _steps(node, 7))


def _binary(op_type: str) -> Callable[[ir.Node], None]:
    def expand(node: ir.Node) -> None:
        a, b = _triple(node, 0, is_optional=True), _triple(node, 3, is_optional=True)
        steps = _steps(node, 6, is_optional=True)
        if _is_constant(a.scale, b.scale, *steps):
            _finish(node, op_type, [_floats(node, a), _floats(node, b)], {}, steps)

    return expand


def _unary(op_type: str, *attributes: str) -> Callable[[ir.Node], None]:
    def expand(node: ir.Node) -> None:
        x, steps = _triple(node, 0, is_optional=True), _steps(node, 3, is_optional=True)
        if _is_constant(x.scale, *steps) and not _is_channels_last(node):
            _finish(node, op_type, [_floats(node, x)], _kept(node, *attributes), steps)

    return expand


def _softmax(node: ir.Node) -> None:
    if node.attributes.get_int("opset", 13) >= 13 or node.attributes.get_int("axis", 1) == -1:
        _unary("Softmax", "axis")(node)


def _concat(node: ir.Node) -> None:
    steps = _steps(node, 0)
    parts = [_triple(node, first) for first in range(2, len(node.inputs), 3)]
    if _is_constant(*steps, *(part.scale for part in parts)):
        _finish(node, "Concat", [_floats(node, part) for part in parts], _kept(node, "axis"), steps)


def _standard(node: ir.Node) -> None:
    node.domain = ""


_EXPANSIONS: dict[tuple[str, str], Callable[[ir.Node], None]] = {
    ("", "QLinearConv"): _conv,
    ("", "QLinearMatMul"): _matmul,
    (MICROSOFT_DOMAIN, "DequantizeLinear"): _standard,
    (MICROSOFT_DOMAIN, "QGemm"): _gemm,
    (MICROSOFT_DOMAIN, "QLinearAdd"): _binary("Add"),
    (MICROSOFT_DOMAIN, "QLinearAveragePool"): _unary("AveragePool", *_WINDOW),
    (MICROSOFT_DOMAIN, "QLinearConcat"): _concat,
    (MICROSOFT_DOMAIN, "QLinearConv"): _conv,
    (MICROSOFT_DOMAIN, "QLinearGlobalAveragePool"): _unary("GlobalAveragePool"),
    (MICROSOFT_DOMAIN, "QLinearLeakyRelu"): _unary("LeakyRelu", "alpha"),
    (MICROSOFT_DOMAIN, "QLinearMul"): _binary("Mul"),
    (MICROSOFT_DOMAIN, "QLinearSigmoid"): _unary("Sigmoid"),
    (MICROSOFT_DOMAIN, "QLinearSoftmax"): _softmax,
    (MICROSOFT_DOMAIN, "QuantizeLinear"): _standard,
}
