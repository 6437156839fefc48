"""What 16-bit storage makes of weights, in numpy: see cpp/kernels/common/weight_format.h."""

from __future__ import annotations

import numpy as np

LANES = {
    **dict.fromkeys(("generic", "neon", "neondot", "neoni8mm"), 4),
    **dict.fromkeys(("avx2", "avxvnni"), 8),
    **dict.fromkeys(("avx512", "avx512vnni", "avx512vbmi2", "avx512bf16"), 16),
}
_GROUP = 32  # a multiple of every instruction set's group of two vectors


def as_stored(weight: np.ndarray, storage: str, isa: str) -> np.ndarray:
    """Round weights whose axis 0 is the output channel as the engine does before it packs them."""
    if storage == "fp16":
        return weight.astype(np.float16).astype(np.float32)
    outputs = weight.shape[0]
    padded = np.zeros((-(-outputs // _GROUP) * _GROUP, *weight.shape[1:]), np.float32)
    padded[:outputs] = weight
    groups = padded.reshape(-1, 2, LANES[isa], *weight.shape[1:])
    lower = _bf16(groups[:, 0])
    upper = _nearest_with_low_half(groups[:, 1], lower >> 16)
    groups[:, 0] = lower.view(np.float32)
    groups[:, 1] = upper
    return padded[:outputs]


def _bf16(values: np.ndarray) -> np.ndarray:
    bits = np.ascontiguousarray(values).view(np.uint32)
    return (bits + np.uint32(0x7FFF) + (bits >> 16 & 1)) & np.uint32(0xFFFF0000)


def _nearest_with_low_half(values: np.ndarray, low: np.ndarray) -> np.ndarray:
    upper = np.ascontiguousarray(values).view(np.uint32) & np.uint32(0xFFFF0000)
    candidates = np.stack([upper + np.uint32(step) | low for step in (0, 0xFFFF0000, 0x10000)]).view(np.float32)
    errors = np.abs(candidates - values)
    errors[np.signbit(candidates) != np.signbit(values)] = np.inf
    best = np.nanargmin(errors, axis=0)
    return np.take_along_axis(candidates, best[None], axis=0)[0]
