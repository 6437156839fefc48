"""Reduced size: what ``python -m soak`` does at full size."""

from __future__ import annotations

import gc
import sys
import weakref

import numpy as np
import pytest

from .soak import Soak, heap_bytes_in_use

# A few hundred runs after a warm-up: an array lost per run would show, the allocator's habits do not.
MAX_GROWTH = 0.03


@pytest.fixture(scope="module")
def soak() -> Soak:
    return Soak()


@pytest.mark.parametrize("trial", ["serial", "shared", "separate"])
def test_results_and_memory_stay_the_same(soak: Soak, trial: str) -> None:
    outcome = getattr(soak, trial)(2000)
    assert outcome.mismatches == 0, str(outcome)
    assert outcome.growth <= MAX_GROWTH, str(outcome)


def test_dropped_sessions_leave_nothing_behind(soak: Soak) -> None:
    """What Python and the C library have given out, exactly: resident memory moves by megabytes of its own accord."""
    blocks, heap = zip(*(_given_out(soak, count) for count in (20, 40, 40)), strict=True)
    # The smaller of two differences: now and then a table of the interpreter is made larger.
    assert min(np.diff(blocks)) < 40 * 10  # one session has thousands
    assert min(np.diff(heap)) < 40 * 500


def _given_out(soak: Soak, sessions: int) -> tuple[int, int]:
    """Make and drop sessions; return blocks that Python, and bytes that the C library have given out then."""
    assert soak.sessions(sessions).mismatches == 0
    gc.collect()
    return sys.getallocatedblocks(), heap_bytes_in_use()


def test_a_session_ends_with_its_last_reference(soak: Soak) -> None:
    session = soak.session()
    outcome = soak.serial(10)
    assert outcome.mismatches == 0
    watch = weakref.ref(session)
    del session
    gc.collect()
    assert watch() is None
