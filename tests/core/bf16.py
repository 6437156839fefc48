"""bf16 in NumPy, as the bits that the core takes and gives."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def to_bf16(values: Array) -> Array:
    """Round finite float32 to the nearest bf16, half to even; denormals become zero."""
    bits = np.asarray(values, np.float32).view(np.uint32)
    bits = np.where((bits & 0x7F800000) == 0, bits & np.uint32(0x80000000), bits).astype(np.uint64)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)


def from_bf16(bits: Array) -> Array:
    return (bits.astype(np.uint32) << 16).view(np.float32)


def rounded(values: Array) -> Array:
    return from_bf16(to_bf16(values))
