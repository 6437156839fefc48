"""Weights in files beside the model: what such a reference may name.

A model file can come from anywhere; the files it names are opened on the reader's behalf. So they must be ordinary
files in the model's own folder, whatever links and dots its text is made of.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import onnx

from ..errors import ModelError

_MAX_DEPTH = 100


def check_external_data(model: onnx.ModelProto, what: str, folder: Path | None) -> bool:
    """Check every reference to a file outside the model's own; opens none of them.

    Args:
        model: As parsed.
        what: How messages name the model.
        folder: Where the model was read from; None if it was not read from a file.

    Returns:
        Whether there is any.

    Raises:
        ModelError: If the reference is absolute, leaves the folder (also by a symbolic link), or names no
            ordinary file; if a function holds one; or if there is no folder.
    """
    found = False
    for tensor in _tensors(model.graph):
        if _is_external(tensor):
            found = True
            _check_location(tensor, f"{what}: tensor '{tensor.name}'", folder)
    for function in model.functions:
        for tensor in _tensors(function):
            if _is_external(tensor):
                raise ModelError(f"{what}: function '{function.name}' keeps a constant in another file: not supported")
    return found


def _is_external(tensor: onnx.TensorProto) -> bool:
    return tensor.data_location == onnx.TensorProto.EXTERNAL or len(tensor.external_data) > 0


def _check_location(tensor: onnx.TensorProto, where: str, folder: Path | None) -> None:
    location = next((entry.value for entry in tensor.external_data if entry.key == "location"), "")
    if folder is None:
        raise ModelError(f"{where} lies in another file, '{location}': give the path of the model, not its content")
    root = folder.resolve()
    try:
        path = (root / location).resolve()
        is_inside = not Path(location).is_absolute() and path.is_relative_to(root)
        is_file = is_inside and path.is_file()
    except (OSError, ValueError, RuntimeError) as error:  # a name with a null, a ring of links
        raise ModelError(f"{where} lies in '{location}', which is no file name: {error}") from error
    if not is_inside:
        raise ModelError(f"{where} lies in '{location}', which is outside the model's folder: refused")
    if not is_file:
        raise ModelError(f"{where} cannot be read: there is no file '{location}' beside the model")


def _tensors(graph: onnx.GraphProto | onnx.FunctionProto, depth: int = 0) -> Iterator[onnx.TensorProto]:
    """Yield every tensor of a graph or function, those of subgraphs included."""
    if depth > _MAX_DEPTH:
        raise ModelError(f"the model's subgraphs are nested more than {_MAX_DEPTH} deep")
    if isinstance(graph, onnx.GraphProto):
        yield from graph.initializer
        for sparse in graph.sparse_initializer:
            yield from (sparse.values, sparse.indices)
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
            for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
                yield from (sparse.values, sparse.indices)
            for subgraph in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                yield from _tensors(subgraph, depth + 1)
