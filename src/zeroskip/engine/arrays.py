"""Arrays that a caller passes, of whatever library, without a copy; and results that are each the caller's alone."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ShapeError


def as_array(value: Any, expected: np.dtype[Any] | None, name: str) -> NDArray[Any]:
    """Return an array of what a caller passed in; dtypes are not converted, except of lists.

    Args:
        value: A numpy array or scalar; an object with ``__dlpack__`` (a tensor of PyTorch, JAX, CuPy and so on) or
            ``__array_interface__``, whose memory is shared; an object with ``__array__``; a list or tuple of numbers
            or texts, which has no dtype of its own and takes the expected one.
        expected: What lists become; None leaves it to numpy.
        name: Of the input, for messages.

    Raises:
        ShapeError: If it is none of these, or its memory is not to be had here.

    Example:
        >>> as_array([[1, 2]], np.dtype(np.float32), "x")
        array([[1., 2.]], dtype=float32)
    """
    if isinstance(value, np.ndarray):
        return value
    if isinstance(value, np.generic):
        return np.asarray(value)
    if isinstance(value, list | tuple):
        return _of_list(value, expected, name)
    if isinstance(value, type):  # has the methods, but no memory
        raise ShapeError(f"input '{name}': expected an array, got the class {value.__name__}")
    if hasattr(value, "__dlpack__"):
        return _of_dlpack(value, name)
    if hasattr(value, "__array_interface__") or hasattr(value, "__array__"):
        return np.asarray(value)
    raise ShapeError(
        f"input '{name}': expected a numpy array, or anything with DLPack or the array interface, or a list, "
        f"got {type(value).__name__}"
    )


def _of_dlpack(value: Any, name: str) -> NDArray[Any]:
    try:
        return np.from_dlpack(value)
    except (BufferError, RuntimeError, TypeError, ValueError) as error:
        raise ShapeError(
            f"input '{name}': the memory of a {type(value).__module__.split('.')[0]} {type(value).__name__} cannot be "
            f"shared: {error}; pass one that is on the CPU, needs no gradient (.detach()) and has a dtype of numpy's"
        ) from error


def _of_list(value: list[Any] | tuple[Any, ...], expected: np.dtype[Any] | None, name: str) -> NDArray[Any]:
    try:
        array = np.asarray(value, dtype=object if expected is not None and expected.kind == "O" else None)
    except (ValueError, TypeError, OverflowError) as error:
        raise ShapeError(f"input '{name}': a list of {len(value)} is no array: {error}") from error
    if expected is None or expected.kind == "O":
        return array
    if array.size == 0:
        return array.astype(expected)
    if array.dtype.kind in "biufc":
        with np.errstate(all="ignore"):
            converted = array.astype(expected)
        is_whole = array.dtype.kind in "iu" and expected.kind in "iu" and np.array_equal(converted, array)
        if is_whole or np.can_cast(array.dtype, expected, "same_kind"):
            return converted
    raise ShapeError(f"input '{name}': a list of {array.dtype} values does not fit dtype {expected}")


def apart(results: list[Any]) -> list[Any]:
    """Return results of which each is the caller's alone: one may be there twice."""
    if len(set(map(id, results))) == len(results):
        return results
    return [item.copy() if any(item is other for other in results[:at]) else item for at, item in enumerate(results)]
