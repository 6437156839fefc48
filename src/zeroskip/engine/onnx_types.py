"""ONNX types as onnxruntime writes them, and the numpy dtypes that belong to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import onnx_ir as ir

_SAME_NAME = ("float16", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool")
_DTYPES: dict[str, Any] = {
    "float": np.float32,
    "double": np.float64,
    "string": np.object_,
    "complex64": np.complex64,
    "complex128": np.complex128,
    **{name: np.dtype(name) for name in _SAME_NAME},
}


def type_text(value_type: ir.TypeProtocol | None) -> str:
    """Return a type as text, for example ``tensor(float)`` or ``seq(tensor(int64))``; float32 where it is unknown.

    Example:
        >>> import onnx_ir as ir
        >>> type_text(ir.SequenceType(ir.TensorType(ir.DataType.DOUBLE)))
        'seq(tensor(double))'
    """
    import onnx_ir as ir

    if isinstance(value_type, ir.SequenceType):
        return f"seq({type_text(value_type.elem_type)})"
    if isinstance(value_type, ir.OptionalType):
        return f"optional({type_text(value_type.elem_type)})"
    name = "float" if value_type is None else value_type.dtype.name.lower()
    kind = "sparse_tensor" if isinstance(value_type, ir.SparseTensorType) else "tensor"
    return f"{kind}({name})"


def dtype_of(tensor_type: str) -> np.dtype[Any] | None:
    """Return the numpy dtype of a tensor type, None where numpy has none of its own.

    Example:
        >>> dtype_of("tensor(float)")
        dtype('float32')
    """
    found = _DTYPES.get(tensor_type.removeprefix("tensor(").removesuffix(")"))
    return None if found is None else np.dtype(found)
