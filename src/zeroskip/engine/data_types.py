"""Element types of tensors in a plan: how many bytes, channels in a block and channels per mask bit each has.

The rows are those of ``cpp/base/types.inc``; ``tests/core/test_types.py`` holds them equal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

CHANNEL_BLOCK_BYTES = 64
"""What channels are padded to, and what one 16-bit mask word covers."""
MASK_WORD_BYTES = 2


@dataclass(frozen=True)
class DataType:
    """An element type.

    Args:
        name: As ``TensorSpec.dtype`` says it.
        numpy_type: Of arrays that hold such elements; numpy has no bf16, whose bits are then ``uint16``.
        bytes: Of an element.
        channel_block: Channels in 64 bytes.
        mask_elements: Channels for which one bit of a mask stands: 4 bytes of them.
    """

    name: str
    numpy_type: np.dtype[Any]
    bytes: int
    channel_block: int
    mask_elements: int


DATA_TYPES: dict[str, DataType] = {
    row.name: row
    for row in (
        DataType("float32", np.dtype(np.float32), 4, 16, 1),
        DataType("bf16", np.dtype(np.uint16), 2, 32, 2),
        DataType("fp16", np.dtype(np.float16), 2, 32, 2),
        DataType("u8", np.dtype(np.uint8), 1, 64, 4),
        DataType("s8", np.dtype(np.int8), 1, 64, 4),
        DataType("s32", np.dtype(np.int32), 4, 16, 1),
    )
}
"""The element types by name; fp16, s8 and s32 are for weights and biases only."""
FLOAT32 = DATA_TYPES["float32"]
