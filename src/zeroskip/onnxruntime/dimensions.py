"""Sizes of open dimensions that a program sets beforehand, written into the model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx_ir as ir

    from ..onnx.load import ModelSource


def with_dimensions(source: ModelSource, by_name: Mapping[str, int], by_denotation: Mapping[str, int]) -> ModelSource:
    """Return a model whose inputs have the sizes given, and whose outputs have those of the same names.

    Args:
        source: What a session takes; it is not changed.
        by_name: Sizes by the name of the dimension. Names that the model does not have do nothing.
        by_denotation: Sizes by what the dimension means, such as ``DATA_BATCH``.

    Raises:
        ModelError: If the model cannot be read.
    """
    from ..onnx.load import load_model, loaded_graph
    from ..onnx.rewriting import copy_model

    model = load_model(source, any_opset=True)
    if loaded_graph(source) is not None:  # others may be using it
        model = copy_model(model)
    found = dict(by_name)
    for value in model.graph.inputs:
        for axis, name in enumerate(_names(value)):
            size = by_denotation.get(value.shape.get_denotation(axis) or "") if value.shape is not None else None
            if name is not None and size is not None:
                found[name] = size
                if not name:
                    _resize(value, axis, size)
    for value in (*model.graph.inputs, *model.graph.outputs):
        for axis, name in enumerate(_names(value)):
            if name in found:
                _resize(value, axis, found[name])
    return model


def _names(value: ir.Value) -> list[str | None]:
    """Return the name of each dimension, empty of one without, None of one whose size is fixed."""
    sizes = () if value.shape is None else value.shape
    return [None if isinstance(size, int) else size.value or "" for size in sizes]


def _resize(value: ir.Value, axis: int, size: int) -> None:
    import onnx_ir as ir

    assert value.shape is not None
    sizes = list(value.shape)
    sizes[axis] = size
    value.shape = ir.Shape(sizes, [value.shape.get_denotation(index) for index in range(len(sizes))])
