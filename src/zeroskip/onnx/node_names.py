"""What nodes are called: by their name in the file, unless an exporter numbered them; then layers go by their weights.

PyTorch's exporter writes ``node_Conv_106`` with the result ``getitem_3``, older ones ``Conv_12``, tf2onnx
``Conv__450``. Nobody knows a layer by that; its weights are called ``layer1.0.conv1.weight`` all the same.
"""

from __future__ import annotations

import re

import onnx_ir as ir

from .values import is_own, operand, producer

_MADE_UP = re.compile(
    r"(node_.*|onnx::.*|[A-Z][A-Za-z0-9]*_+\d+|[A-Z][A-Za-z]*|(getitem|val|lifted_tensor|_tensor_constant|const_fold_opt_)_?\d*"
    r"|arg\d+_\d+|_*\d+|)"
)
"""Names that exporters number through: ``Conv__450``, ``node_Conv_12``, ``Relu``, ``getitem_3``."""
_ENDINGS = re.compile(
    r"(:\d+|[/.](Bias(Add)?|Conv(2D|_\d+)?|MatMul|Gemm|kernel|weight|w|W|FusedBatchNorm(V3)?|ReadVariableOp|BatchNorm\w*)"
    r"|_weights_fused_bn|_quantized|_DequantizeLinear_Output)+$"
)
_WEIGHT_PLACES = {
    "BatchNormalization": (1,), "Conv": (1,), "ConvInteger": (1,), "ConvTranspose": (1,), "Gemm": (1, 0),
    "InstanceNormalization": (1,), "LayerNormalization": (1,), "MatMul": (1, 0), "MatMulInteger": (1, 0), "PRelu": (1,),
    "QLinearConv": (3,), "QLinearMatMul": (3, 0),
}  # fmt: skip
"""Which inputs may be the weight that a layer is known by."""
_MOST_MOVES = 4
"""Between a weight in the file and what the layer reads."""


def node_name(node: ir.Node) -> str:
    """Return the name by which people know a node: its own, else that of its result.

    Where an exporter made that up and the node is a layer, it is that of the layer.
    """
    name = node.name or next((output.name for output in node.outputs if output.name), node.op_type)
    if not _MADE_UP.fullmatch(name):
        return name
    if node.op_type in _WEIGHT_PLACES or is_own(node, "Linear"):
        return stem(node) or name
    return name


def stem(node: ir.Node) -> str:
    """Return the name of a layer without what says of which kind it is; nothing where all its names are made up."""
    weight = _weight_name(node) or ""
    for name in (node.name or "", weight, (node.outputs[0].name if node.outputs else None) or ""):
        short = _ENDINGS.sub("", name).strip("/")
        if short.isdigit() and short != name and name == weight:
            return short  # 3.weight: number 3 of a Sequential, as PyTorch calls it
        if not _MADE_UP.fullmatch(short):
            return short
    return ""


def _weight_name(node: ir.Node) -> str | None:
    for place in _WEIGHT_PLACES.get(node.op_type, (1,)):
        value = operand(node, place)
        for _ in range(_MOST_MOVES):
            before = producer(value, "DequantizeLinear", "Identity", "Transpose")
            value = value if before is None else operand(before, 0)
        if value is not None and value.is_initializer():
            return value.name
    return None
