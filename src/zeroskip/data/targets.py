"""Targets: what a model ought to say of each input, of whatever shape: classes, numbers, masks, boxes, texts.

Targets of N inputs are an array whose first axis has length N where all are alike, else a list of N values; or a
dictionary of such, by name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError

Targets = Any
"""An array ``[N, ...]``, a list of N values, or a dictionary of these."""


def count_of(targets: Targets) -> int:
    """Return for how many inputs there are targets.

    Raises:
        DataError: If they are no targets, or parts of them differ in number.

    Example:
        >>> count_of({"boxes": [[], []], "labels": np.zeros((2, 3))})
        2
    """
    if isinstance(targets, Mapping):
        counts = {name: count_of(part) for name, part in targets.items()}
        if len(set(counts.values())) != 1:
            raise DataError(f"the targets differ in number: {counts}; expected one of each for every input")
        return next(iter(counts.values()))
    if isinstance(targets, np.ndarray):
        if targets.ndim == 0:
            raise DataError(f"the targets are one number ({targets}), expected one for every input")
        return len(targets)
    if isinstance(targets, list | tuple):
        return len(targets)
    raise DataError(f"the targets are a {type(targets).__name__}, expected an array, a list or a dictionary of these")


def take(targets: Targets, places: NDArray[np.int64] | Sequence[int]) -> Targets:
    """Return the targets of some inputs, in the order of ``places``; None of None.

    Example:
        >>> take(["a", "b", "c"], [2, 0])
        ['c', 'a']
    """
    if targets is None:
        return None
    if isinstance(targets, Mapping):
        return {name: take(part, places) for name, part in targets.items()}
    if isinstance(targets, np.ndarray):
        return targets[np.asarray(places, np.int64)]
    return [targets[int(place)] for place in places]


def join(parts: Sequence[Targets]) -> Targets:
    """Return the targets of several data sets as one; None if any has none.

    Example:
        >>> join([["a"], ["b", "c"]])
        ['a', 'b', 'c']
    """
    if any(part is None for part in parts):
        return None
    first = parts[0]
    if isinstance(first, Mapping):
        return {name: join([part[name] for part in parts]) for name in first}
    if all(isinstance(part, np.ndarray) for part in parts) and len({part.shape[1:] for part in parts}) == 1:
        return np.concatenate(parts)
    return [value for part in parts for value in part]


def collect(values: Sequence[Any]) -> Targets:
    """Return the targets of single inputs together: an array where their shapes allow it, else a list.

    Args:
        values: One for each input; numbers, arrays, texts, or anything else.

    Example:
        >>> collect([1, 0, 2]).tolist(), collect(["ab", "c"])
        ([1, 0, 2], ['ab', 'c'])
    """
    if not values:
        return []
    if not all(isinstance(value, np.ndarray | np.generic | int | float | bool) for value in values):
        return list(values)
    arrays = [np.asarray(value) for value in values]
    kinds = {array.dtype.kind for array in arrays}
    if len({array.shape for array in arrays}) > 1 or "O" in kinds:
        return arrays
    return np.stack(arrays)


def described(targets: Targets) -> str:
    """Return what targets are, in words.

    Example:
        >>> described(np.zeros((2, 3))), described(["a", "b"]), described({"boxes": []})
        ('float64 [2, 3]', 'a list of str', "a dictionary of ['boxes']")
    """
    if isinstance(targets, Mapping):
        return f"a dictionary of {list(targets)}"
    if isinstance(targets, np.ndarray):
        return f"{targets.dtype} {list(targets.shape)}"
    kinds = sorted({type(value).__name__ for value in targets})
    return f"a list of {' and '.join(kinds)}"
