"""Variety of the inputs: whether there is anything to learn from them, and which are copies or blank."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from ..errors import DataError

_CHANNELS = (1, 3, 4)


def check_variety(halves: Sequence[Iterable[tuple[Any, int]]]) -> tuple[str, ...]:
    """Refuse inputs that are all the same or all blank; return what else is to be said of copies and blank ones.

    Args:
        halves: Calibration data and holdout: batches, arrays or dictionaries of inputs by name, and how many of each
            are real.

    Returns:
        Sentences, none where every input is one of its own.

    Raises:
        DataError: If nothing can be learnt from the inputs.
    """
    seen: list[list[bytes]] = []
    blank = 0
    for half in halves:
        seen.append([])
        for batch, count in half:
            for sample in samples(batch, count):
                content = b"".join(array.tobytes() for array in sample)
                seen[-1].append(hashlib.blake2b(content, digest_size=16).digest())
                blank += all(_is_blank(array) for array in sample)
    every = [digest for half in seen for digest in half]
    different, total = len(set(every)), len(every)
    if different == 1 and total > 1:
        what = "blank" if blank else "the same"
        raise DataError(f"all {total} inputs are {what}: check how they are read and preprocessed")
    if blank == total > 1:
        raise DataError(
            f"all {total} inputs are blank, one colour each: check how they are read and preprocessed (a scale that is "
            "applied twice makes every picture black)"
        )
    return tuple(_notes(blank, total - different, len(set(seen[0]) & set(seen[-1])), total))


def samples(batch: Any, count: int) -> list[tuple[NDArray[Any], ...]]:
    """Return the real inputs of a batch one by one, each as its arrays; a feed without a batch axis is one input."""
    arrays = list(batch.values()) if isinstance(batch, Mapping) else [batch]
    if len({array.shape[:1] for array in arrays}) > 1 or arrays[0].ndim == 0:
        return [tuple(arrays)]
    return list(zip(*(array[:count] for array in arrays), strict=True))


def _notes(blank: int, copies: int, shared: int, total: int) -> Iterable[str]:
    if blank:
        yield f"{_count(blank, total)} blank, one colour each: thresholds are chosen by these as well"
    if copies:
        what = "a copy of another" if copies == 1 else "copies of others"
        words = f"{_count(copies, total)} {what}: the interval is narrower than it should be"
        if shared:
            words += f", and {shared} of the held-out inputs guided the search too"
        yield words


def _count(some: int, total: int) -> str:
    return f"{some} of {total} inputs {'is' if some == 1 else 'are'}"


def _is_blank(sample: NDArray[Any]) -> bool:
    """Whether every channel of a picture has one value; its channels are the first or the last axis."""
    if sample.ndim == 3 and sample.shape[0] in _CHANNELS:
        first = sample[:, :1, :1]
    elif sample.ndim == 3 and sample.shape[2] in _CHANNELS:
        first = sample[:1, :1]
    else:
        first = sample.reshape(-1)[:1].reshape((1,) * sample.ndim)
    return sample.size > first.size and bool((sample == first).all())
