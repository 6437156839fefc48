"""SessionOptions: what a user may choose about how a model is run."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from ..errors import EngineError
from ..system import usable_cpus
from .cost import CostModel, CostModelChoice, choose_cost_model

WEIGHT_STORAGES = ("float32", "bf16", "fp16")
"""Formats that weights of convolutions and fully connected layers can be stored in."""
PRECISIONS = ("float32", "bf16")
"""What a float model may be computed in."""
ISAS = (
    *("generic", "avx2", "avxvnni", "avx512", "avx512vnni", "avx512vbmi2", "avx512bf16"),
    *("neon", "neondot", "neoni8mm"),
)
"""Instruction sets that kernels exist for, weakest of an architecture first; a build and a CPU have some of them."""

FALLBACKS = ("islands", "parts", "error")
"""What may happen to operators that the engine does not support."""


@dataclass(frozen=True)
class SessionOptions:
    """How an :class:`InferenceSession` runs.

    Args:
        intra_op_num_threads: Threads that share the work of one run; 0 uses every CPU that the process's
            affinity and the CPU quota of its control group (containers) allow.
        isa: Instruction set to use, one of ``ISAS``; None takes ``ZEROSKIP_FORCE_ISA`` from the environment,
            else the best this CPU supports.
        cost_model: What decides between skipping zeros and computing densely, see ``CostModelChoice``; None
            takes ``ZEROSKIP_COST_MODEL`` from the environment, else ``"cached"``. A session never measures
            unless it is told to, so its results do not change from run to run by themselves.
        weight_storage: How weights are stored, one of ``WEIGHT_STORAGES``; arithmetic is float32 always. The
            16-bit formats halve what is read from memory, for rounded weights: half a unit of 8 (bf16) or 11
            (fp16) significant bits.
        winograd: Whether 3x3 convolutions of stride 1 whose input is dense, and first layers of 5x5 to 8x8 and
            stride 2, may be computed by Winograd's algorithm, 2 to 3 times as fast. It rounds differently: a
            layer's largest error is 1e-6 to 3e-6 of its largest output, about four times that of summing
            directly, and its weights take four times the memory beside the direct ones. False sums directly
            always.
        fallback: What happens to a model with operators that the engine does not support. ``"islands"`` has
            ONNX Runtime run them, in as few and as large parts as possible, and the rest natively as far as that
            saves time; without onnxruntime installed it is an error. ``"parts"`` is the same, but runs natively
            whatever can skip zeros, whether that saves time or not. ``"error"`` makes it an error in any case.
            None takes ``ZEROSKIP_FALLBACK`` from the environment, else ``"islands"``.
        precision: ``"float32"``, or ``"bf16"``: convolutions of 16 channels and more and fully connected layers
            multiply weights and activations rounded to bf16 (8 significant bits) and add in float32. On
            instruction sets without bf16 products a warning is logged and float32 computed; with
            ``ZEROSKIP_EMULATE_BF16=1`` in the environment bf16 is computed there too, slowly.
        max_cached_plans: Input shapes to keep a compiled plan for; the least recently used goes first. At
            least 1.

    Raises:
        EngineError: If a value is of the wrong type or out of range.

    Example:
        >>> SessionOptions(intra_op_num_threads=2).isa is None
        True
    """

    intra_op_num_threads: int = 0
    isa: str | None = None
    weight_storage: str = "float32"
    max_cached_plans: int = 8
    cost_model: CostModel | CostModelChoice | None = None
    winograd: bool = True
    fallback: Literal["islands", "parts", "error"] | None = None
    precision: Literal["float32", "bf16"] = "float32"

    def __post_init__(self) -> None:
        if self.fallback is None:
            object.__setattr__(self, "fallback", os.environ.get("ZEROSKIP_FALLBACK") or "islands")
        self._check_types()
        if self.intra_op_num_threads < 0:
            raise EngineError(f"intra_op_num_threads is {self.intra_op_num_threads}; expected 0 (all CPUs) or more")
        if self.isa is not None and self.isa not in ISAS:
            raise EngineError(f"isa is '{self.isa}'; expected one of {', '.join(ISAS)} or None for the best supported")
        if isinstance(self.cost_model, str) and self.cost_model not in get_args(CostModelChoice):
            raise EngineError(
                f"cost_model is '{self.cost_model}'; expected one of {', '.join(get_args(CostModelChoice))}, "
                "a CostModel or None"
            )
        if self.weight_storage not in WEIGHT_STORAGES:
            raise EngineError(
                f"weight_storage is '{self.weight_storage}'; expected one of {', '.join(WEIGHT_STORAGES)}"
            )
        if self.precision not in PRECISIONS:
            raise EngineError(f"precision is '{self.precision}'; expected one of {', '.join(PRECISIONS)}")
        if self.fallback not in FALLBACKS:
            raise EngineError(f"fallback is '{self.fallback}'; expected one of {', '.join(FALLBACKS)}")
        if self.max_cached_plans < 1:
            raise EngineError(f"max_cached_plans is {self.max_cached_plans}; expected 1 or more")

    def chosen_cost_model(self) -> CostModel:
        """Return the cost model that the options hold or ask for.

        Raises:
            EngineError: If the environment variable ``ZEROSKIP_COST_MODEL`` holds no choice, or measuring fails.
        """
        return choose_cost_model(self.cost_model, self.isa, self.intra_op_num_threads)

    @property
    def num_threads(self) -> int:
        """Threads that share the work of one run, >= 1: what ``intra_op_num_threads`` says or 0 stands for."""
        return self.intra_op_num_threads or usable_cpus()

    def _check_types(self) -> None:
        expected: dict[str, tuple[type, ...]] = {
            "intra_op_num_threads": (int, np.integer),
            "isa": (str, type(None)),
            "weight_storage": (str,),
            "max_cached_plans": (int, np.integer),
            "cost_model": (CostModel, str, type(None)),
            "winograd": (bool, np.bool_),
            "fallback": (str,),
            "precision": (str,),
        }
        for name, types in expected.items():
            value = getattr(self, name)
            if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
                words = " or ".join("None" if kind is type(None) else kind.__name__ for kind in types)
                raise EngineError(f"{name} is {value!r} ({type(value).__name__}); expected {words}")
