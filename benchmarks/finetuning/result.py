"""RunRecord: how a run was trained and what it is worth on the engine, as one JSON file a run."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from zeroskip.saved_value import SavedValue
from zeroskip.system import SystemInfo
from zeroskip.torch import FinetuneResult

RESULTS = Path(__file__).resolve().parents[1] / "results" / "finetuning"


class Timing(BaseModel):
    """Time of one picture on both engines, interleaved.

    Attributes:
        threads: Of each engine.
        latency_ms: Of the engine.
        dense_latency_ms: Of ONNX Runtime on the plain run's dense model.
    """

    model_config = ConfigDict(frozen=True)

    threads: int
    latency_ms: float
    dense_latency_ms: float

    @property
    def speedup(self) -> float:
        """How many times faster the engine is."""
        return self.dense_latency_ms / self.latency_ms


class Variant(BaseModel):
    """A model as it came out of training, or after a calibration on top.

    Attributes:
        max_drop: Budget of the calibration; None for the model as trained.
        accuracy: Top-1 on the test pictures.
        sparsity: Mean over activations, unweighted, on test pictures.
        mac_sparsity: Input sparsity of the layers that can skip, weighted by multiply-accumulates.
        timings: By number of threads; empty before they were taken.
    """

    model_config = ConfigDict(frozen=True)

    max_drop: float | None
    accuracy: float
    sparsity: float
    mac_sparsity: float
    timings: tuple[Timing, ...] = ()

    @property
    def word(self) -> str:
        """What files call it."""
        return "trained" if self.max_drop is None else f"calibrated-{self.max_drop:g}"


class RunResult(BaseModel):
    """What a trained run is worth.

    Attributes:
        network: Its name.
        method: The row it belongs to.
        seed: Of the run.
        epochs: Passes over the training pictures in this run.
        pictures: Training pictures per epoch.
        variants: As trained, and calibrated.
        test_pictures: That accuracy was measured on.
        system: The machine.
        date: Of the measurement.
    """

    model_config = ConfigDict(frozen=True)

    network: str
    method: str
    seed: int
    epochs: int
    pictures: int
    variants: tuple[Variant, ...]
    test_pictures: int
    system: SystemInfo
    date: str


class RunRecord(SavedValue):
    """All that is kept of one run. Logs of its steps stay in the working folder.

    Attributes:
        training: What training said at its end, per phase by name; without sparsities of single layers.
        measured: What the trained run is worth; None before it was measured.
    """

    _what: ClassVar[str] = "a fine-tuning run"

    training: dict[str, FinetuneResult] = Field(default_factory=dict)
    measured: RunResult | None = None

    def with_phase(self, name: str, result: FinetuneResult) -> RunRecord:
        """Return the record with the outcome of one phase of training."""
        epochs = tuple(epoch.model_copy(update={"sparsity": {}}) for epoch in result.epochs)
        brief = result.model_copy(update={"epochs": epochs})
        return self.model_copy(update={"training": self.training | {name: brief}})


def record_file(name: str, folder: Path = RESULTS) -> Path:
    """Return where a run is kept."""
    return folder / f"{name}.json"


def load_record(name: str, folder: Path = RESULTS) -> RunRecord:
    """Return what is kept of a run; an empty record before anything is."""
    file = record_file(name, folder)
    return RunRecord.load(file) if file.exists() else RunRecord()


def load_records(folder: Path = RESULTS) -> dict[str, RunRecord]:
    """Read all runs, by name."""
    return {path.stem: RunRecord.load(path) for path in sorted(folder.glob("*.json"))}
