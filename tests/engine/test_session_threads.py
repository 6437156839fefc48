"""Threads: as many as were asked for, and sessions that run at once neither disturb nor wait for each other."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import zeroskip as zs

from .test_session_memory import convolutions

_COUNT = """
import os, sys
import numpy as np
import zeroskip as zs

session = zs.InferenceSession(sys.argv[1], zs.SessionOptions(intra_op_num_threads=int(sys.argv[2])))
session.run(None, {"x": np.ones((1, 64, 28, 28), np.float32)})
print(session.explain().num_threads, len(os.listdir("/proc/self/task")))  # numpy may have threads of its own
"""


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="no /proc to count threads in")
def test_as_many_threads_as_asked_for(tmp_path: Path) -> None:
    model = tmp_path / "model.onnx"
    model.write_bytes(convolutions(64, 2, size=28))

    def threads(asked: int) -> tuple[int, int]:
        command = [sys.executable, "-c", _COUNT, str(model), str(asked)]
        output = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600).stdout
        used, tasks = output.split()
        return int(used), int(tasks)

    one, three = threads(1), threads(3)
    assert (one[0], three[0]) == (1, 3)
    assert three[1] - one[1] == 2  # the calling thread works too


@pytest.mark.parametrize("num_threads", [1, 2])
def test_sessions_in_two_threads_compute_what_they_compute_alone(num_threads: int) -> None:
    options = zs.SessionOptions(intra_op_num_threads=num_threads)
    sessions = [zs.InferenceSession(convolutions(64, count, size=28), options) for count in (2, 3)]
    random = np.random.default_rng(0)
    feeds = [{"x": random.standard_normal((1, 64, 28, 28), np.float32)} for _ in sessions]
    alone = [session.run(None, feed)[0] for session, feed in zip(sessions, feeds, strict=True)]
    results: list[list[np.ndarray]] = [[], []]

    def work(index: int) -> None:
        for _ in range(50):
            results[index] += sessions[index].run(None, feeds[index])

    workers = [threading.Thread(target=work, args=(index,), daemon=True) for index in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=600)
        assert not worker.is_alive(), "a session waits for the other one"
    for expected, got in zip(alone, results, strict=True):
        assert len(got) == 50
        assert all(np.array_equal(expected, result) for result in got)


def test_one_session_in_two_threads_computes_what_it_computes_alone() -> None:
    session = zs.InferenceSession(convolutions(64, 2, size=28), zs.SessionOptions(intra_op_num_threads=2))
    random = np.random.default_rng(0)
    feeds = [{"x": random.standard_normal((1, 64, 28, 28), np.float32)} for _ in range(2)]
    alone = [session.run(None, feed)[0] for feed in feeds]
    wrong: list[int] = []

    def work(index: int) -> None:
        for _ in range(50):
            if not np.array_equal(session.run(None, feeds[index])[0], alone[index]):
                wrong.append(index)

    workers = [threading.Thread(target=work, args=(index,), daemon=True) for index in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=600)
        assert not worker.is_alive()
    assert wrong == []
