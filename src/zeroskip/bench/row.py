"""Row: one engine while it is being measured."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..baselines import EngineProcess, Precision
from ..files import sha256_of
from ..onnx import LoadedModel
from .macs import count_macs
from .result import Accuracy, EngineResult
from .specs import EngineSpec, input_shapes

if TYPE_CHECKING:
    from .compare import Batches, Comparison

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
        isa: Instruction set, for zeroskip.

    Attributes:
        model: The model it runs.
        batches: Its inputs, once loaded.
        outputs: For each batch the graph outputs, once loaded.
        comparison: With the first row that has the same model; set by :func:`~.compare.mark_differences`.
        rounds: Latencies in ms of each round.

    Raises:
        EngineError: If the engine is unknown, not installed, or has no such precision.
    """

    def __init__(
        self,
        spec: EngineSpec,
        model: LoadedModel,
        threads: int,
        precision: Precision,
        processes: ExitStack,
        isa: str | None = None,
    ) -> None:
        self.label = spec.name
        self.engine = spec.engine
        self.precision: Precision = spec.precision or precision
        self.model_sha256 = model.sha256 or sha256_of(model.to_bytes())
        self.batches: Batches = ()
        self.outputs: list[list[NDArray[Any]]] = []
        self.comparison: Comparison | None = None
        self.accuracy: Accuracy | None = None
        self.rounds: list[list[float]] = []
        self.model = model
        self._threads = threads
        process = EngineProcess(spec.engine, threads, self.precision, python=spec.python, isa=isa)
        self._process = processes.enter_context(process)

    def load(self, batches: Batches) -> None:
        """Load the model, run every batch once for its outputs, and warm up.

        Args:
            batches: The only input of the model, or dictionaries of its inputs, of one shape.

        Raises:
            ShapeError: If they do not fit the model.
            EngineError: If the engine fails.
        """
        self.batches = batches
        shapes = input_shapes(self.model, batches[0])
        self._inputs = tuple(shapes)
        first = next(iter(shapes.values()))
        self._batch_size = first[0] if first else 1
        self._macs = count_macs(self.model, shapes)
        self._loaded = self._process.load(self.model, shapes)
        self.outputs = self.outputs_for(batches)
        self._sparsity_seen = self._process.sparsity_seen()
        self._process.time(seconds=0.0, warmup=_WARMUP_RUNS)

    def outputs_for(self, batches: Batches) -> list[list[NDArray[Any]]]:
        """Return for each batch the graph outputs; what is timed afterwards are the inputs of :meth:`load` again.

        Args:
            batches: Inputs of the same shape as those.

        Raises:
            EngineError: If the engine fails.
        """
        self._process.set_feeds([self._feed(batch) for batch in batches])
        outputs = self._process.outputs()
        if batches is not self.batches:
            self._process.set_feeds([self._feed(batch) for batch in self.batches])
        return outputs

    def _feed(self, batch: Any) -> dict[str, NDArray[Any]]:
        return {name: batch[name] for name in self._inputs} if isinstance(batch, dict) else {self._inputs[0]: batch}

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
            **self._compared(),
            sparsity_seen=self._sparsity_seen,
            accuracy=self.accuracy,
            gflops=None if self._macs is None else 2 * self._macs / (p50 * 1e6),
        )

    def _compared(self) -> dict[str, Any]:
        found = self.comparison
        if found is None:
            return {"relative_difference": None, "is_match": None}
        return {
            "relative_difference": found.difference,
            "is_match": found.is_match,
            "accepted_difference": found.accepted,
            "share_within_rounding": found.share_within,
            "prediction_agreement": found.agreement,
        }
