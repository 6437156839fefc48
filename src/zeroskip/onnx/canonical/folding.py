"""Constant folding: which operators are computed when a model is read, and how much that may cost.

Only operators of the list are, whose work follows from the sizes of their operands and results, and only within the
limits; whatever else has constant inputs is left alone. Values without elements are constants too, whatever
computes them.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from ...errors import LimitError, ModelError
from ..opset import TARGET_OPSET
from ..quantization import (
    WeightQuantization,
    dequantize,
    integers_of,
    quantize,
    set_weight_quantization,
    weight_quantization,
)
from ..rewriting import add_constant, become, describe, insert_before, owner, replace_value
from ..values import constant, is_op, is_own, static_shape
from .quantizers import quantizer_axis

MAX_BYTES = 1 << 30
"""Of all constants that a model's own expressions make, together: a few bytes of file could ask for any amount."""
MAX_WORK = 1 << 31
"""Elements that all folded operators of a model may read and write; seconds."""
MAX_MULTIPLICATIONS = 1 << 28
"""Of one matrix product; beyond, it is left to run with the model."""
_SPENT_BYTES = "zeroskip.folded_bytes"
_SPENT_WORK = "zeroskip.folded_work"

_ELEMENTWISE = {
    "Abs", "Acos", "Acosh", "Add", "And", "Asin", "Asinh", "Atan", "Atanh", "BatchNormalization", "BitShift",
    "BitwiseAnd", "BitwiseNot", "BitwiseOr", "BitwiseXor", "Cast", "CastLike", "Ceil", "Celu", "Clip", "Cos", "Cosh",
    "DequantizeLinear", "Div", "Dropout", "Elu", "Equal", "Erf", "Exp", "Floor", "Gelu", "Greater", "GreaterOrEqual",
    "HardSigmoid", "HardSwish", "Identity", "InstanceNormalization", "IsInf", "IsNaN", "LayerNormalization",
    "LeakyRelu", "Less", "LessOrEqual", "Log", "Max", "Mean",
    "Min", "Mish", "Mod", "Mul", "Neg", "Not", "Or", "PRelu", "Pow", "QuantizeLinear", "Reciprocal", "Relu", "Round",
    "Selu", "Shrink", "Sigmoid", "Sign", "Sin", "Sinh", "Softplus", "Softsign", "Sqrt", "Sub", "Sum", "Tan", "Tanh",
    "ThresholdedRelu", "Where", "Xor",
}  # fmt: skip
_MOVES = {
    "Concat", "ConstantOfShape", "DepthToSpace", "Expand", "EyeLike", "Flatten", "Gather", "GatherElements",
    "GatherND", "NonZero", "Pad", "Range", "Reshape", "ScatterElements", "ScatterND", "Shape", "Size", "Slice",
    "SpaceToDepth", "Split", "Squeeze", "Tile", "Transpose", "Trilu", "Unsqueeze",
}  # fmt: skip
_REDUCTIONS = {
    "ArgMax", "ArgMin", "CumSum", "GlobalAveragePool", "GlobalMaxPool", "LogSoftmax", "ReduceL1", "ReduceL2",
    "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum",
    "ReduceSumSquare", "Softmax",
}  # fmt: skip
_PRODUCTS = {"Gemm", "MatMul"}
_QUANTIZERS = ("QuantizeLinear", "DequantizeLinear")
_OWN = {"ChannelAffine", "FatRelu", "Linear"}
_OF_ANY_SIZE = {"ConstantOfShape", "NonZero", "Range"}
"""Operators whose result shape need not be known: they see to their size themselves."""
_SLOW = {"Erf", "Gelu", "GatherND", "NonZero", "ScatterElements", "ScatterND"}
"""Operators that the reference implementation goes through element by element."""
_SLOWNESS = 64
FOLDED = frozenset(_ELEMENTWISE | _MOVES | _REDUCTIONS | _PRODUCTS)
"""Operators of the default domain that are folded: their work grows with their operands and results, no faster."""


def fold(node: ir.Node, *, must_succeed: bool) -> bool:
    """Replace a node that computes a constant by an initializer; tell whether it was one.

    Args:
        node: Of opset ``TARGET_OPSET``; shapes of its outputs as far as they are known.
        must_succeed: A constant that cannot be computed is an error, and not left to another runtime.

    Raises:
        LimitError: If the constants of the model would become too large.
        ModelError: If the constant cannot be computed, and must be.
    """
    if _fold_shape_of(node) or _fold_empty(node):
        return True
    arrays = [constant(value) for value in node.inputs]
    if any(value is not None and array is None for value, array in zip(node.inputs, arrays, strict=True)):
        return False
    if not _is_foldable(node, arrays):
        return False
    _spend(node, _SPENT_WORK, _work(node, arrays), MAX_WORK, "elements of work")
    _check_bytes(node, sum(math.prod(static_shape(output) or (0,)) * _item_bytes(output) for output in node.outputs))
    try:
        results = _evaluate(node, arrays)
    except ModelError:
        raise
    except Exception as error:  # whatever the reference implementation trips over in a malformed node
        if not must_succeed:
            return False
        first_line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(f"{describe(node)} computes a constant, and fails: {first_line}") from error
    integers = _integers(node, arrays)
    readers = [list(output.uses()) for output in node.outputs[:1]]
    _become_constants(node, results)
    for usage in readers[0] if integers is not None else ():
        value = usage.node.inputs[usage.idx]
        if value is not None:
            set_weight_quantization(value, integers)
    return True


def _is_foldable(node: ir.Node, arrays: list[NDArray[Any] | None]) -> bool:
    if node.domain != "":
        return is_own(node) and node.op_type in _OWN
    if node.op_type not in FOLDED:
        return False
    if len(node.outputs) > 1 and (node.op_type != "Split" or any(output.is_graph_output() for output in node.outputs)):
        return False
    if node.op_type == "Identity":
        return not node.outputs[0].is_graph_output()  # how a constant graph output is written
    if node.op_type not in _OF_ANY_SIZE and any(static_shape(output) is None for output in node.outputs):
        return False
    return node.op_type not in _PRODUCTS or _multiplications(node) <= MAX_MULTIPLICATIONS


def _work(node: ir.Node, arrays: list[NDArray[Any] | None]) -> int:
    elements = sum(array.size for array in arrays if array is not None)
    elements += sum(math.prod(static_shape(output) or (0,)) for output in node.outputs)
    return elements * (_SLOWNESS if node.op_type in _SLOW else 1)


def _multiplications(node: ir.Node) -> int:
    inputs, result = static_shape(node.inputs[0]) or (1,), static_shape(node.outputs[0]) or ()
    inner = inputs[0] if node.op_type == "Gemm" and node.attributes.get_int("transA") else inputs[-1]
    return inner * math.prod(result)


def _item_bytes(value: ir.Value) -> int:
    has_size = value.dtype not in (None, ir.DataType.UNDEFINED, ir.DataType.STRING)
    return math.ceil(value.dtype.itemsize) if value.dtype is not None and has_size else 8


def _check_bytes(node: ir.Node, size_bytes: int) -> None:
    """Refuse a constant that would be too much beside those there are."""
    total: int = owner(node).meta.get(_SPENT_BYTES, 0) + size_bytes
    if total > MAX_BYTES:
        raise LimitError(
            f"{describe(node)} would compute a constant of {size_bytes} bytes, {total} with those before it; "
            f"{MAX_BYTES} are possible"
        )


def _spend(node: ir.Node, account: str, amount: int, limit: int, what: str) -> None:
    meta = owner(node).meta
    meta[account] = meta.get(account, 0) + amount
    if meta[account] > limit:
        raise LimitError(f"{describe(node)} would compute a constant with {amount} {what}; {limit} are possible in all")


# ------------------------------------------------------------------ what needs no constant inputs


def _fold_shape_of(node: ir.Node) -> bool:
    """Fold Shape and Size, whose input need not be constant, only of known shape."""
    if node.domain != "" or node.op_type not in ("Shape", "Size"):
        return False
    shape = static_shape(node.inputs[0])
    if shape is None:
        return False
    if node.op_type == "Size":
        return _become_constants(node, [np.array(math.prod(shape), dtype=np.int64)])
    start, end = node.attributes.get_int("start", 0), node.attributes.get_int("end", len(shape))
    return _become_constants(node, [np.array(shape[start:end], dtype=np.int64)])


def _fold_empty(node: ir.Node) -> bool:
    """Let the readers of results without elements read constants; the node goes if it has no other results."""
    if node.op_type == "Identity" and constant(node.inputs[0]) is not None:
        return False
    found = [output for output in node.outputs if _is_used(output) and _is_empty(output)]
    for output in found:
        assert output.dtype is not None
        _read_constant(node, output, np.zeros(static_shape(output) or (), output.dtype.numpy()))
    if not found or any(_is_used(output) for output in node.outputs):
        return False
    if node.graph is not None:
        owner(node).remove(node, safe=True)
    return True


def _is_used(value: ir.Value) -> bool:
    return bool(value.uses()) or value.is_graph_output()


def _is_empty(value: ir.Value) -> bool:
    is_number = value.dtype not in (None, ir.DataType.UNDEFINED, ir.DataType.STRING)
    return is_number and 0 in (static_shape(value) or ())


# ------------------------------------------------------------------ values


def _evaluate(node: ir.Node, arrays: list[NDArray[Any] | None]) -> list[NDArray[Any]]:
    if node.domain != "":
        return [_evaluate_own(node, arrays)]
    if node.op_type == "ConstantOfShape":
        return [_constant_of_shape(node, arrays[0])]
    if node.op_type == "Range":
        return [_range(node, *arrays)]
    if node.op_type in _QUANTIZERS:
        return [_requantized(node, arrays)]
    return _evaluate_standard(node, arrays)


def _evaluate_standard(node: ir.Node, arrays: list[NDArray[Any] | None]) -> list[NDArray[Any]]:
    import onnx.reference  # loads all operators of ONNX; most models have nothing to fold but Shape

    proto = ir.serde.serialize_node(node)
    names = list(dict.fromkeys(name for name in proto.input if name))
    function = onnx.helper.make_function(
        "zeroskip", "fold", names, list(proto.output), [proto], [onnx.helper.make_opsetid("", TARGET_OPSET)]
    )
    evaluator = onnx.reference.ReferenceEvaluator(function)
    feeds = {name: array for name, array in zip(proto.input, arrays, strict=True) if name}
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results: list[Any] = list(evaluator.run(None, feeds, attributes={}))
    if not all(isinstance(result, np.ndarray | np.generic) for result in results):
        raise TypeError("the result is not a tensor")
    return [np.asarray(result) for result in results]


def _evaluate_own(node: ir.Node, arrays: list[NDArray[Any] | None]) -> NDArray[Any]:
    x, *factors = arrays
    assert x is not None
    with np.errstate(all="ignore"):
        if node.op_type == "Linear":
            weight, bias = factors[0], factors[1] if len(factors) > 1 else None
            assert weight is not None
            return np.asarray(x @ weight.T if bias is None else x @ weight.T + bias, np.float32)
        axis = node.attributes.get_int("axis", 1)
        shaped = [
            factor.reshape(factor.shape + (1,) * (x.ndim - axis - 1)) if factor.size > 1 else factor.reshape(())
            for factor in factors
            if factor is not None
        ]
        if node.op_type == "ChannelAffine":
            return np.asarray(x * shaped[0] + shaped[1], np.float32)
        threshold = shaped[0] if shaped else np.float32(node.attributes.get_float("threshold", 0.0))
        kept = np.where(x > threshold, x, np.float32(0.0))
        return np.asarray(np.minimum(kept, np.float32(node.attributes.get_float("max_value", np.inf))))


def _requantized(node: ir.Node, arrays: list[NDArray[Any] | None]) -> NDArray[Any]:
    x, scale, zero_point, axis = _quantizer_operands(node, arrays)
    if node.op_type == "DequantizeLinear":
        return dequantize(x, scale, zero_point, axis)
    return quantize(x, scale, np.zeros(scale.shape, np.uint8) if zero_point is None else zero_point, axis)


def _quantizer_operands(
    node: ir.Node, arrays: list[NDArray[Any] | None]
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any] | None, int]:
    """Return the operands of a quantiser, the scales of blocks repeated for each element of them."""
    x, scale, zero_point = (*arrays, None)[:3]
    if x is None or scale is None:
        raise TypeError("there is no tensor, or no scale")
    axis, block = quantizer_axis(node), node.attributes.get_int("block_size", 0)
    if scale.dtype != np.float32 or (x.dtype != np.float32) == (node.op_type == "QuantizeLinear"):
        raise TypeError(f"{x.dtype} with scales of {scale.dtype}")
    if not block:
        return x, scale, zero_point, axis
    places = np.arange(x.shape[axis]) // block
    return x, scale.take(places, axis), None if zero_point is None else zero_point.take(places, axis), axis


def _integers(node: ir.Node, arrays: list[NDArray[Any] | None]) -> WeightQuantization | None:
    if is_op(node, "Transpose", "Identity"):
        moved = weight_quantization(node.inputs[0])
        if moved is None or is_op(node, "Identity"):
            return moved
        return moved.transposed(node.attributes.get_ints("perm", tuple(reversed(range(moved.values.ndim)))))
    if node.domain != "" or node.op_type != "DequantizeLinear":
        return None
    x, scale, zero_point, axis = _quantizer_operands(node, arrays)
    return None if scale.ndim > 1 else integers_of(x, scale, zero_point, axis)


def _constant_of_shape(node: ir.Node, shape: NDArray[Any] | None) -> NDArray[Any]:
    # The reference implementation goes through a list; these can be hundreds of megabytes (weights of test
    # models).
    if shape is None or (shape < 0).any():
        raise ModelError(f"{describe(node)} would compute a constant of shape {shape}")
    fill = node.attributes.get_tensor("value")
    value = np.zeros(1, dtype=np.float32) if fill is None else fill.numpy()
    _check_bytes(node, math.prod(shape.tolist()) * value.itemsize)
    return np.full(shape.tolist(), value.reshape(-1)[0], dtype=value.dtype)


def _range(node: ir.Node, *bounds: NDArray[Any] | None) -> NDArray[Any]:
    """Return what ONNX Runtime counts: it adds the step again and again, and numpy multiplies."""
    start, limit, step = (np.asarray(bound).reshape(()) for bound in bounds)
    with np.errstate(all="ignore"):
        if start.dtype.kind in "iu":
            count = len(range(int(start), int(limit), int(step)))
        else:
            count = max(0, math.ceil(float(limit - start) / float(step)))
        _check_bytes(node, count * start.itemsize)
        terms = np.full(max(count, 1), step, start.dtype)
        terms[0] = start
        return np.add.accumulate(terms, dtype=start.dtype)[:count]


# ------------------------------------------------------------------ the graph


def _become_constants(node: ir.Node, results: list[NDArray[Any]]) -> bool:
    """Replace a node by initializers; the only result, if the graph returns it, becomes an Identity of one."""
    graph = owner(node)
    for output, array in zip(list(node.outputs), results, strict=True):
        _spend(node, _SPENT_BYTES, array.nbytes, MAX_BYTES, "bytes")
        output.shape, output.type = ir.Shape(array.shape), ir.TensorType(ir.DataType.from_numpy(array.dtype))
        if output.is_graph_output():
            value = add_constant(graph, array, f"{output.name}.folded")
            return become(node, "Identity", [value], {})
        _read_constant(node, output, array)
    if node.graph is not None:
        graph.remove(node, safe=True)
    return True


def _read_constant(node: ir.Node, output: ir.Value, array: NDArray[Any]) -> None:
    """Let the readers of an output, the graph's among them, read a constant."""
    value = add_constant(owner(node), array, f"{output.name}.folded")
    if output.is_graph_output():
        replace_value(output, insert_before(node, "Identity", [value], shape=array.shape))
    else:
        output.replace_all_uses_with(value)
