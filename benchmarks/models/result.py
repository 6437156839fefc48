"""CaseResult: one benchmarked network as a JSON file, complete enough to make a page of."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from zeroskip.bench import BenchResult
from zeroskip.files import atomic_write_text

EXACT, THRESHOLDED = "zeroskip", "zeroskip with thresholds"
"""Labels of our own rows."""

RESULTS = Path(__file__).resolve().parents[1] / "results"
"""Where results go and where the report looks for them."""

Kind = Literal["random", "trained"]


class Accuracy(BaseModel):
    """What thresholds cost, on inputs that the calibration did not see.

    Attributes:
        metric: What was bounded.
        max_drop: How much it might drop.
        baseline: Of the original model.
        optimized: With thresholds.
        samples: Inputs it was measured on.
    """

    model_config = ConfigDict(frozen=True)

    metric: str
    max_drop: float
    baseline: float
    optimized: float
    samples: int


class CaseResult(BaseModel):
    """One network at one sparsity on several engines.

    Attributes:
        kind: ``"random"`` weights with a sparsity that was set, or ``"trained"`` ones.
        network: Its name.
        target_sparsity: The sparsity that was set; None for natural.
        accuracy: What thresholds cost; None if there is no row with thresholds.
        command: What to type to repeat it.
        bench: The measurement. Rows of peers run the original model.
    """

    model_config = ConfigDict(frozen=True)

    schema_version: int = 1
    kind: Kind
    network: str
    target_sparsity: float | None
    accuracy: Accuracy | None = None
    command: str
    bench: BenchResult

    @property
    def variant(self) -> str:
        """The sparsity in words."""
        return "natural" if self.target_sparsity is None else f"{self.target_sparsity:.0%}"

    @property
    def file_name(self) -> str:
        """Name of its file: one for each network, sparsity, batch size and number of threads."""
        variant = self.variant.rstrip("%")
        return f"{self.network}-{variant}-b{self.bench.batch_size}-t{self.bench.threads}.json"

    def save(self, folder: Path) -> Path:
        """Write it into ``folder`` and return the file."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / self.file_name
        atomic_write_text(path, self.model_dump_json(indent=1) + "\n")
        return path


def load_cases(folder: Path) -> list[CaseResult]:
    """Return the results in a folder, sorted by file name; none if it does not exist."""
    return [CaseResult.model_validate_json(path.read_bytes()) for path in sorted(folder.glob("*.json"))]
