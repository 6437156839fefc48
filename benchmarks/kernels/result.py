"""KernelTable: the measured kernels of a machine as a JSON file."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from zeroskip.files import atomic_write_text
from zeroskip.system import SystemInfo


class KernelTiming(BaseModel):
    """One kernel at one sparsity, on one core.

    Attributes:
        isa: Instruction set.
        kernel: Its name in the list files.
        sparsity: Fraction of zeros in its input.
        gflops: Operations of the dense computation per nanosecond.
        executed_gflops: Those on non-zeros.
        peak_gflops: What FMAs out of registers reach.
    """

    model_config = ConfigDict(frozen=True)

    isa: str
    kernel: str
    sparsity: float
    gflops: float
    executed_gflops: float
    peak_gflops: float


class KernelTable(BaseModel):
    """All that was measured in one run.

    Attributes:
        date: When, ISO 8601, UTC.
        command: What to type to repeat it.
        system: The machine.
        timings: In the order of the list files.
    """

    model_config = ConfigDict(frozen=True)

    schema_version: int = 1
    date: str
    command: str
    system: SystemInfo
    timings: tuple[KernelTiming, ...]

    def save(self, folder: Path) -> Path:
        """Write it into ``folder`` and return the file."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "kernels.json"
        atomic_write_text(path, self.model_dump_json(indent=1) + "\n")
        return path


def load_kernels(folder: Path) -> KernelTable | None:
    """Return the table in a folder, None if there is none."""
    path = folder / "kernels.json"
    return KernelTable.model_validate_json(path.read_bytes()) if path.exists() else None


def rows(timings: tuple[KernelTiming, ...]) -> tuple[list[str], list[list[str]]]:
    """Return header and rows of a table: a row per kernel, a column per sparsity."""
    sparsities = sorted({timing.sparsity for timing in timings})
    cells = {(timing.isa, timing.kernel, timing.sparsity): timing for timing in timings}
    kernels = dict.fromkeys((timing.isa, timing.kernel) for timing in timings)
    header = ["isa", "kernel", *(f"{sparsity:.0%} zeros" for sparsity in sparsities)]
    return header, [
        [*kernel, *(_cell(cells.get((*kernel, sparsity))) for sparsity in sparsities)] for kernel in kernels
    ]


def _cell(timing: KernelTiming | None) -> str:
    if timing is None:
        return "-"
    return f"{timing.gflops:.1f} ({timing.executed_gflops / timing.peak_gflops:.2f})"
