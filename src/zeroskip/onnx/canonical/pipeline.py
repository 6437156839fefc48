"""The way from a loaded model to its canonical form: which rules run when."""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import onnx_ir as ir

from ...errors import ModelError, ShapeError
from ..opset import raise_opset
from ..rewriting import (
    RuleTable,
    apply_rules,
    copy_model,
    damaged_as_model_error,
    describe,
    flat_copy,
    release_weights,
    release_weights_on_error,
    reserve_value_names,
    sweep,
)
from ..values import ZEROSKIP_DOMAIN, constant, dims, integers, static_shape
from . import (
    affine,
    composition,
    elementwise,
    explicit,
    hard,
    layout,
    linear,
    quantizers,
    recurrent,
    reshape,
    resize,
    selection,
    shift,
    thresholds,
    transposed,
    windows,
)
from .inference import infer
from .integer_operators import expand_integer_operators


def _joined(*tables: RuleTable) -> RuleTable:
    """Return one table; for one operator, the rules of earlier tables come first."""
    op_types = dict.fromkeys(chain.from_iterable(tables))
    return {op_type: tuple(chain.from_iterable(table.get(op_type, ()) for table in tables)) for op_type in op_types}


_GENERAL = _joined(
    quantizers.RULES,
    elementwise.RULES,
    thresholds.RULES,
    layout.RULES,
    linear.RULES,
    recurrent.RULES,
    affine.RULES,
    shift.RULES,
    windows.RULES,
    resize.RULES,
    transposed.RULES,
    composition.RULES,
    explicit.RULES,
)
_CONCRETE = _joined(_GENERAL, reshape.RULES, selection.RULES, shift.CONCRETE_RULES, composition.CONCRETE_RULES)
_FIRST = _joined(hard.RULES, composition.EARLY_RULES)
REWRITTEN = frozenset(_CONCRETE)
"""Operators that some rule rewrites once the shapes of their inputs are known."""

MAX_ELEMENTS = (1 << 31) - 1
"""Of one tensor; more could not be addressed."""
_PREPARED = "zeroskip.prepared"
SOURCE_OPSET = "zeroskip.source_opset"
"""Entry of a canonical graph's ``meta``: the opset of the model it was made from."""


def canonicalize(model: ir.Model, input_shapes: Mapping[str, Sequence[int]] | None = None) -> ir.Model:
    """Return the canonical form of a model for given input shapes, by :func:`prepare` and :func:`specialize`.

    Args:
        model: As returned by ``load_model``; not changed. Large tensors are shared with the result.
        input_shapes: Shape of each graph input; those left out must have a concrete shape in the model.

    Raises:
        ModelError: If the model is malformed.
        ShapeError: If the shapes do not fit the model.
    """
    return specialize(prepare(model), input_shapes)


def prepare(model: ir.Model) -> ir.Model:
    """Do all rewriting that needs no concrete shapes, above all what touches weights.

    Args:
        model: As returned by ``load_model``; not changed.

    Returns:
        A model to be given to :func:`specialize`, once for every input shape. No shape is taken from the
        file: what it records about batch or image size may be an accident of the export.

    Raises:
        ModelError: If the model is malformed.
    """
    if _is_prepared(model):
        return model
    with damaged_as_model_error("the model is damaged"):
        prepared = flat_copy(model)
    with release_weights_on_error(prepared):
        _prepare(prepared)
    return prepared


def _prepare(prepared: ir.Model) -> None:
    graph = prepared.graph
    graph.meta[SOURCE_OPSET] = prepared.opset_imports.get("")
    raise_opset(prepared)
    expand_integer_operators(graph)
    prepared.opset_imports[ZEROSKIP_DOMAIN] = 1
    declared = [value.shape for value in graph.inputs]
    for value in graph.inputs:
        value.shape = None if value.shape is None else ir.Shape([None] * len(value.shape))
    try:
        _forget_shapes(graph)
        infer(graph)
        sweep(graph)
        apply_rules(graph, _FIRST)
        apply_rules(graph, _GENERAL)
    except ShapeError as error:
        raise ModelError(f"the model contradicts itself: {error}") from error
    for value, shape in zip(graph.inputs, declared, strict=True):
        value.shape = shape
    graph.meta[_PREPARED] = True


@dataclass(frozen=True)
class ValueInfo:
    """What is known of a value of a model once the shapes of its inputs are.

    Args:
        type: Its ONNX type, None when it is not known.
        shape: Its shape, None when it is not known.
        is_folded: Whether it is a constant then.
    """

    type: ir.TypeProtocol | None
    shape: tuple[int, ...] | None
    is_folded: bool


def infer_values(model: ir.Model, input_shapes: Mapping[str, Sequence[int]]) -> dict[str, ValueInfo]:
    """Return what is known of every value of a model, by name.

    Args:
        model: From ``flat_copy``; not changed.
        input_shapes: Shapes of the graph inputs, as far as they are known.

    Raises:
        ModelError: If the model is malformed.
        ShapeError: If the shapes do not fit it.
    """
    copy = copy_model(model)
    graph = copy.graph
    try:
        raise_opset(copy)
        expand_integer_operators(graph)
        values = [*graph.inputs, *(output for node in graph for output in node.outputs)]
        _set_input_shapes(graph, input_shapes, partial=True)
        _forget_shapes(graph)
        infer(graph)
        return {value.name or "": ValueInfo(value.type, static_shape(value), _is_constant(value)) for value in values}
    finally:
        release_weights(copy)


def _is_constant(value: ir.Value) -> bool:
    node = value.producer()
    if node is None:
        return False
    return node.graph is None or (node.op_type == "Identity" and constant(node.inputs[0]) is not None)


def specialize(
    prepared: ir.Model, input_shapes: Mapping[str, Sequence[int]] | None = None, *, partial: bool = False
) -> ir.Model:
    """Give every value of a prepared model a concrete shape and finish its canonical form.

    Args:
        prepared: From :func:`prepare`; not changed. Weights are shared with the result, array by array, so
            that what is made from them once (packed weights) can be used for every shape.
        input_shapes: Shape of each graph input; those left out must have a concrete shape in the model.
        partial: Leave the shape of an input open that is neither given nor concrete. The result is then good
            for judging which operators are supported, not for planning.

    Raises:
        ShapeError: If a shape is missing, does not fit, or cannot be run because the export froze another
            one.
        ModelError: If the model is malformed.
    """
    if not _is_prepared(prepared):
        prepared = prepare(prepared)
    model = copy_model(prepared)
    with release_weights_on_error(model):
        _specialize(model, input_shapes or {}, partial=partial)
    return model


def _specialize(model: ir.Model, input_shapes: Mapping[str, Sequence[int]], *, partial: bool) -> None:
    graph = model.graph
    reserve_value_names(graph)  # a name stands for one value in all graphs made from one prepared model
    frozen = _set_input_shapes(graph, input_shapes, partial=partial)
    _forget_shapes(graph)
    try:
        infer(graph)
    except ShapeError as error:
        hint = f" (the model was exported for a batch of {min(frozen.values())})" if frozen else ""
        raise ShapeError(f"{error}{hint}") from error
    sweep(graph)
    _check_batch(graph, frozen)
    apply_rules(graph, _FIRST)
    apply_rules(graph, _CONCRETE)
    affine.finish(graph)
    infer(graph, only_missing=True)
    sweep(graph)
    _check_sizes(graph)


def _is_prepared(model: ir.Model) -> bool:
    return bool(model.graph.meta.get(_PREPARED)) and ZEROSKIP_DOMAIN in model.opset_imports


def _forget_shapes(graph: ir.Graph) -> None:
    for node in graph:
        for output in node.outputs:
            output.shape = None


def _set_input_shapes(graph: ir.Graph, wanted: Mapping[str, Sequence[int]], *, partial: bool = False) -> dict[int, int]:
    """Set the shapes of the graph inputs; return batch sizes that differ from a fixed one: given to fixed."""
    names = [value.name for value in graph.inputs]
    if unknown := sorted(set(wanted) - set(names)):
        raise ShapeError(f"the model has no input {unknown}; its inputs are {names}")
    frozen = {}
    for value in graph.inputs:
        declared = dims(value)
        is_open = partial and value.name not in wanted and static_shape(value) is None
        if not isinstance(value.type, ir.TensorType | None):
            continue
        if is_open:
            value.shape = None if declared is None else ir.Shape(declared)  # without names, and without -1
            continue
        shape = _concrete(value, wanted.get(value.name or ""))
        if declared and shape and declared[0] is not None and declared[0] != shape[0]:
            frozen[shape[0]] = declared[0]
        value.shape = ir.Shape(shape)
    return frozen


def _concrete(value: ir.Value, wanted: Sequence[int] | None) -> tuple[int, ...]:
    """Return the shape to give to a graph input: the wanted one, else the one in the model."""
    declared = "of unknown rank" if value.shape is None else f"[{', '.join(str(size) for size in value.shape)}]"
    shape = static_shape(value) if wanted is None else tuple(operator.index(size) for size in wanted)
    if shape is None or min(shape, default=1) < 1:
        got = "none" if wanted is None else list(wanted)
        raise ShapeError(
            f"input '{value.name}' has shape {declared} in the model: give a size of at least 1 for every "
            f"dimension, got {got}"
        )
    if value.shape is not None and len(value.shape) != len(shape):
        raise ShapeError(f"input '{value.name}' has shape {declared} in the model, got {list(shape)}")
    return shape


def _check_sizes(graph: ir.Graph) -> None:
    """Refuse tensors that are empty or could not be addressed: a typing error in a shape, or a damaged file."""
    computed = (output for node in graph for output in node.outputs if not _is_constant(output))
    for value in (*graph.inputs, *computed):
        shape = static_shape(value)
        if shape is not None and not 0 < math.prod(shape) <= MAX_ELEMENTS:
            raise ShapeError(
                f"'{value.name}' would have shape {list(shape)}: 1 to {MAX_ELEMENTS} elements are possible"
            )


def _check_batch(graph: ir.Graph, frozen: Mapping[int, int]) -> None:
    """Refuse a Reshape that puts several items into one because the export wrote down its batch size."""
    for node in graph if frozen else ():
        if node.domain == "" and node.op_type == "Reshape":
            source, result = static_shape(node.inputs[0]), static_shape(node.outputs[0])
            exported = frozen.get(source[0]) if source else None
            target = integers(node.inputs[1])
            if exported is not None and source and result and target and target[0] == exported == result[0]:
                raise ShapeError(
                    f"{describe(node)} has the batch size {exported} of the export in its target shape "
                    f"{list(target)}, so the model cannot run with a batch of {source[0]}: export it with a "
                    "dynamic batch dimension"
                )
