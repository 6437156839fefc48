"""Raising a model to one version of the default operator set: every rule then reads one form of each operator.

Operators whose attributes became inputs (Clip, Pad, Squeeze, Slice, Split, the reductions, ...) or whose
meaning changed (Softmax before opset 13, Upsample) are rewritten; the others mean the same in every version
that is accepted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import onnx.defs
import onnx_ir as ir

from ..errors import ModelError
from .rewriting import (
    add_constant,
    add_integers,
    become,
    insert_before,
    malformed_as_model_error,
    owner,
)
from .values import operand

TARGET_OPSET = 20
"""Version of the default domain that every model is raised (or, from a newer one, relabelled) to."""

OLDEST_OPSET = 7
"""Before it, broadcasting was written with an ``axis`` attribute."""

SIMPLE_ROUNDING = "simple"
"""``nearest_mode`` of Resize before opset 11, as ONNX Runtime rounds: down, but up where an axis becomes shorter."""

_REDUCTIONS = ("Max", "Mean", "Min", "L1", "L2", "LogSum", "LogSumExp", "Prod", "SumSquare")

# Operators that changed between two versions in a way that is not undone here: (operator, last version of the
# old form). None of them is executed natively; they matter to ``apply``, which keeps everything it does not
# know.
_LEFT_BEHIND = {
    "Hardmax": 12, "TopK": 10, "RoiAlign": 15, "GridSample": 19, "DFT": 19, "Scan": 8, "Scatter": 10,
}  # fmt: skip
# Operators that a later version than ``TARGET_OPSET`` gave another meaning or another signature.
_CHANGED_LATER = {
    "GroupNormalization", "Attention", "Range", "SpaceToDepth",
}  # fmt: skip


def check_opset(version: int | None) -> int:
    """Return the version of the default domain if it can be read.

    Raises:
        ModelError: If there is none, or it is too old or newer than the installed onnx package knows.
    """
    newest = onnx.defs.onnx_opset_version()
    if version is None:
        raise ModelError("the model does not import the default ONNX operator set, so its operators have no meaning")
    if not OLDEST_OPSET <= version <= newest:
        raise ModelError(
            f"the model uses opset {version} of the default ONNX domain; versions {OLDEST_OPSET} to {newest} "
            "are supported: export it again with one of them, or convert it with onnx.version_converter"
        )
    return version


def raise_opset(model: ir.Model) -> list[ir.Node]:
    """Rewrite a model in place so that it is of opset ``TARGET_OPSET``.

    Args:
        model: Without functions; constants are initializers.

    Returns:
        Nodes whose operator means something else in ``TARGET_OPSET`` and could not be rewritten.

    Raises:
        ModelError: If the model's version cannot be read.
    """
    version = check_opset(model.opset_imports.get(""))
    nodes = [node for node in model.graph.all_nodes() if node.domain == ""]
    left = []
    for node in nodes:
        with malformed_as_model_error(node):
            if not _raise_node(node, version):
                left.append(node)
    model.opset_imports[""] = TARGET_OPSET
    return left


def _raise_node(node: ir.Node, version: int) -> bool:
    if not is_read(node.op_type, version):
        return False
    for last, convert in _CONVERSIONS.get(node.op_type, ()):
        if version <= last:
            return convert(node, version)
    return True


def is_read(op_type: str, version: int) -> bool:
    """Tell whether an operator of a version of the domain means the same in ``TARGET_OPSET`` or is rewritten."""
    if version > TARGET_OPSET and (op_type in _CHANGED_LATER or not _exists(op_type)):
        return False
    return version > _LEFT_BEHIND.get(op_type, 0)


def _exists(op_type: str) -> bool:
    try:
        onnx.defs.get_schema(op_type, TARGET_OPSET, "")
    except onnx.defs.SchemaError:
        return False
    return True


def _axes_to_input(node: ir.Node, _version: int) -> bool:
    axes = node.attributes.pop("axes", None)
    if axes is not None:
        _append_integers(node, axes.as_ints(), "axes")
    return True


def _split(node: ir.Node, version: int) -> bool:
    sizes = node.attributes.pop("split", None) if version < 13 else None
    if sizes is not None:
        _append_integers(node, sizes.as_ints(), "split")
    elif operand(node, 1) is None:
        node.attributes.add(ir.AttrInt64("num_outputs", len(node.outputs)))
    return True


def _append_integers(node: ir.Node, items: Sequence[int], role: str) -> None:
    value = add_integers(owner(node), items, f"{node.outputs[0].name}.{role}")
    become(node, node.op_type, [node.inputs[0], value])


def _clip(node: ir.Node, _version: int) -> bool:
    bounds = [node.attributes.pop(key, None) for key in ("min", "max")]
    values = [
        None
        if bound is None
        else add_constant(owner(node), np.array(bound.as_float(), np.float32), f"{node.name}.bound")
        for bound in bounds
    ]
    return become(node, "Clip", [node.inputs[0], *values])


def _pad(node: ir.Node, _version: int) -> bool:
    pads, fill = node.attributes.pop("pads"), node.attributes.pop("value", None)
    fill_value = np.array(0.0 if fill is None else fill.as_float(), np.float32)
    graph, name = owner(node), node.outputs[0].name
    pads_value = add_integers(graph, pads.as_ints(), f"{name}.pads")
    return become(node, "Pad", [node.inputs[0], pads_value, add_constant(graph, fill_value, f"{name}.value")])


def _slice(node: ir.Node, _version: int) -> bool:
    starts = node.attributes.pop("starts").as_ints()
    ends = node.attributes.pop("ends").as_ints()
    axes = node.attributes.pop("axes", None)
    lists = (starts, ends, range(len(starts)) if axes is None else axes.as_ints())
    graph, name = owner(node), node.outputs[0].name
    return become(node, "Slice", [node.inputs[0], *(add_integers(graph, items, f"{name}.slice") for items in lists)])


def _dropout(node: ir.Node, _version: int) -> bool:
    node.attributes.pop("ratio", None)  # matters in training only
    return True


def _batch_normalization(node: ir.Node, version: int) -> bool:
    # Before opset 14 a node with more than one output trains, as ONNX Runtime takes it, whether these are read or
    # not; ``spatial=0`` means one scale per element.
    is_spatial = node.attributes.get_int("spatial", 1) == 1 or version > 8
    node.attributes.pop("spatial", None)
    if any(output.name for output in node.outputs[1:]):
        node.attributes.add(ir.AttrInt64("training_mode", 1))
        if not any(output.uses() or output.is_graph_output() for output in node.outputs[3:]):
            node.resize_outputs(min(3, len(node.outputs)))  # the saved ones are no more
    else:
        node.resize_outputs(1)
    return is_spatial


def _upsample(node: ir.Node, version: int) -> bool:
    scales = operand(node, 1)
    if version < 9:
        factors = np.array(node.attributes.pop("scales").as_floats(), dtype=np.float32)
        scales = add_constant(owner(node), factors, f"{node.outputs[0].name}.scales")
    return _asymmetric_resize(node, scales, "floor")


def _resize_10(node: ir.Node, _version: int) -> bool:
    is_nearest = node.attributes.get_string("mode", "nearest") == "nearest"
    return _asymmetric_resize(node, operand(node, 1), SIMPLE_ROUNDING if is_nearest else "floor")


def _asymmetric_resize(node: ir.Node, scales: ir.Value | None, nearest_mode: str) -> bool:
    attributes = {
        "mode": node.attributes.get_string("mode", "nearest"),
        "coordinate_transformation_mode": "asymmetric",
        "nearest_mode": nearest_mode,
    }
    return become(node, "Resize", [node.inputs[0], None, scales], attributes)


def _softmax(node: ir.Node, _version: int) -> bool:
    """Spell out what axis meant: the tensor is taken as a matrix, cut in two before that axis."""
    axis = node.attributes.get_int("axis", 1)
    x = node.inputs[0]
    shape = insert_before(node, "Shape", [x])
    shape.type = ir.TensorType(ir.DataType.INT64)
    matrix = insert_before(node, "Flatten", [x], {"axis": axis})
    result = insert_before(node, node.op_type, [matrix], {"axis": -1})
    return become(node, "Reshape", [result, shape], {})


_QUANTIZED = {0: None, 2: ir.DataType.UINT8, 3: ir.DataType.INT8}
"""By ``output_dtype``, the types that one can quantise to in ``TARGET_OPSET``; 0 is that of the zero point."""


def _quantizer(node: ir.Node, _version: int) -> bool:
    """Spell the type of the result as that of a zero point; scales of blocks and types of less bits stay."""
    given = {key: node.attributes.get_int(key, 0) for key in ("block_size", "output_dtype", "precision")}
    floats = (0, int(ir.DataType.FLOAT))
    if node.op_type == "DequantizeLinear":
        is_same = given["output_dtype"] in floats
    else:
        is_same = given["output_dtype"] in _QUANTIZED and given["precision"] in floats
    if given["block_size"] or not is_same:
        return False
    dtype, zero_point, scale = _QUANTIZED.get(given["output_dtype"]), operand(node, 2), operand(node, 1)
    if node.op_type == "QuantizeLinear" and dtype is not None and zero_point is None:
        if scale is None or scale.const_value is None:
            return False
        zero = np.zeros(scale.const_value.shape.numpy(), dtype.numpy())
        become(node, node.op_type, [*node.inputs[:2], add_constant(owner(node), zero, f"{node.name}.zero_point")])
    for key in given:
        node.attributes.pop(key, None)
    return True


Conversion = Callable[[ir.Node, int], bool]

# Operator -> (last version of the old form, how to rewrite it), oldest first.
_CONVERSIONS: dict[str, Sequence[tuple[int, Conversion]]] = {
    "BatchNormalization": [(13, _batch_normalization)],
    "Clip": [(10, _clip)],
    "Dropout": [(11, _dropout)],
    "LogSoftmax": [(12, _softmax)],
    "DequantizeLinear": [(99, _quantizer)],
    "Pad": [(10, _pad)],
    "QuantizeLinear": [(99, _quantizer)],
    "ReduceSum": [(12, _axes_to_input)],
    "Resize": [(10, _resize_10)],
    "Slice": [(9, _slice)],
    "Softmax": [(12, _softmax)],
    "Split": [(17, _split)],
    "Squeeze": [(12, _axes_to_input)],
    "Unsqueeze": [(12, _axes_to_input)],
    "Upsample": [(99, _upsample)],
    **{f"Reduce{kind}": [(17, _axes_to_input)] for kind in _REDUCTIONS},
}
