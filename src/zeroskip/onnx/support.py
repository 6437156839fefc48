"""Which canonical nodes the native engine executes, and why it does not execute the others.

The table names every operator of the canonical form with what must hold for it; anything that is not in it,
or fails its condition, is listed with a reason. All such nodes are reported at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnx.defs
import onnx_ir as ir

from ..errors import UnsupportedOperatorError
from . import numbers
from .canonical.pipeline import REWRITTEN, SOURCE_OPSET
from .canonical.recurrent import GATES, reason_against_recurrent
from .numbers import ARITHMETIC, COMPARISONS, INDEX_OPERATORS, LOGIC, MOVES, NUMBERS, is_number
from .opset import SIMPLE_ROUNDING
from .rewriting import malformed_as_model_error, sources
from .values import ZEROSKIP_DOMAIN, constant, integers, operand, rank, static_shape

Condition = Callable[[ir.Node], str | None]
"""Returns why a node cannot be executed, None if it can."""


@dataclass(frozen=True)
class UnsupportedNode:
    """A node that the native engine does not execute.

    Args:
        node_name: Name of the node in the model.
        op_type: Operator.
        domain: Its domain; empty for the default one.
        opset: Version of the domain that the model imports; 0 when it imports none.
        reason: What is not supported, and what would be.
        sources: Names of all nodes of the model whose work it does.
    """

    node_name: str
    op_type: str
    domain: str
    opset: int
    reason: str
    sources: tuple[str, ...] = ()

    @classmethod
    def of(cls, node: ir.Node, opset: int, reason: str) -> UnsupportedNode:
        """Describe a canonical node."""
        names = sources(node)
        return cls(names[-1], node.op_type, node.domain, opset, reason, names)

    def __str__(self) -> str:
        operator = f"{self.domain}::{self.op_type}" if self.domain else self.op_type
        return f"'{self.node_name}' ({operator}, opset {self.opset}): {self.reason}"


def unsupported_nodes(canonical: ir.Model) -> list[UnsupportedNode]:
    """Return the nodes of a specialised model that the native engine does not execute, in graph order.

    Nodes behind one of an unknown result shape are judged by their operator only: what is wrong with them is
        in front.
    """
    found = []
    for node in canonical.graph:
        reason = reason_against(node)
        if reason is not None:
            found.append(UnsupportedNode.of(node, _opset(canonical, node), reason))
    return found


def reason_against(node: ir.Node) -> str | None:
    """Return why the native engine does not execute a node of a specialised model, None if it does.

    Raises:
        ModelError: If the node is malformed.
    """
    with malformed_as_model_error(node):
        return _reason(node)


def check_supported(canonical: ir.Model) -> None:
    """Raise if the native engine cannot execute a specialised model.

    Raises:
        UnsupportedOperatorError: Listing every node it cannot execute, with the reasons.
    """
    found = unsupported_nodes(canonical)
    if found:
        nodes = "\n".join(f"  {node}" for node in found)
        raise UnsupportedOperatorError(
            f"{len(found)} of {len(canonical.graph)} nodes cannot be executed:\n{nodes}\n"
            f"Supported operators: {', '.join(sorted(_CONDITIONS))}",
            found,
        )


def _opset(model: ir.Model, node: ir.Node) -> int:
    if node.domain == "":
        version: int = model.graph.meta.get(SOURCE_OPSET, model.opset_imports.get("", 0))
        return version
    return model.opset_imports.get(node.domain, 0)


def _reason(node: ir.Node) -> str | None:
    for value in (*node.inputs, *node.outputs):
        if value is not None and not isinstance(value.type, ir.TensorType | None):
            return f"'{value.name}' is no tensor"
    condition = _CONDITIONS.get(node.op_type) if node.domain in ("", ZEROSKIP_DOMAIN) else None
    is_behind = any(static_shape(value) is None for value in node.inputs if value is not None)
    if is_behind and (condition is not None or (node.domain == "" and node.op_type in REWRITTEN)):
        return None
    if condition is None:
        return "this operator is not supported"
    if any(static_shape(value) is None for value in node.outputs):
        too_many = numbers.top_k(node) if node.op_type == "TopK" else None  # of which nobody infers a shape
        return too_many or "the shape of its result is not known"
    if all(constant(value) is not None for value in node.inputs if value is not None):
        return "it has constant inputs only"
    return condition(node) or _wrong_type(node)


def _wrong_type(node: ir.Node) -> str | None:
    integers = {"QuantizeLinear": node.outputs, "DequantizeLinear": node.inputs[:1]}.get(node.op_type, ())
    for value in _data(node):
        expected = ir.DataType.UINT8 if value in integers else ir.DataType.FLOAT
        if value.dtype != expected and not (node.op_type in _WITH_NUMBERS and is_number(value)):
            dtype = "unknown" if value.dtype is None else value.dtype.name.lower()
            wanted = "uint8, and int8 between two quantisers" if value in integers else "float32"
            return f"'{value.name}' has element type {dtype}, supported is {wanted}"
    return None


def _data(node: ir.Node) -> list[ir.Value]:
    """Return the values that hold activations."""
    computed = [value for value in node.inputs if value is not None and constant(value) is None]
    return [*computed, *(output for output in node.outputs if output.uses() or output.is_graph_output())]


def _always(_node: ir.Node) -> str | None:
    return None


def _conv(node: ir.Node) -> str | None:
    weight, bias = operand(node, 1), operand(node, 2)
    if constant(weight) is None or (bias is not None and constant(bias) is None):
        return "weight and bias must be constants"
    return _one_or_two_spatial(node)


def _one_or_two_spatial(node: ir.Node) -> str | None:
    x_rank = rank(node.inputs[0])
    return None if x_rank in (3, 4) else f"its input has rank {x_rank}, supported are 3 and 4"


def _pool(node: ir.Node) -> str | None:
    if len(node.outputs) > 1:
        return "indices of the maxima are not supported"
    if node.op_type == "AveragePool" and any(size != 1 for size in node.attributes.get_ints("dilations", ())):
        return "dilations other than 1 are not supported"
    if node.attributes.get_string("auto_pad", "NOTSET").startswith("SAME"):
        return "auto_pad with dilations is not supported"
    return _misplaced_window(node) or _one_or_two_spatial(node)


def _misplaced_window(pool: ir.Node) -> str | None:
    """Tell what is wrong with the places of a pool's windows; ``parse_window`` in the core asks for the same."""
    x, y = static_shape(pool.inputs[0]), static_shape(pool.outputs[0])
    kernel, strides, dilations, pads = (
        pool.attributes.get_ints(key, ()) for key in ("kernel_shape", "strides", "dilations", "pads")
    )
    if x is None or y is None or not len(kernel) == len(strides) == len(dilations) == len(x) - 2 == len(pads) / 2:
        return None
    is_ceil = pool.attributes.get_int("ceil_mode", 0) != 0
    for axis, (size, stride, dilation) in enumerate(zip(kernel, strides, dilations, strict=True)):
        room = x[axis + 2] + pads[axis] + pads[axis + len(kernel)] - ((size - 1) * dilation + 1)
        if room < (1 - stride if is_ceil else 0):  # rounded up, one that is larger by less than a stride has a place
            return "its window is larger than the padded input"
        starts = np.arange(y[axis + 2]) * stride - pads[axis]
        skipped = np.maximum(0, -(starts // dilation))  # taps in front of the input
        if ((skipped >= size) | (starts + skipped * dilation >= x[axis + 2])).any():
            return "a window lies wholly in the padding"
    return None


def _quantizer(node: ir.Node) -> str | None:
    if node.attributes.get_int("block_size", 0):
        return "scales of blocks are supported for constants only"
    scale, zero_point = constant(operand(node, 1)), constant(operand(node, 2))
    if scale is None or (zero_point is None and operand(node, 2) is not None):
        return "scale and zero point must be constants"
    if scale.size > 1:
        return "scales per channel are supported for constants only"
    return None if scale.dtype == np.float32 else f"its scale has element type {scale.dtype}, supported is float32"


_WITH_NUMBERS = frozenset(
    (*ARITHMETIC, *COMPARISONS, *INDEX_OPERATORS, *LOGIC, *MOVES, "Cast", "TopK", "Where")
)  # fmt: skip
"""Operators of which operands or results may be whole numbers or truth values, see :mod:`.numbers`."""


_MAX_LRN_SIZE = 4096


def _lrn(node: ir.Node) -> str | None:
    size = node.attributes.get_int("size", 0)
    if not 1 <= size <= _MAX_LRN_SIZE:
        return f"its size is {size}, supported are 1 to {_MAX_LRN_SIZE}"
    return _one_or_two_spatial(node)


def _per_channel(node: ir.Node) -> str | None:
    if rank(node.inputs[0]) == 0:
        return "its input is a single number"
    axis = node.attributes.get_int("axis", 1)
    return None if axis == 1 else f"its channels are axis {axis}, supported is axis 1"


def _weighted(node: ir.Node) -> str | None:
    constants = [constant(value) is not None for value in node.inputs[1:] if value is not None]
    return None if all(constants) else "weight and bias must be constants"


def _matmul(node: ir.Node) -> str | None:
    ranks = [rank(value) or 0 for value in node.inputs]
    return None if min(ranks) >= 2 else f"operands of ranks {ranks} are not supported, only matrices"


def _gather(node: ir.Node) -> str | None:
    if constant(operand(node, 1)) is None:
        return numbers.gather_elements(node)
    return None if rank(node.inputs[0]) else "its input is a single number"


def _normalization(node: ir.Node) -> str | None:
    if any(output.uses() or output.is_graph_output() for output in node.outputs[1:]):
        return "only its first output is supported"
    x_rank = rank(node.inputs[0])
    if node.op_type == "InstanceNormalization" and (x_rank is None or x_rank < 3):
        return f"its input has rank {x_rank}, supported are 3 and more"
    return _weighted(node)


def _constant_arguments(node: ir.Node) -> str | None:
    missing = [value.name for value in node.inputs[1:] if value is not None and constant(value) is None]
    return f"{missing} must be constant" if missing else None


def _reshape(node: ir.Node) -> str | None:
    before, after = static_shape(node.inputs[0]), static_shape(node.outputs[0])
    if before is not None and after is not None and math.prod(before) != math.prod(after):
        return f"{list(before)} has not as many elements as {list(after)}"
    return _constant_arguments(node)


def _pad(node: ir.Node) -> str | None:
    mode = node.attributes.get_string("mode", "constant")
    if mode not in ("constant", "edge", "reflect"):
        return f"mode '{mode}' is not supported, only 'constant', 'edge' and 'reflect'"
    pads, shape = integers(operand(node, 1)) or (), static_shape(node.inputs[0]) or ()
    if any(amount < 0 for amount in pads):
        return "negative pads are not supported"
    if mode != "constant" and (len(shape) not in (3, 4) or any((*pads[:2], *pads[len(shape) : len(shape) + 2]))):
        return f"mode '{mode}' is supported for the spatial axes of a tensor of rank 3 or 4 only"
    if mode == "reflect" and any(amount >= size for amount, size in zip(pads, shape * 2, strict=False)):
        return "mode 'reflect' needs pads smaller than the extent"
    return _constant_arguments(node)


def _recurrence(node: ir.Node) -> str | None:
    return None if constant(operand(node, 1)) is not None else "its weights must be constants"


_COORDINATES = ("half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric")
_ROUNDINGS = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")


def _resize(node: ir.Node) -> str | None:
    attributes = node.attributes
    mode = attributes.get_string("mode", "nearest")
    coordinates = attributes.get_string("coordinate_transformation_mode", "half_pixel")
    if mode not in ("nearest", "linear"):
        return f"mode '{mode}' is not supported, only 'nearest' and 'linear'"
    if coordinates not in _COORDINATES:
        return f"coordinate_transformation_mode '{coordinates}' is not supported, only {', '.join(_COORDINATES)}"
    rounding = attributes.get_string("nearest_mode", _ROUNDINGS[0])
    if mode == "nearest" and rounding not in (*_ROUNDINGS, SIMPLE_ROUNDING):
        return f"nearest_mode '{rounding}' is not supported, only {', '.join(_ROUNDINGS)}"
    if rounding == SIMPLE_ROUNDING:
        return "one axis becomes shorter, and another has a scale above 1 that does not make it longer"
    if attributes.get_int("antialias", 0) or attributes.get_int("exclude_outside", 0):
        return "antialias and exclude_outside are not supported"
    if attributes.get_string("keep_aspect_ratio_policy", "stretch") != "stretch":
        return "only keep_aspect_ratio_policy 'stretch' is supported"
    before, after = static_shape(node.inputs[0]), static_shape(node.outputs[0])
    if before is None or after is None or len(before) not in (3, 4) or before[:2] != after[:2]:
        return "only the spatial axes of a tensor of rank 3 or 4 can be resized"
    return _constant_arguments(node)


def _slice(node: ir.Node) -> str | None:
    if len(node.inputs) != 5 or 0 in (integers(node.inputs[4]) or (0,)):
        return "starts, ends, axes and steps must be constants, steps not 0"
    return _constant_arguments(node)


_ELEMENTWISE = (
    "Abs", "Ceil", "Celu", "Cos", "Elu", "Erf", "Exp", "Floor", "Gelu", "HardSigmoid", "HardSwish", "LeakyRelu", "Log",
    "Mish", "Reciprocal", "Round", "Selu", "Sigmoid", "Sign", "Sin", "Softplus", "Softsign", "Sqrt", "Tanh",
)  # fmt: skip
_REDUCTIONS = ("L1", "L2", "Max", "Mean", "Min", "Prod", "Sum", "SumSquare")

_CONDITIONS: dict[str, Condition] = {
    "AveragePool": _pool,
    "ChannelAffine": _per_channel,
    "Cast": numbers.cast,
    "Clip": _constant_arguments,
    "Concat": numbers.small_numbers,
    "Conv": _conv,
    "Expand": _constant_arguments,
    "DequantizeLinear": _quantizer,
    "FatRelu": _per_channel,
    "Gather": _gather,
    "GatherElements": numbers.gather_elements,
    "GlobalAveragePool": _one_or_two_spatial,
    "GlobalMaxPool": _one_or_two_spatial,
    "Identity": _always,
    "InstanceNormalization": _normalization,
    "LRN": _lrn,
    "LayerNormalization": _normalization,
    "Linear": _weighted,
    "MatMul": _matmul,
    "MaxPool": _pool,
    "Pad": _pad,
    "PixelShuffle": _one_or_two_spatial,
    "QuantizeLinear": _quantizer,
    "Recurrence": _recurrence,
    "Reshape": _reshape,
    "Resize": _resize,
    "Slice": _slice,
    "Softmax": _always,
    "Split": _constant_arguments,
    "TopK": numbers.top_k,
    "Transpose": _always,
    "Where": numbers.small_numbers,
    **dict.fromkeys(("PRelu", "Pow"), _always),
    **dict.fromkeys((*ARITHMETIC, *COMPARISONS, *LOGIC), numbers.small_numbers),
    **dict.fromkeys(_ELEMENTWISE, _always),
    **dict.fromkeys(INDEX_OPERATORS, numbers.arg_extreme),
    **dict.fromkeys(GATES, reason_against_recurrent),
    **dict.fromkeys((f"Reduce{kind}" for kind in _REDUCTIONS), _constant_arguments),
}


_SIZE_DEPENDENT = frozenset(
    (*INDEX_OPERATORS, "AveragePool", "Gather", "GatherElements", "MaxPool", "Reshape", "Resize", "TopK")
)  # fmt: skip


def depends_on_size(node: ir.Node) -> bool:
    """Tell whether a condition is on the sizes of operands, and not on ranks and constants alone."""
    return node.op_type in _SIZE_DEPENDENT or node.outputs[0].dtype in NUMBERS


def native_operators() -> frozenset[str]:
    """Return the operators of the default ONNX domain that the engine executes, at least under some conditions."""
    known = {name for name in (*_CONDITIONS, *REWRITTEN) if onnx.defs.has(name)}
    return frozenset(known)
