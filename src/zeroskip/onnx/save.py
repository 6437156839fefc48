"""Writing a model: to bytes, or to a file that appears whole or not at all."""

from __future__ import annotations

import os

import onnx_ir as ir

from ..errors import ModelError
from ..files import atomic_write_bytes

_PROTOBUF_LIMIT_BYTES = (1 << 31) - 1


def to_bytes(model: ir.Model) -> bytes:
    """Return the ONNX file content of a model.

    Raises:
        ModelError: If it would exceed the 2 GB that one protobuf message can hold.
    """
    size = sum(v.const_value.nbytes for v in model.graph.initializers.values() if v.const_value is not None)
    if size > _PROTOBUF_LIMIT_BYTES:
        raise ModelError(f"the model has {size} bytes of weights; an ONNX file of one part holds less than 2 GB")
    data: bytes = ir.serde.serialize_model(model).SerializeToString()
    return data


def save_model(model: ir.Model, path: str | os.PathLike[str]) -> None:
    """Write a model as an ONNX file, weights included; a failed write leaves no file and no half of one.

    Args:
        model: The model.
        path: File to create or replace. Its folder must exist.

    Raises:
        ModelError: If the model is too large for one file.
        OSError: If the file cannot be written.
    """
    atomic_write_bytes(path, to_bytes(model))
