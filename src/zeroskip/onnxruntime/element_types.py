"""Element types by ONNX Runtime's three names for them: text, numpy dtype, ONNX number."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engine.onnx_types import dtype_of
from .status import InvalidArgument


def type_text(value: Any) -> str:
    """Return the ONNX type of a value: an array, a list of arrays or a dictionary.

    Example:
        >>> type_text([np.zeros(1, np.int64)])
        'seq(tensor(int64))'
    """
    if isinstance(value, list):
        return f"seq({type_text(value[0]) if value else 'tensor(float)'})"
    dtype = np.asarray(value).dtype
    if dtype.kind in "OUS":
        return "tensor(string)"
    return f"tensor({ {'float32': 'float', 'float64': 'double'}.get(dtype.name, dtype.name) })"


def dtype_of_element(element_type: Any) -> tuple[str, np.dtype[Any]]:
    """Return the ONNX name and the numpy dtype of an element type; of one that numpy has not, unsigned integers.

    Args:
        element_type: A numpy dtype or what makes one, or the number of an ONNX type.

    Raises:
        InvalidArgument: If there is no such type.
    """
    import onnx_ir as ir

    try:
        if not isinstance(element_type, int):
            dtype = np.dtype(element_type)
            return type_text(np.empty(0, dtype)).removeprefix("tensor(").removesuffix(")"), dtype
        kind = ir.DataType(element_type)
        name = kind.name.lower()
        known = dtype_of(f"tensor({name})")
        return name, np.dtype(f"u{kind.itemsize:g}") if known is None else known
    except (TypeError, ValueError) as error:
        raise InvalidArgument(f"{element_type!r} is no element type: {error}") from error


def element_number(tensor_type: str) -> int:
    """Return the ONNX number of the elements of a tensor type.

    Example:
        >>> element_number("tensor(float)")
        1
    """
    import onnx_ir as ir

    name = tensor_type.removeprefix("seq(").removeprefix("tensor(").rstrip(")")
    return int(ir.DataType[name.upper()])
