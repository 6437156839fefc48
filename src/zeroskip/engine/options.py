"""SessionOptions: what a user may choose about how a model is run."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import EngineError

ISAS = ("generic", "avx2", "avx512")
"""Instruction sets that kernels exist for, weakest first; a build and a CPU may have fewer."""


@dataclass(frozen=True)
class SessionOptions:
    """How an :class:`InferenceSession` runs.

    Args:
        intra_op_num_threads: Threads that share the work of one run; 0 uses every CPU of the process's
        affinity.
        isa: Instruction set to use, one of ``ISAS``; None takes ``ZEROSKIP_FORCE_ISA`` from the environment,
        else the
            best this CPU supports.
        winograd: Whether 3x3 convolutions of stride 1 whose input is dense may be computed by Winograd's algorithm,
            2 to 3 times as fast. It rounds differently: a layer's largest error is 1e-6 to 3e-6 of its largest
            output, about four times that of summing directly, and its weights take four times the memory beside
            the direct ones. False sums directly always.
        max_cached_plans: Input shapes to keep a compiled plan for; the least recently used goes first. At
        least 1.

    Raises:
        EngineError: If a value is out of range.

    Example:
        >>> SessionOptions(intra_op_num_threads=2).isa is None
        True
    """

    intra_op_num_threads: int = 0
    isa: str | None = None
    max_cached_plans: int = 8
    winograd: bool = True

    def __post_init__(self) -> None:
        if self.intra_op_num_threads < 0:
            raise EngineError(
                f"intra_op_num_threads is {self.intra_op_num_threads}; expected 0 (all CPUs) or more"
            )
        if self.isa is not None and self.isa not in ISAS:
            raise EngineError(
                f"isa is '{self.isa}'; expected one of {', '.join(ISAS)} or None for the best supported"
            )
        if self.max_cached_plans < 1:
            raise EngineError(f"max_cached_plans is {self.max_cached_plans}; expected 1 or more")
