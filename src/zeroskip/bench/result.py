"""BenchResult: what a benchmark measured, complete enough to be believed later."""

from __future__ import annotations

import os
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, computed_field

from ..gain import Gain, median_interval
from ..saved_value import SavedValue
from ..system import SystemInfo
from ..tabular import Record, Tabular

_SHARED = 0.5
"""Part of a core that others may take from the threads before the machine counts as busy."""


class Accuracy(BaseModel):
    """How good the answers of an engine are.

    Attributes:
        inputs: Inputs that were asked.
        agreement: Share of them with the prediction of the first float32 row; None for outputs without classes.
        top1: Share of them with the right answer; None without labels.
    """

    model_config = ConfigDict(frozen=True)

    inputs: int
    agreement: float | None
    top1: float | None

    def __str__(self) -> str:
        top1 = "" if self.top1 is None else f"top-1 {self.top1:.1%}, "
        same = "no classes" if self.agreement is None else f"{self.agreement:.1%} answered as in float32"
        return f"{top1}{same} ({self.inputs} inputs)"


class EngineResult(BaseModel):
    """One row of a benchmark.

    Attributes:
        label: Name of the row.
        engine: Which engine it is.
        version: Version of the engine's package.
        description: The settings that decide its speed.
        precision: What it computed in.
        threads: Threads it may have used.
        model_sha256: Content hash of the model it ran.
        load_ms: Time from the model's bytes to readiness, conversion included.
        p50_ms: Median latency of a run over the kept rounds; likewise p90, p99 and the mean.
        throughput: Inputs per second at the mean latency.
        iterations: Timed runs in the kept rounds.
        round_p50_ms: Median of each round, dropped ones included.
        relative_difference: Largest output difference to the first row with the same model, relative to
            that row's largest output; None for that first row.
        is_match: Whether the difference is within what is accepted; None for that first row.
        accepted_difference: What is accepted: the benchmark's tolerance, or more where the model has thresholds, at
            which rounding flips single values; None for that first row.
        share_within_rounding: Fraction of the inputs that are within the tolerance; None for that first row.
        prediction_agreement: Fraction of the inputs with the same largest class; None for that first row, or without
            classes.
        sparsity_seen: MAC-weighted sparsity that skipping layers met on these inputs; None for dense engines.
        accuracy: How good its answers are on inputs that no quantiser saw; None unless a row computes in int8.
        gflops: Executed rate if every multiply-add of the dense network counted as two operations; None if
            unknown.
    """

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="strings")

    label: str
    engine: str
    version: str
    description: str
    precision: str
    threads: int
    model_sha256: str
    load_ms: float
    p50_ms: float
    p90_ms: float
    p99_ms: float
    mean_ms: float
    throughput: float
    iterations: int
    round_p50_ms: tuple[float, ...]
    relative_difference: float | None
    is_match: bool | None
    accepted_difference: float | None = None
    share_within_rounding: float | None = None
    prediction_agreement: float | None = None
    sparsity_seen: float | None
    gflops: float | None
    accuracy: Accuracy | None = None


class BenchResult(Tabular, SavedValue):
    """A benchmark: its rows, and what one must know to repeat it.

    Attributes:
        schema_version: Version of this layout.
        date: When it ended, ISO 8601, UTC.
        command: The command line of the process.
        system: The machine.
        data: What the inputs were, in words.
        is_random_input: Whether they were noise; then no sparsity may be claimed.
        batch_size: Inputs per run.
        threads: Threads per engine.
        seconds: Time given to each engine, over all rounds.
        tolerance: Largest accepted relative difference of outputs, flips at thresholds apart.
        precision: What engines computed in unless their row says otherwise.
        dropped_rounds: Numbers of the rounds left out because an engine collapsed in them.
        is_unstable: Whether engines collapsed so often that nothing was left out and the times mean little.
        others_cores: Cores that other programs used while the engines rested; None if not known.
        rows: The engines, in the order given.
    """

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="strings")
    _what: ClassVar[str] = "a benchmark result"

    schema_version: int = 1
    date: str
    command: str
    system: SystemInfo
    data: str
    is_random_input: bool
    batch_size: int
    threads: int
    precision: str
    seconds: float
    tolerance: float
    dropped_rounds: tuple[int, ...]
    is_unstable: bool
    others_cores: float | None = None
    rows: tuple[EngineResult, ...]

    def __getitem__(self, label: str) -> EngineResult:
        for row in self.rows:
            if row.label == label:
                return row
        raise KeyError(label)

    @property
    def best_peer(self) -> EngineResult | None:
        """The fastest row, by median, among other engines in the benchmark's precision, or None."""
        peers = [row for row in self.rows if row.engine != "zeroskip" and row.precision == self.precision]
        return min(peers, key=lambda row: row.p50_ms, default=None)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def speedup_over_best_peer(self) -> dict[str, float] | None:
        """How many times faster each row is than :attr:`best_peer`, by label; None without a peer."""
        peer = self.best_peer
        return None if peer is None else {row.label: peer.p50_ms / row.p50_ms for row in self.rows}

    @property
    def is_busy(self) -> bool:
        """Whether other programs left the engines fewer cores than they have threads."""
        free = None if self.others_cores is None else (os.cpu_count() or 1) - self.others_cores
        return self.is_unstable or (free is not None and free < self.threads - _SHARED)

    @property
    def mismatches(self) -> tuple[str, ...]:
        """Labels of the rows whose outputs differ by more than is accepted."""
        return tuple(row.label for row in self.rows if row.is_match is False)

    def speedup(self, label: str, over: str) -> float:
        """Return how many times faster one row is than another, by median latency.

        Args:
            label: The row in question.
            over: The row it is compared with.

        Raises:
            KeyError: If there is no such row.
        """
        return self[over].p50_ms / self[label].p50_ms

    def gain(self, label: str, over: str) -> Gain:
        """Return :meth:`speedup` with what the measurement leaves open, by the kept rounds.

        Args:
            label: The row in question.
            over: The row it is compared with.

        Raises:
            KeyError: If there is no such row.
        """
        return Gain.of(self.speedup(label, over), self._round_ratios(label, over))

    def interval_ms(self, label: str) -> tuple[float, float]:
        """Return the 95 % interval of a row's median latency in ms, by the kept rounds; the median lies in it.

        Args:
            label: The row in question.

        Raises:
            KeyError: If there is no such row.
        """
        row = self[label]
        kept = [ms for number, ms in enumerate(row.round_p50_ms) if number not in self.dropped_rounds]
        low, high = median_interval([*kept] or [row.p50_ms])
        return min(low, row.p50_ms), max(high, row.p50_ms)

    def __str__(self) -> str:
        from .table import table_text

        return table_text(self)

    def _words(self) -> str:
        return f"batch {self.batch_size}, {self.threads} threads, {self.system.cpu}; {self.data}"

    def _records(self) -> list[Record]:
        return [
            {
                "engine": row.label,
                "version": row.version,
                "precision": row.precision,
                "p50_ms": row.p50_ms,
                "low_ms": self.interval_ms(row.label)[0],
                "high_ms": self.interval_ms(row.label)[1],
                "p99_ms": row.p99_ms,
                "throughput": row.throughput,
            }
            for row in self.rows
        ]

    def speedup_range(self, label: str, over: str) -> tuple[float, float]:
        """Return the lowest and the highest speed-up among the kept rounds, see :meth:`speedup`.

        Args:
            label: The row in question.
            over: The row it is compared with.

        Raises:
            KeyError: If there is no such row.
        """
        ratios = [*self._round_ratios(label, over), self.speedup(label, over)]
        return min(ratios), max(ratios)

    def _round_ratios(self, label: str, over: str) -> list[float]:
        pairs = zip(self[over].round_p50_ms, self[label].round_p50_ms, strict=True)
        return [theirs / ours for number, (theirs, ours) in enumerate(pairs) if number not in self.dropped_rounds]
