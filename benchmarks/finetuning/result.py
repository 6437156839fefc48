"""RunResult: what a trained run is worth on the engine, as a JSON file."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from zeroskip.saved_value import SavedValue
from zeroskip.system import SystemInfo

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


class RunResult(SavedValue):
    """One run.

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

    _what: ClassVar[str] = "a fine-tuning measurement"

    network: str
    method: str
    seed: int
    epochs: int
    pictures: int
    variants: tuple[Variant, ...]
    test_pictures: int
    system: SystemInfo
    date: str


def load_results(folder: Path = RESULTS) -> list[RunResult]:
    """Read all measurements."""
    return [RunResult.load(path) for path in sorted(folder.glob("*.json"))]
