"""Reduced size: what ``python -m soak`` does at full size."""

from __future__ import annotations

import gc
import weakref

import pytest

from .soak import Soak

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


def test_dropped_sessions_give_their_memory_back(soak: Soak) -> None:
    outcome = soak.sessions(60)
    assert outcome.mismatches == 0, str(outcome)
    assert outcome.growth <= MAX_GROWTH, str(outcome)


def test_a_session_ends_with_its_last_reference(soak: Soak) -> None:
    session = soak.session()
    outcome = soak.serial(10)
    assert outcome.mismatches == 0
    watch = weakref.ref(session)
    del session
    gc.collect()
    assert watch() is None
