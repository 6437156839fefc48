"""The program of an engine's process: obeys commands that come over a connection, until it closes.

Run as ``python -m zeroskip.baselines.worker CONNECTION LIFE FOLDER`` by
:class:`~zeroskip.baselines.process.EngineProcess`, which owns the other ends of the two file descriptors. A command
is ``(name, arguments)``; the answer is ``("ok", value)`` or ``("error", text)``. When LIFE closes, the owner is no
more: the process ends at once, in the middle of whatever it does, and takes the owner's temporary FOLDER along.
"""

from __future__ import annotations

import gc
import os
import shutil
import signal
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import EngineError, ZeroskipError
from .engine import Engine, Feed, ModelContent, Precision, Shapes
from .registry import create_engine


class Worker:
    """One engine and the inputs it is timed on; each public method is a command."""

    def __init__(self) -> None:
        self._engine: Engine | None = None
        self._feeds: list[Feed] = []

    def load(
        self, name: str, threads: int, precision: Precision, model: ModelContent, input_shapes: Shapes
    ) -> tuple[str, str, float]:
        """Make the engine and load the model; returns version, description and load time in ms."""
        engine = create_engine(name, threads, precision)
        start = time.perf_counter_ns()
        engine.load(model, input_shapes)
        load_ms = (time.perf_counter_ns() - start) / 1e6
        self._engine = engine
        return engine.version, engine.description, load_ms

    def set_feeds(self, feeds: Sequence[Feed]) -> None:
        """Keep the inputs for the commands below."""
        self._feeds = [{name: _fresh(value) for name, value in feed.items()} for feed in feeds]

    def outputs(self) -> list[list[NDArray[Any]]]:
        """Run every input once and return copies of the outputs."""
        engine, feeds = self._ready()
        return [[np.array(value) for value in engine.run(feed)] for feed in feeds]

    def time(self, seconds: float, warmup: int) -> list[float]:
        """Run the inputs in turn for a while and return each latency in ms; at least one run is timed."""
        engine, feeds = self._ready()
        latencies_ms: list[float] = []
        gc.collect()
        gc.disable()
        try:
            for index in range(warmup):
                engine.run(feeds[index % len(feeds)])
            end = time.perf_counter_ns() + int(seconds * 1e9)
            now = time.perf_counter_ns()
            while not latencies_ms or now < end:
                start = time.perf_counter_ns()
                engine.run(feeds[len(latencies_ms) % len(feeds)])
                now = time.perf_counter_ns()
                latencies_ms.append((now - start) / 1e6)
        finally:
            gc.enable()
        return latencies_ms

    def sparsity_seen(self) -> float | None:
        """Return the mean over the inputs of what the engine says of its sparsity, or None."""
        engine, feeds = self._ready()
        seen = [value for feed in feeds if (value := engine.sparsity_seen(feed)) is not None]
        return float(np.mean(seen)) if seen else None

    def _ready(self) -> tuple[Engine, list[Feed]]:
        if self._engine is None or not self._feeds:
            raise EngineError("it has no model or no inputs yet: call load and set_feeds first")
        return self._engine, self._feeds


def _fresh(value: NDArray[Any]) -> NDArray[Any]:
    """Copy an array that came over the connection.

    Its dtype is equal but not identical to ``np.float32`` and its like, and DeepSparse compares by identity.
    """
    copy = np.empty(value.shape, np.dtype(value.dtype.str))
    copy[...] = value
    return copy


def serve(connection: Connection) -> None:
    """Answer commands until the other end closes the connection.

    Args:
        connection: Where commands come from.
    """
    worker = Worker()
    while True:
        try:
            command, arguments = connection.recv()
        except EOFError:
            return
        try:
            answer = ("ok", getattr(worker, command)(*arguments))
        except ZeroskipError as error:
            answer = ("error", str(error))
        except Exception as error:
            traceback.print_exc()
            answer = ("error", f"{type(error).__name__}: {error}")
        connection.send(answer)


def end_with_owner(life: int, folder: str) -> None:
    """Wait for the owner to end, then end with everything that was started here.

    Args:
        life: File descriptor that nothing is written to.
        folder: Temporary folder of the owner, which can no longer remove it.
    """
    while os.read(life, 1):
        pass
    shutil.rmtree(folder, ignore_errors=True)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    # Ctrl-C reaches the whole process group; the parent decides and closes the connection.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=end_with_owner, args=(int(sys.argv[2]), sys.argv[3]), daemon=True).start()
    serve(Connection(int(sys.argv[1])))
