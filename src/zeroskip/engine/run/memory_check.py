"""Refusing what cannot fit into memory, before anything is allocated."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ...errors import OutOfMemoryError
from ...system import available_memory_bytes
from ..plan.types import Plan


def check_memory(plan: Plan) -> None:
    """Raise if one run of a plan needs more memory than there is.

    Raises:
        OutOfMemoryError: With both numbers and the input shapes.
    """
    shapes = [(plan.tensors[index].name, plan.tensors[index].shape) for index in plan.inputs]
    require_memory(plan.arena_bytes + outside_bytes(plan), shapes)


def outside_bytes(plan: Plan) -> int:
    """Return the bytes of the results and of a copy of the inputs, which an array that is not contiguous needs."""
    return sum(plan.tensors[index].logical_bytes for index in (*plan.inputs, *plan.outputs))


def require_memory(needed: float, shapes: Iterable[tuple[str, tuple[int, ...]]]) -> None:
    """Raise if a run needs more memory than there is.

    Args:
        needed: Bytes.
        shapes: Names and shapes of its inputs, for the message.

    Raises:
        OutOfMemoryError: With both numbers and the shapes.
    """
    available = available_memory_bytes()
    if available is None or needed <= available:
        return
    described = ", ".join(f"'{name}' {list(shape)}" for name, shape in shapes)
    raise OutOfMemoryError(
        f"a run with {described} needs {needed / 1e9:.1f} GB of memory, available are {available / 1e9:.1f} GB: "
        "use a smaller batch"
    )


def check_copies(values: Iterable[Any]) -> None:
    """Raise if contiguous copies of the arrays that are not contiguous need more memory than there is.

    Raises:
        OutOfMemoryError: With both numbers.
    """
    arrays = (value for value in values if isinstance(value, np.ndarray))
    needed = sum(array.nbytes for array in arrays if not array.flags.c_contiguous)
    available = available_memory_bytes() if needed else None
    if available is not None and needed > available:
        raise OutOfMemoryError(
            f"contiguous copies of the inputs need {needed / 1e9:.1f} GB of memory, "
            f"available are {available / 1e9:.1f} GB"
        )
