"""Native core of zeroskip: executes plans of fused steps."""

from collections.abc import Sequence
from typing import Annotated

import numpy
from numpy.typing import NDArray


class Error(RuntimeError):
    pass

class StepError(Error):
    pass

def isas_compiled() -> list[str]:
    """Instruction sets in this build, weakest first."""

def isas_supported() -> list[str]:
    """Those of them that this CPU runs, weakest first."""

def active_isa() -> str:
    """
    The set a Program uses by default: ZEROSKIP_FORCE_ISA, else the strongest supported.
    """

def multiplies_bf16(isa: str) -> bool:
    """Whether an instruction set multiplies bf16 by an instruction."""

def available_cpus() -> int:
    """CPUs this process may run on."""

def peak_macs_per_ms(isa: str | None = None, num_threads: int = 1) -> float:
    """
    Measure the float32 multiply-accumulates that the threads complete in a millisecond at best (takes 10 ms).
    """

class WeightStore:
    """Packed weights shared by the programs of one session."""

    def __init__(self) -> None: ...

    @property
    def bytes(self) -> int: ...

class ArenaPool:
    """Memory that the programs of one session take turns with."""

    def __init__(self) -> None: ...

    @property
    def bytes(self) -> int: ...

class Program:
    """
    A validated, executable plan. Safe to run from several threads at once.
    """

    def __init__(self, tensors: Sequence[dict], steps: Sequence[dict], inputs: Sequence[int], outputs: Sequence[int], arena_bytes: int, num_threads: int = 0, isa: str | None = None, weights: WeightStore | None = None, memory: ArenaPool | None = None) -> None: ...

    def run(self, inputs: list) -> list[NDArray]:
        """
        Run on arrays in the order of the graph inputs, of bf16 its bits as uint16; returns fresh arrays.
        """

    def profile(self, inputs: list, iterations: int = 10) -> list:
        """
        Time every step: name, op, kernel, median_ms, min_ms, mean_ms, density (of a masked first input), steady_density (above it zeros gain nothing), and of the last run last_ms and tasks: (thread, begin, end) in ms from where the step began.
        """

    def replace_constants(self, step: int, arrays: dict, names: dict, weights: WeightStore) -> None:
        """
        Make one step anew with other constants; not while a run is in progress.
        """

    @property
    def kernel_names(self) -> list[str]: ...

    @property
    def plan_texts(self) -> list[str]:
        """
        By step: what it is going to do, in a few lines; empty for operators that plan nothing.
        """

    @property
    def isa(self) -> str: ...

    @property
    def num_threads(self) -> int: ...

    @property
    def arena_bytes(self) -> int: ...

    @property
    def scratch_bytes(self) -> int: ...

class StepwiseRun:
    """One run of a Program in pieces; for one thread."""

    def __init__(self, program: Program, inputs: list) -> None: ...

    def run(self, first: int, last: int, counts: bool = False) -> None:
        """
        Run steps [first, last); with counts the densities of masked first inputs are kept.
        """

    def save(self, ranges: Sequence[tuple[int, int]]) -> Annotated[NDArray[numpy.uint8], dict(shape=(None,), order='C')]:
        """Return (offset, size) ranges of the arena as one uint8 array."""

    def load(self, ranges: Sequence[tuple[int, int]], bytes: Annotated[NDArray[numpy.uint8], dict(shape=(None,), order='C')]) -> None:
        """Put back what save returned for the same ranges."""

    @property
    def densities(self) -> list[float | None]:
        """By step: density of its first input, or None."""

    @property
    def outputs(self) -> list[NDArray]:
        """The arrays that the last steps write to."""
