"""Variety of the inputs: whether there is anything to learn from them, and which are copies or blank."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from ..engine.plan.types import FloatArray
from ..errors import DataError

_CHANNELS = (1, 3, 4)


def check_variety(halves: Sequence[Iterable[tuple[FloatArray, int]]]) -> tuple[str, ...]:
    """Refuse inputs that are all the same or all blank; return what else is to be said of copies and blank ones.

    Args:
        halves: Calibration data and holdout: batches, and how many of each are real.

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
            for sample in batch[:count]:
                seen[-1].append(hashlib.blake2b(sample.tobytes(), digest_size=16).digest())
                blank += _is_blank(sample)
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


def _is_blank(sample: FloatArray) -> bool:
    """Whether every channel of a picture has one value; its channels are the first or the last axis."""
    if sample.ndim == 3 and sample.shape[0] in _CHANNELS:
        first = sample[:, :1, :1]
    elif sample.ndim == 3 and sample.shape[2] in _CHANNELS:
        first = sample[:1, :1]
    else:
        first = sample.reshape(-1)[:1].reshape((1,) * sample.ndim)
    return sample.size > first.size and bool((sample == first).all())
