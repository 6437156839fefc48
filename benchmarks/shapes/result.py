"""ShapeTable: what new input shapes cost, as a JSON file."""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import Literal

from pydantic import BaseModel, ConfigDict

from zeroskip.files import atomic_write_text
from zeroskip.system import SystemInfo

_FILE = "shapes.json"


class ShapeTiming(BaseModel):
    """One network on one engine; times by shape, in ms.

    Attributes:
        network: Its name.
        engine: ``"zeroskip"`` or ``"onnxruntime"``.
        first_ms: The first run at a shape.
        known_ms: Median of further runs at the same shape, right after it.
    """

    model_config = ConfigDict(frozen=True)

    network: str
    engine: str
    first_ms: tuple[float, ...]
    known_ms: tuple[float, ...]

    @property
    def extra_ms(self) -> list[float]:
        """What the first run at each shape took more than further ones."""
        return [first - known for first, known in zip(self.first_ms, self.known_ms, strict=True)]


class ShapeTable(BaseModel):
    """All networks on both engines.

    Attributes:
        date: ISO date.
        command: What to type to repeat it.
        threads: Threads of each engine.
        clock: ``"wall"``, or ``"cpu"`` for the time of the process.
        shapes: Height and width of the images, in the order in which they came.
        resnet18_ms: Median of runs of ResNet-18 at 224x224 among the others: the yardstick.
        system: The machine.
        timings: In the order of measuring.
    """

    model_config = ConfigDict(frozen=True)

    schema_version: int = 1
    date: str
    command: str
    threads: int
    clock: Literal["wall", "cpu"]
    shapes: tuple[tuple[int, int], ...]
    resnet18_ms: float
    system: SystemInfo
    timings: tuple[ShapeTiming, ...]

    def save(self, folder: Path) -> Path:
        """Write it into ``folder`` and return the file."""
        folder.mkdir(parents=True, exist_ok=True)
        atomic_write_text(folder / _FILE, self.model_dump_json(indent=1) + "\n")
        return folder / _FILE


def load_shapes(folder: Path) -> ShapeTable | None:
    """Return the table in a folder, None if there is none."""
    path = folder / _FILE
    return ShapeTable.model_validate_json(path.read_bytes()) if path.exists() else None


def rows(result: ShapeTable) -> tuple[list[str], list[list[str]]]:
    """Return header and rows of a table: a row per network and engine."""
    header = ["network", "engine", "known shape, ms", "first run, ms", "more, ms (range)", "of a ResNet-18 run"]
    return header, [
        [
            timing.network,
            timing.engine,
            f"{median(timing.known_ms):.1f}",
            f"{median(timing.first_ms):.1f}",
            f"{median(timing.extra_ms):.1f} ({min(timing.extra_ms):.1f} to {max(timing.extra_ms):.1f})",
            f"{max(0.0, median(timing.extra_ms) / result.resnet18_ms):.2f}",
        ]
        for timing in result.timings
    ]
