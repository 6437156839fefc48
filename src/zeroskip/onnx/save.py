"""Writing a model: to bytes, or to a file that appears whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import onnx_ir as ir

from ..errors import LimitError
from ..files import atomic_path, atomic_write_bytes
from .rewriting import copy_model

MAX_FILE_BYTES = (1 << 31) - 1
"""What one protobuf message, and so an ONNX file without external data, can hold."""
_SLACK_BYTES = 1 << 20
"""Kept free for all that is not weights."""
_EXTERNAL_FROM_BYTES = 1 << 10
"""Smaller tensors stay in the file: shapes and axes, which other tools read without looking further."""


def fits_one_file(model: ir.Model) -> bool:
    """Tell whether a model can be one ONNX file, weights included."""
    return weight_bytes(model) <= MAX_FILE_BYTES - _SLACK_BYTES


def to_bytes(model: ir.Model) -> bytes:
    """Return the ONNX file content of a model, weights included.

    Raises:
        LimitError: If it would exceed the 2 GB that one protobuf message can hold.
    """
    if not fits_one_file(model):
        raise LimitError(
            f"the model has {weight_bytes(model)} bytes of weights; an ONNX file of one part holds less than 2 GB"
        )
    data: bytes = ir.serde.serialize_model(model).SerializeToString()
    return data


def save_model(model: ir.Model, path: str | os.PathLike[str]) -> None:
    """Write a model as an ONNX file; a failed write leaves no file and no half of one.

    A model that is too large for one file gets a second one for its weights, of the same name with ``.data`` behind.

    Args:
        model: The model.
        path: File to create or replace. Its folder must exist.

    Raises:
        OutputError: If the file cannot be written.
    """
    if fits_one_file(model):
        atomic_write_bytes(path, to_bytes(model))
        return
    target = Path(path)
    data = target.with_name(f"{target.name}.data")
    # Both are whole before either gets its name, the weights first.
    with atomic_path(target) as model_file, atomic_path(data) as data_file:
        model_file.write_bytes(_write_weights(model, data_file, data.name))


def _write_weights(model: ir.Model, file: Path, location: str) -> bytes:
    """Write the large tensors to a file and return the content of the model file that refers to it."""
    copy = copy_model(model)
    with open(file, "xb") as stream:
        for value in _initializers(copy):
            tensor = value.const_value
            if tensor is None or tensor.dtype == ir.DataType.STRING or tensor.nbytes < _EXTERNAL_FROM_BYTES:
                continue
            offset = stream.tell()
            stream.write(tensor.tobytes())
            shape = ir.Shape(tensor.shape.numpy())
            value.const_value = ir.ExternalTensor(
                location, offset, tensor.nbytes, tensor.dtype, shape=shape, name=value.name or ""
            )
    data: bytes = ir.serde.serialize_model(copy).SerializeToString()
    return data


def weight_bytes(model: ir.Model) -> int:
    return sum(value.const_value.nbytes for value in _initializers(model) if value.const_value is not None)


def _initializers(model: ir.Model) -> Iterator[ir.Value]:
    for graph in model.graphs():
        yield from graph.initializers.values()
