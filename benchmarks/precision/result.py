"""What is kept of the runs in low precision: one file for each network and kind of run."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from statistics import geometric_mean
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from zeroskip.saved_value import SavedValue

RESULTS = Path(__file__).resolve().parents[1] / "results" / "precision"


class Way(BaseModel):
    """One way to run a network.

    Attributes:
        name: A key of ``WAYS``.
        right: Share of the unseen pictures with the right answer; where they have no labels, that of exact float32.
        lost: Pictures that float32 answers rightly and this does not.
        won: The other way round.
        drop: Share that float32 answers rightly, less ``right``.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    right: float
    lost: int
    won: int
    drop: float


class AccuracyResult(SavedValue):
    """What int8 costs one network.

    Attributes:
        network: Its name.
        metric: What ``right`` counts.
        max_drop: Budget of our int8 models, on the pictures that choose.
        choosing: Pictures that scales and thresholds of one model were chosen and checked on.
        unseen: Pictures that judge, of models that have not seen them.
        seed: Of the split.
        ways: Float32 first.
    """

    _what: ClassVar[str] = "a benchmark of accuracy in int8"

    network: str
    metric: str
    max_drop: float
    choosing: int
    unseen: int
    seed: int
    ways: tuple[Way, ...]


class LayersAtDensity(BaseModel):
    """Median times of all layers at one density, in ms, in their order.

    Attributes:
        density: Fraction of non-zeros in what each reads.
        dense_ms: Nothing skipped.
        sparse_ms: All zeros skipped.
        auto_ms: As each tile chooses, by the core's own crossovers.
        probed_ms: Likewise, by those of the cost model.
    """

    model_config = ConfigDict(frozen=True)

    density: float
    dense_ms: tuple[float, ...]
    sparse_ms: tuple[float, ...]
    auto_ms: tuple[float, ...]
    probed_ms: tuple[float, ...]


class LayersResult(SavedValue):
    """The layers of a network in one element type.

    Attributes:
        network: Its name.
        dtype: The element type.
        zeros: ``recorded`` or ``independent``.
        threads: Threads.
        isa: Instruction set.
        cpu: The processor.
        names: Of the layers.
        kinds: Kernel and stride of each.
        counts: How often each occurs.
        rows: Ascending densities.
    """

    _what: ClassVar[str] = "a benchmark of layers in low precision"

    network: str
    dtype: str
    zeros: str
    threads: int
    isa: str
    cpu: str
    names: tuple[str, ...]
    kinds: tuple[str, ...]
    counts: tuple[int, ...]
    rows: tuple[LayersAtDensity, ...]

    def total(self, times: tuple[float, ...]) -> float:
        """Return the time of the whole network's layers, in ms."""
        return sum(count * time for count, time in zip(self.counts, times, strict=True))

    def regret(self, choice: Literal["auto", "probed"]) -> float:
        """Return how a choice per tile compares with the better algorithm of each layer: 1 for as good."""
        ratios = []
        for row in self.rows:
            best = self.total(tuple(map(min, row.dense_ms, row.sparse_ms)))
            ratios.append(self.total(row.auto_ms if choice == "auto" else row.probed_ms) / best)
        return geometric_mean(ratios)

    def crossovers(self) -> dict[str, tuple[float, float]]:
        """Return by kind the lowest and highest density at which both algorithms of a layer took the same time.

        A layer whose sparse algorithm was quicker at the largest density stands for that; 0 if it never was.
        """
        found: dict[str, list[float]] = {}
        for place, kind in enumerate(self.kinds):
            ratios = [(row.density, row.sparse_ms[place] / row.dense_ms[place]) for row in self.rows]
            found.setdefault(kind, []).append(_where_one(ratios))
        return {kind: (min(values), max(values)) for kind, values in sorted(found.items())}


def _where_one(ratios: list[tuple[float, float]]) -> float:
    """Return the density at which a ratio that grows with it passes 1."""
    for (low, below), (high, above) in pairwise([(0.0, 0.0), *ratios]):
        if below <= 1.0 < above:
            return low + (high - low) * (1.0 - below) / (above - below) if low else 0.0
    return ratios[-1][0]


class Rival(BaseModel):
    """One engine in an interleaved run.

    Attributes:
        label: ``int8`` and ``float32`` are ours.
        latency_ms: Median over all rounds.
        least_ms: Least median of a round.
        gain: Its time over that of our int8, with the 95 % interval over rounds; None for our int8 itself.
        sparsity: What our layers met, weighted by their multiply-accumulates; None of others.
    """

    model_config = ConfigDict(frozen=True)

    label: str
    latency_ms: float
    least_ms: float
    gain: tuple[float, float, float] | None
    sparsity: float | None


class Prediction(BaseModel):
    """What the cost model says of a whole network.

    Attributes:
        precision: ``float32`` or ``int8``.
        measured_ms: Sum of the steps' medians, as if the machine had been as fast as when the prices were found.
        predicted_ms: Sum of their predictions at the densities that were met.
        speed: How fast it was meanwhile, of what it was then, told by dense float32 layers of another network.
    """

    model_config = ConfigDict(frozen=True)

    precision: str
    measured_ms: float
    predicted_ms: float
    speed: float

    @property
    def ratio(self) -> float:
        """Predicted over measured."""
        return self.predicted_ms / self.measured_ms


class NetworkResult(SavedValue):
    """A network in int8 beside other engines.

    Attributes:
        network: Its name.
        sparsity: What was set; None for natural.
        threads: Threads of all engines.
        isa: Our instruction set.
        cpu: The processor.
        date: Of the measurement.
        versions: Of the engines.
        is_unstable: Whether engines collapsed so often that times mean little.
        rivals: In the order of the run.
        predictions: In both precisions.
    """

    _what: ClassVar[str] = "a benchmark of a network in int8"

    network: str
    sparsity: float | None
    threads: int
    isa: str
    cpu: str
    date: str
    versions: dict[str, str]
    is_unstable: bool
    rivals: tuple[Rival, ...]
    predictions: tuple[Prediction, ...]
