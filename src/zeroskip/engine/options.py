"""SessionOptions: what a user may choose about how a model is run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..errors import EngineError

ISAS = ("generic", "avx2", "avx512")
"""Instruction sets that kernels exist for, weakest first; a build and a CPU may have fewer."""

FALLBACKS = ("islands", "error")
"""What may happen to operators that the engine does not support."""


@dataclass(frozen=True)
class SessionOptions:
    """How an :class:`InferenceSession` runs.

    Args:
        intra_op_num_threads: Threads that share the work of one run; 0 uses every CPU of the process's
        affinity.
        isa: Instruction set to use, one of ``ISAS``; None takes ``ZEROSKIP_FORCE_ISA`` from the environment,
        else the
            best this CPU supports.
        fallback: What happens to a model with operators that the engine does not support. ``"islands"`` has
            ONNX Runtime run them, in as few and as large parts as possible, and the rest natively; without
            onnxruntime installed it is an error. ``"error"`` makes it one in any case.
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
    fallback: Literal["islands", "error"] = "islands"

    def __post_init__(self) -> None:
        if self.intra_op_num_threads < 0:
            raise EngineError(
                f"intra_op_num_threads is {self.intra_op_num_threads}; expected 0 (all CPUs) or more"
            )
        if self.isa is not None and self.isa not in ISAS:
            raise EngineError(
                f"isa is '{self.isa}'; expected one of {', '.join(ISAS)} or None for the best supported"
            )
        if self.fallback not in FALLBACKS:
            raise EngineError(f"fallback is '{self.fallback}'; expected one of {', '.join(FALLBACKS)}")
        if self.max_cached_plans < 1:
            raise EngineError(f"max_cached_plans is {self.max_cached_plans}; expected 1 or more")
