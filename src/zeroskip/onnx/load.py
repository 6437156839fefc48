"""Reading an ONNX model: file, bytes or objects in; a checked ``onnx_ir`` model out.

Owns the checks that make everything behind it safe: the bytes parse, every value is computed once and before
it is read, tensors hold the data their shapes promise, weights hold no NaN. Does not judge which operators
can run.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import onnx
import onnx_ir as ir
import onnx_ir.passes.common as common_passes
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from ..errors import ModelError
from ..files import read_ordinary
from .external import Digest, read_external_data
from .functions import check_expansion, drop_unused_functions
from .opset import check_opset
from .rewriting import damaged_as_model_error, describe, name_nodes
from .save import MAX_FILE_BYTES

if TYPE_CHECKING:
    from .loaded_model import LoadedModel

ModelSource: TypeAlias = "str | os.PathLike[str] | bytes | onnx.ModelProto | ir.Model | LoadedModel"

_FACTORS = {
    "BatchNormalization": (1, 4), "Conv": (1,), "ConvTranspose": (1,), "GRU": (1, 2), "Gemm": (0, 1), "LSTM": (1, 2),
    "MatMul": (0, 1), "RNN": (1, 2),
}  # fmt: skip
"""Inputs of layers that are multiplied."""


def load_model(source: ModelSource, *, any_opset: bool = False) -> ir.Model:
    """Read a model and check that it is whole.

    Constant nodes become initializers and nodes without a name get one; nothing else is changed. External
    data is read from the folder of the file, and from nowhere else.

    Args:
        source: Path of an ONNX file, its content, or a model object. What is loaded already is taken as it is.
        any_opset: Accept a model of an opset that cannot be rewritten, for another runtime to run.

    Returns:
        The model; its tensors are numpy arrays.

    Raises:
        ModelError: If the file is missing, truncated or no ONNX model, its graph is broken, a tensor is
            damaged, weights hold NaN, or the opset is not supported.

    Example:
        >>> load_model("no-such-model.onnx")
        Traceback (most recent call last):
            ...
        zeroskip.errors.ModelError: cannot read model 'no-such-model.onnx': No such file or directory
    """
    graph = loaded_graph(source)
    if graph is not None:
        return graph
    return read_graph(source, any_opset=any_opset)


def loaded_graph(source: ModelSource) -> ir.Model | None:
    """Return the graph of a source that is loaded already, and that others may be using; None of any other."""
    from .loaded_model import LoadedModel

    if isinstance(source, LoadedModel):
        return source.model
    return source if isinstance(source, ir.Model) else None


def read_graph(source: ModelSource, *, any_opset: bool = False, digest: Digest | None = None) -> ir.Model:
    """Read a model that is not loaded yet, see :func:`load_model`.

    Args:
        source: Path, content or message.
        any_opset: As there.
        digest: Takes in what is read.
    """
    if isinstance(source, onnx.ModelProto):
        return _checked(source, "the model", None, any_opset)
    if isinstance(source, bytes):
        if digest is not None:
            digest.update(source)
        return _checked(_parse(source, "the model"), "the model", None, any_opset)
    if not isinstance(source, str | os.PathLike):
        raise ModelError(f"a model is a path, bytes, onnx.ModelProto or onnx_ir.Model, got {type(source).__name__}")
    path = Path(source)
    what = f"model '{path}'"
    # No name keeps the bytes alive.
    return _checked(_parse(_read(path, what, digest), what), what, path, any_opset, digest)


def _read(path: Path, what: str, digest: Digest | None) -> bytes:
    try:
        data = read_ordinary(path, MAX_FILE_BYTES)
    except OSError as error:
        raise ModelError(f"cannot read {what}: {error.strerror or error}") from error
    if digest is not None:
        digest.update(data)
    return data


def _parse(data: bytes, what: str) -> onnx.ModelProto:
    if not data:
        raise ModelError(f"{what} is empty")
    try:
        return onnx.load_model_from_string(data)
    except (DecodeError, ValueError) as error:
        raise ModelError(f"{what} is not an ONNX file, or is truncated ({len(data)} bytes): {error}") from error


def _checked(
    proto: onnx.ModelProto, what: str, path: Path | None, any_opset: bool, digest: Digest | None = None
) -> ir.Model:
    if not proto.graph.node or not proto.graph.output:
        raise ModelError(f"{what} holds no graph with nodes and outputs: it is not an ONNX model, or is truncated")
    arrays = read_external_data(proto, what, path, digest)
    with damaged_as_model_error(f"{what} is not a valid ONNX graph"):
        model = ir.serde.deserialize_model(proto)
        drop_unused_functions(model)
        check_expansion(model)
        common_passes.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(model)
        model.graph.sort()
    for imports in (model.opset_imports, *(function.opset_imports for function in model.functions.values())):
        if "ai.onnx" in imports:  # another name of the default domain
            imports.setdefault("", imports.pop("ai.onnx"))
    if not any_opset:
        check_opset(model.opset_imports.get(""))
    _check_text(model.graph, what)
    name_nodes(model.graph)
    _check_graph(model.graph, what)
    for graph in model.graphs():
        _read_tensors(graph, what, arrays)
    return model


def _check_text(graph: ir.Graph, what: str) -> None:
    """Refuse names that are not text: protobuf hands them over as bytes."""
    names = [value.name for value in (*graph.inputs, *graph.outputs)] + list(graph.initializers)
    for node in graph.all_nodes():
        names += [node.op_type, node.domain, node.name, *(value.name for value in node.outputs)]
    if any(isinstance(name, bytes) for name in names):
        raise ModelError(f"{what} holds names that are not UTF-8: it is damaged")


def _check_graph(graph: ir.Graph, what: str) -> None:
    known = {*graph.inputs, *graph.initializers.values()}
    for node in graph:
        for value in node.inputs:
            if value is not None and value not in known:
                raise ModelError(f"{what}: {describe(node)} reads '{value.name}', which nothing computes")
        known.update(node.outputs)
    for value in graph.outputs:
        if value not in known:
            raise ModelError(f"{what}: graph output '{value.name}' is computed by nothing")
    names = [value.name for value in known if value.name]
    if len(set(names)) != len(names):
        raise ModelError(f"{what}: two values have the same name")


def _read_tensors(graph: ir.Graph, what: str, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Turn every initializer into an array: a tensor of a protobuf message copies its data on each access."""
    for name, value in graph.initializers.items():
        tensor = value.const_value
        if tensor is None:
            raise ModelError(f"{what}: initializer '{name}' has no data")
        with damaged_as_model_error(f"{what}: initializer '{name}' cannot be read"):
            if tensor.dtype == ir.DataType.STRING:
                _check_strings(tensor)
                continue
            array = arrays[str(tensor.location)] if isinstance(tensor, ir.ExternalTensor) else tensor.numpy()
        # A NaN anywhere makes the sum NaN; summing is several times cheaper than looking at every element.
        with np.errstate(all="ignore"):
            has_nan = array.dtype == np.float32 and np.isnan(np.add.reduce(array, axis=None)) and np.isnan(array).any()
            if has_nan and _is_weight(value):
                count = int(np.isnan(array).sum())
                raise ModelError(f"{what}: initializer '{name}' holds {count} NaN among {array.size} values")
        value.const_value = ir.Tensor(array, dtype=tensor.dtype, name=name)
        value.shape, value.type = ir.Shape(array.shape), ir.TensorType(tensor.dtype)


def _check_strings(tensor: ir.TensorProtocol) -> None:
    count = len(tensor.string_data()) if isinstance(tensor, ir.StringTensor) else 0
    if count != tensor.size:
        raise ValueError(f"{count} strings for a shape of {tensor.size}")


def _is_weight(value: ir.Value) -> bool:
    """Tell whether a constant is multiplied: there NaN is damage; elsewhere it may be what a network fills in."""
    return any(usage.idx in _FACTORS.get(usage.node.op_type, ()) for usage in value.uses())
