"""LayerTable: the measured layers of one network as a JSON file."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from zeroskip.files import atomic_write_text
from zeroskip.system import SystemInfo


class LayerTiming(BaseModel):
    """One layer.

    Attributes:
        name: Its first occurrence in the network.
        shape: Channels, size and kernel in words.
        kind: Kernel and stride, for example ``"3x3 s1"``.
        count: How often it occurs.
        macs: Multiply-accumulates of one occurrence.
        kernel: Microkernel of the automatic choice.
        sparsities: Fractions of zeros in the input.
        dense_ms: Median time of the dense algorithm at each of them.
        sparse_ms: Likewise of the sparse one.
        auto_ms: Likewise of the choice per tile.
        onednn_ms: Likewise of oneDNN, which does not skip; empty where it was not timed.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    shape: str
    kind: str
    count: int
    macs: int
    kernel: str
    sparsities: tuple[float, ...]
    dense_ms: tuple[float, ...]
    sparse_ms: tuple[float, ...]
    auto_ms: tuple[float, ...]
    onednn_ms: tuple[float, ...] = ()


class LayerTable(BaseModel):
    """The different layers of one network that can skip.

    Attributes:
        network: Its name.
        threads: Threads.
        isa: Instruction set.
        date: When, ISO 8601, UTC.
        command: What to type to repeat it.
        system: The machine.
        layers: In the order of the network.
    """

    model_config = ConfigDict(frozen=True)

    schema_version: int = 1
    network: str
    threads: int
    isa: str
    date: str
    command: str
    system: SystemInfo
    layers: tuple[LayerTiming, ...]

    def save(self, folder: Path) -> Path:
        """Write it into ``folder`` and return the file."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.network}-t{self.threads}.json"
        atomic_write_text(path, self.model_dump_json(indent=1) + "\n")
        return path


def load_tables(folder: Path) -> list[LayerTable]:
    """Return the tables in a folder, sorted by file name; none if it does not exist."""
    return [LayerTable.model_validate_json(path.read_bytes()) for path in sorted(folder.glob("*.json"))]
