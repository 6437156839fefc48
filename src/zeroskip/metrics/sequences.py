"""Sequences: what a recogniser of text or speech reads, and how far that is from what is there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..errors import ShapeError


def decode_ctc(scores: ArrayLike, blank: int = 0) -> list[int]:
    """Return the classes of the best path: repeated ones once, blanks left out (greedy CTC decoding).

    Args:
        scores: ``[T, C]``; axes of length 1 beside these are dropped. Integers ``[T]`` are classes already.
        blank: Class of the blank; negative counts from the end.

    Raises:
        ShapeError: If there are more axes.

    Example:
        >>> decode_ctc([[0, 9, 0], [0, 9, 0], [9, 0, 0], [0, 9, 0], [0, 0, 9]])
        [1, 1, 2]
    """
    values = np.asarray(scores)
    if values.dtype.kind in "iu" and values.ndim == 1:
        classes, count = values, int(values.max(initial=0)) + 1
    else:
        values = values.squeeze() if values.ndim > 2 else values
        if values.ndim != 2:
            raise ShapeError(f"scores have shape {list(np.shape(scores))}, expected [T, C]")
        classes, count = values.argmax(axis=1), values.shape[1]
    if not -count <= blank < count and values.ndim == 2:
        raise ShapeError(f"the blank is class {blank} of {count}")
    blank = blank + count if blank < 0 else blank
    is_new = np.concatenate([[True], classes[1:] != classes[:-1]])
    return [int(item) for item in classes[is_new & (classes != blank)]]


def edits(first: Sequence[Any], second: Sequence[Any]) -> int:
    """Return the fewest insertions, deletions and exchanges that make one sequence of another (Levenshtein 1966).

    Example:
        >>> edits("kitten", "sitting"), edits([1, 2], [])
        (3, 2)
    """
    row = list(range(len(second) + 1))
    for number, item in enumerate(first, start=1):
        diagonal, row[0] = row[0], number
        for place, other in enumerate(second, start=1):
            diagonal, row[place] = row[place], min(row[place] + 1, row[place - 1] + 1, diagonal + (item != other))
    return row[-1]
