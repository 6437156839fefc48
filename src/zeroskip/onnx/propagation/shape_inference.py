"""What every shape function may fall back on: the shape inference of the onnx package, for one node."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from ...errors import ZeroskipError
from ..canonical.inference import infer_node
from .site import Shape, Site, State, Step, UnpredictableError

_MAX_SHOWN_ELEMENTS = 64


def infer_step(site: Site) -> Step:
    """Any operator whose structure depends on no shape: by the shape inference that the long way uses.

    It works on a copy of the node, whose constants are those of the state.
    """
    node = site.node
    schema_inputs = [None if value is None else ir.Value(name=value.name, type=value.type) for value in node.inputs]
    outputs = [ir.Value(name=value.name, type=value.type) for value in node.outputs]
    attributes = list(node.attributes.values())
    copy = ir.Node(node.domain, node.op_type, schema_inputs, attributes, outputs=outputs, name=node.name)

    def step(state: State) -> None:
        for slot, value in zip(site.inputs, copy.inputs, strict=True):
            if slot is not None and value is not None:
                value.shape = ir.Shape(state.shape(slot))
                array = state.constants[slot]
                small = array is not None and array.size <= _MAX_SHOWN_ELEMENTS
                value.const_value = ir.Tensor(array, name=value.name) if small and array is not None else None
        try:
            infer_node(copy)
        except ZeroskipError as error:
            raise UnpredictableError from error
        for slot, value in zip(site.outputs, copy.outputs, strict=True):
            state.shapes[slot] = _static(value)

    return step


def _static(value: ir.Value) -> Shape:
    shape = value.shape
    if shape is None or not all(isinstance(size, int) and size > 0 for size in shape):
        raise UnpredictableError  # what has no elements is a constant
    return tuple(int(size) for size in shape.numpy())


def results_of(site: Site) -> Sequence[int]:
    if len(site.outputs) != 1:
        raise UnpredictableError
    return site.outputs
