"""Row: one engine while it is being measured."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..baselines import EngineProcess, Precision
from ..files import sha256_of
from .macs import count_macs
from .result import EngineResult
from .specs import EngineSpec, input_shape

_WARMUP_RUNS = 5
_WARMUP_RUNS_PER_ROUND = 1


class Row:
    """One engine with its process and what has been measured of it.

    Args:
        spec: What the row is.
        model: The ONNX model it runs.
        threads: Threads of the engine.
        precision: What it computes in unless its spec says otherwise.
        processes: Where its process is entered, to be ended with the others.

    Attributes:
        outputs: For each batch the graph outputs, once loaded.
        difference: Set by the comparison, see :class:`EngineResult`.
        is_match: Set by the comparison, see :class:`EngineResult`.
        rounds: Latencies in ms of each round.

    Raises:
        EngineError: If the engine is unknown, not installed, or has no such precision.
    """

    def __init__(
        self, spec: EngineSpec, model: bytes, threads: int, precision: Precision, processes: ExitStack
    ) -> None:
        self.label = spec.name
        self.engine = spec.engine
        self.precision: Precision = spec.precision or precision
        self.model_sha256 = sha256_of(model)
        self.outputs: list[list[NDArray[Any]]] = []
        self.difference: float | None = None
        self.is_match: bool | None = None
        self.rounds: list[list[float]] = []
        self._model = model
        self._threads = threads
        process = EngineProcess(spec.engine, threads, self.precision, python=spec.python)
        self._process = processes.enter_context(process)

    def load(self, batches: Sequence[NDArray[np.float32]]) -> None:
        """Load the model, run every batch once for its outputs, and warm up.

        Args:
            batches: float32 inputs of one shape.

        Raises:
            ShapeError: If they do not fit the model.
            EngineError: If the engine fails.
        """
        name, shape = input_shape(self._model, batches[0].shape[1:], len(batches[0]))
        self._batch_size = len(batches[0])
        self._macs = count_macs(self._model, {name: shape})
        self._loaded = self._process.load(self._model, {name: shape})
        self._process.set_feeds([{name: batch} for batch in batches])
        self.outputs = self._process.outputs()
        self._sparsity_seen = self._process.sparsity_seen()
        self._process.time(seconds=0.0, warmup=_WARMUP_RUNS)

    def time_round(self, seconds: float) -> None:
        """Time one more round.

        Args:
            seconds: Its length.

        Raises:
            EngineError: If the engine fails.
        """
        self.rounds.append(self._process.time(seconds, _WARMUP_RUNS_PER_ROUND))

    @property
    def round_p50_ms(self) -> tuple[float, ...]:
        """Median latency of each round."""
        return tuple(float(np.median(latencies)) for latencies in self.rounds)

    def summary(self, dropped_rounds: Sequence[int]) -> EngineResult:
        """Return the row's result over the rounds that count.

        Args:
            dropped_rounds: Numbers of the others.
        """
        kept = [latencies for number, latencies in enumerate(self.rounds) if number not in dropped_rounds]
        latencies = np.concatenate([np.asarray(round_ms) for round_ms in kept])
        p50, p90, p99 = (float(value) for value in np.percentile(latencies, (50, 90, 99)))
        mean = float(latencies.mean())
        return EngineResult(
            label=self.label,
            engine=self.engine,
            version=self._loaded.version,
            description=self._loaded.description,
            precision=self.precision,
            threads=self._threads,
            model_sha256=self.model_sha256,
            load_ms=self._loaded.load_ms,
            p50_ms=p50,
            p90_ms=p90,
            p99_ms=p99,
            mean_ms=mean,
            throughput=1e3 * self._batch_size / mean,
            iterations=len(latencies),
            round_p50_ms=self.round_p50_ms,
            relative_difference=self.difference,
            is_match=self.is_match,
            sparsity_seen=self._sparsity_seen,
            gflops=None if self._macs is None else 2 * self._macs / (p50 * 1e6),
        )
