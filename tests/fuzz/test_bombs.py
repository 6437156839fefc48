"""Small models that ask for a lot: each ends soon, in a session or in an error of ours, whatever it asked for."""

from __future__ import annotations

import contextlib
import os
import resource
import sys
import time
import traceback

import pytest

import zeroskip as zs

from .bombs import bombs

MAX_SECONDS = 10
MAX_RESIDENT_BYTES = 2 << 30


@pytest.mark.skipif(not hasattr(os, "fork"), reason="measures each in a process of its own")
@pytest.mark.parametrize("index", range(len(bombs())))
def test_a_session_of_a_bomb_is_made_or_refused_soon(index: int) -> None:
    """With islands: what is refused for its cost is not handed to ONNX Runtime, which would pay it."""
    child = os.fork()
    if child == 0:
        os._exit(_measured(bombs()[index].SerializeToString()))
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status == 0, {1: "another error", 2: "took too long", 3: "took too much memory"}.get(status, status)


def _measured(content: bytes) -> int:
    try:
        resource.setrlimit(resource.RLIMIT_CPU, (3 * MAX_SECONDS, 3 * MAX_SECONDS))
        before, began = _peak_bytes(), time.process_time()
        with contextlib.suppress(zs.ZeroskipError):
            zs.InferenceSession(content, zs.SessionOptions(intra_op_num_threads=1))
        if time.process_time() - began > MAX_SECONDS:
            return 2
        return 3 if _peak_bytes() - before > MAX_RESIDENT_BYTES else 0
    except BaseException:
        traceback.print_exc(file=sys.__stderr__)
        return 1


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
