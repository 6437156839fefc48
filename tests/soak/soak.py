"""What a server does to a session for weeks, in minutes: results stay bitwise the same, memory stays where it is."""

from __future__ import annotations

import ctypes
import gc
import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

import zeroskip as zs

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_INPUTS = 8


@dataclass(frozen=True)
class Outcome:
    """How one trial ended.

    Args:
        name: Of the trial.
        runs: How often a session ran.
        mismatches: Results that differ in any bit from those of the first, serial run.
        rss_before: Resident bytes after a warm-up.
        rss_after: Resident bytes at the end.
        seconds: Duration.
    """

    name: str
    runs: int
    mismatches: int
    rss_before: int
    rss_after: int
    seconds: float

    @property
    def growth(self) -> float:
        """Share by which resident memory has grown."""
        return self.rss_after / self.rss_before - 1

    def __str__(self) -> str:
        return (
            f"{self.name}: {self.runs} runs in {self.seconds:.1f} s, {self.mismatches} mismatches, resident "
            f"{self.rss_before / 1e6:.1f} -> {self.rss_after / 1e6:.1f} MB ({100 * self.growth:+.2f} %)"
        )


def small_network() -> onnx.ModelProto:
    """Two convolutions, a pool and a classifier; input ``image`` [N, 3, 12, 12], output ``logits`` [N, 5]."""
    random = np.random.default_rng(0)
    shapes = {"w1": (16, 3, 3, 3), "w2": (32, 16, 3, 3), "w3": (5, 32)}
    nodes = [
        helper.make_node("Conv", ["image", "w1"], ["c1"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("Conv", ["r1", "w2"], ["c2"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c2"], ["r2"]),
        helper.make_node("GlobalAveragePool", ["r2"], ["g"]),
        helper.make_node("Flatten", ["g"], ["f"]),
        helper.make_node("Gemm", ["f", "w3"], ["logits"], transB=1),
    ]
    weights = [
        numpy_helper.from_array(0.3 * random.standard_normal(shape).astype(np.float32), name)
        for name, shape in shapes.items()
    ]
    image = helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, ["N", 3, 12, 12])
    logits = helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, ["N", 5])
    graph = helper.make_graph(nodes, "small", [image], [logits], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


class Soak:
    """A network, inputs for it, and what it computes for them in one thread.

    Args:
        num_threads: Of every session.
    """

    def __init__(self, num_threads: int = 2) -> None:
        self._model = small_network().SerializeToString()
        self._options = zs.SessionOptions(intra_op_num_threads=num_threads)
        random = np.random.default_rng(1)
        self._inputs = [random.standard_normal((1 + i % 2, 3, 12, 12), np.float32) for i in range(_INPUTS)]
        session = self.session()
        self._expected = [session.run(None, {"image": x})[0].tobytes() for x in self._inputs]

    def session(self) -> zs.InferenceSession:
        """Return a new session."""
        return zs.InferenceSession(self._model, self._options)

    def serial(self, runs: int) -> Outcome:
        """One thread, one session."""
        return self._trial("one thread", [self.session()], runs)

    def shared(self, runs: int, threads: int = 8) -> Outcome:
        """Several threads share a session."""
        return self._trial(f"{threads} threads, one session", [self.session()] * threads, runs)

    def separate(self, runs: int, threads: int = 8) -> Outcome:
        """Several threads, each with a session of its own."""
        return self._trial(f"{threads} sessions", [self.session() for _ in range(threads)], runs)

    def sessions(self, count: int) -> Outcome:
        """Sessions made, run once and dropped.

        The first half is warm-up: until the garbage collector has come often enough, Python adds arenas of a megabyte
        for small objects, each of them one percent of this process.
        """

        def make(first: int, last: int) -> int:
            return sum(self._mismatches(self.session(), [index]) for index in range(first, last))

        return self._measure(f"{count} sessions made and dropped", count, make, count // 2)

    def _trial(self, name: str, sessions: Sequence[zs.InferenceSession], runs: int) -> Outcome:
        def work(first: int, last: int) -> int:
            counts = [0] * len(sessions)

            def thread(number: int) -> None:
                counts[number] = self._mismatches(sessions[number], range(first + number, last, len(sessions)))

            threads = [threading.Thread(target=thread, args=(number,)) for number in range(len(sessions))]
            for item in threads:
                item.start()
            for item in threads:
                item.join()
            return sum(counts)

        return self._measure(name, runs, work)

    def _mismatches(self, session: zs.InferenceSession, indices: Sequence[int]) -> int:
        count = 0
        for index in indices:
            (logits,) = session.run(None, {"image": self._inputs[index % _INPUTS]})
            count += logits.tobytes() != self._expected[index % _INPUTS]
        return count

    def _measure(self, name: str, runs: int, work: Callable[[int, int], int], warm_up: int | None = None) -> Outcome:
        start, warm = time.monotonic(), runs // 10 if warm_up is None else warm_up
        mismatches = work(0, warm)
        before = resident_bytes()
        mismatches += work(warm, runs)
        return Outcome(name, runs, mismatches, before, resident_bytes(), time.monotonic() - start)


def resident_bytes() -> int:
    """Return the resident memory of this process, without garbage that waits to be collected."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE_BYTES


def heap_bytes_in_use() -> int:
    """Return what the C library has given out; skips the test where it cannot tell."""
    fields = ["arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"]

    class Mallinfo(ctypes.Structure):
        _fields_ = [(name, ctypes.c_size_t) for name in fields]  # glibc's struct mallinfo2

    library = ctypes.CDLL(None)
    if not hasattr(library, "mallinfo2"):
        pytest.skip("this C library has no mallinfo2")
    library.mallinfo2.restype = Mallinfo
    info = library.mallinfo2()
    return int(info.uordblks + info.hblkhd)
