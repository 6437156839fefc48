"""Lowering: a canonical ONNX graph with concrete shapes becomes native steps, operator by operator.

One file per operator family; each function appends the steps of one node to the :class:`.builder.Builder`.
What spans several nodes (fusion, views, masks) is left to the passes that follow.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ....errors import ModelError, UnsupportedOperatorError
from ....onnx.numbers import COMPARISONS
from ....onnx.rewriting import malformed_as_model_error
from ....onnx.support import UnsupportedNode
from ....onnx.values import ZEROSKIP_DOMAIN
from ..draft import Draft
from . import (
    activation,
    conv,
    elementwise,
    functions,
    linear,
    normalize,
    numbers,
    pool,
    quantize,
    recurrent,
    reduce,
    resize,
    shape,
)
from .builder import Builder
from .node import LoweringError

if TYPE_CHECKING:
    import onnx_ir as ir

Lowering = Callable[[Builder, "ir.Node"], None]

LOWERINGS: dict[tuple[str, str], Lowering] = {
    ("", "Add"): elementwise.lower_add,
    ("", "ArgMax"): reduce.lower_arg_extreme,
    ("", "ArgMin"): reduce.lower_arg_extreme,
    ("", "AveragePool"): pool.lower_average_pool,
    ("", "Cast"): numbers.lower_cast,
    ("", "Celu"): functions.lower_elu,
    ("", "Clip"): activation.lower_clip,
    ("", "Concat"): shape.lower_concat,
    ("", "Conv"): conv.lower_conv,
    ("", "DequantizeLinear"): quantize.lower_dequantize,
    ("", "Elu"): functions.lower_elu,
    ("", "Expand"): shape.lower_expand,
    ("", "Gather"): shape.lower_gather,
    ("", "GatherElements"): numbers.lower_gather_elements,
    ("", "Gelu"): functions.lower_gelu,
    ("", "GlobalAveragePool"): pool.lower_global_pool,
    ("", "GlobalMaxPool"): pool.lower_global_pool,
    ("", "HardSigmoid"): activation.lower_hard_sigmoid,
    ("", "HardSwish"): activation.lower_hard_swish,
    ("", "Identity"): shape.lower_identity,
    ("", "InstanceNormalization"): normalize.lower_instance_normalization,
    ("", "LRN"): reduce.lower_lrn,
    ("", "LayerNormalization"): normalize.lower_layer_normalization,
    ("", "LeakyRelu"): functions.lower_leaky_relu,
    ("", "MatMul"): linear.lower_matmul,
    ("", "MaxPool"): pool.lower_max_pool,
    ("", "Mod"): numbers.lower_mod,
    ("", "Mul"): elementwise.lower_mul,
    ("", "Not"): numbers.lower_not,
    ("", "PRelu"): functions.lower_prelu,
    ("", "Pad"): shape.lower_pad,
    ("", "QuantizeLinear"): quantize.lower_quantize,
    ("", "Reshape"): shape.lower_reshape,
    ("", "Resize"): resize.lower_resize,
    ("", "Selu"): functions.lower_elu,
    ("", "Sigmoid"): activation.lower_sigmoid,
    ("", "Slice"): shape.lower_slice,
    ("", "Softmax"): reduce.lower_softmax,
    ("", "Split"): shape.lower_split,
    ("", "Tanh"): activation.lower_tanh,
    ("", "TopK"): numbers.lower_top_k,
    ("", "Transpose"): shape.lower_transpose,
    ("", "Where"): numbers.lower_where,
    ("", "Xor"): numbers.lower_xor,
    (ZEROSKIP_DOMAIN, "ChannelAffine"): elementwise.lower_channel_affine,
    (ZEROSKIP_DOMAIN, "FatRelu"): activation.lower_fat_relu,
    (ZEROSKIP_DOMAIN, "Linear"): linear.lower_linear,
    (ZEROSKIP_DOMAIN, "PixelShuffle"): conv.lower_pixel_shuffle,
    (ZEROSKIP_DOMAIN, "Recurrence"): recurrent.lower_recurrence,
    **{("", op_type): elementwise.lower_binary for op_type in ("Div", "Max", "Min", "Pow", "Sub")},
    **{("", op_type): numbers.lower_comparison for op_type in (*COMPARISONS, "And", "Or")},
    **{("", op_type): functions.lower_function for op_type in functions.KINDS},
    **{("", op_type): reduce.lower_reduce for op_type in reduce.REDUCTIONS},
}


def lower(model: ir.Model, taps: Sequence[str] = ()) -> Draft:
    """Lower a canonical model to a draft.

    Args:
        model: Canonical model; every value has a concrete shape.
        taps: Names of intermediate values to return after the graph's own outputs.

    Returns:
        The draft, one step per node or layout change, nothing fused yet.

    Raises:
        UnsupportedOperatorError: Listing every node that cannot be lowered, with the reason.
        ModelError: If a tap names no value of the graph.
    """
    builder = Builder()
    for value in model.graph.inputs:
        if value.const_value is None:
            builder.graph_input(value)
    problems, nodes = [], []
    for node in model.graph:
        try:
            with malformed_as_model_error(node):
                _lower_node(builder, node)
        except LoweringError as error:
            problems.append(f"{node.name or node.outputs[0].name} ({_title(node)}): {error}")
            nodes.append(UnsupportedNode.of(node, model.opset_imports.get(node.domain, 0), str(error)))
    if not problems:
        for value in (*model.graph.outputs, *_find_values(model, taps)):
            try:
                builder.graph_output(value)
            except LoweringError as error:
                problems.append(f"output '{value.name}': {error}")
    if problems:
        listing = "\n  ".join(problems)
        raise UnsupportedOperatorError(
            f"the engine cannot run {len(problems)} node(s) of this model:\n  {listing}", nodes
        )
    return builder.draft


def _lower_node(builder: Builder, node: ir.Node) -> None:
    domain = "" if node.domain == "ai.onnx" else node.domain
    lowering = LOWERINGS.get((domain, node.op_type))
    if lowering is None:
        raise LoweringError("operator not supported")
    try:
        lowering(builder, node)
    except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError) as error:
        # What the checks before let through of a damaged file: attributes without a value, of another type, ...
        raise LoweringError(f"it is malformed: {error}") from error


def _title(node: ir.Node) -> str:
    return f"{node.domain}::{node.op_type}" if node.domain else node.op_type


def _find_values(model: ir.Model, names: Sequence[str]) -> list[ir.Value]:
    if not names:
        return []
    values = {value.name: value for node in model.graph for value in node.outputs}
    missing = [name for name in names if name not in values]
    if missing:
        raise ModelError(f"no value of the graph is called {', '.join(missing)}")
    return [values[name] for name in names]
