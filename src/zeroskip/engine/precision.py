"""What a session computes in, given what was asked for and what the CPU has."""

from __future__ import annotations

import logging
import os
from dataclasses import replace
from typing import TYPE_CHECKING

from .native import isa_multiplies_bf16, machine

if TYPE_CHECKING:
    from .options import SessionOptions

_logger = logging.getLogger(__name__)

EMULATE_BF16 = "ZEROSKIP_EMULATE_BF16"
"""Environment variable: set and not ``0``, bf16 is computed on any CPU, to see what it does to results."""


def multiplies_bf16(isa: str | None = None) -> bool:
    """Return whether an instruction set, by default the best of this CPU, has products of bf16.

    Raises:
        EngineError: If the instruction set is none of this build or CPU.
    """
    chosen, _ = machine(1, isa)
    return isa_multiplies_bf16(chosen)


def with_possible_precision(options: SessionOptions) -> SessionOptions:
    """Return the options with float32 in place of bf16 where the instruction set has no bf16 products, and say so.

    Raises:
        EngineError: If the instruction set is none of this build or CPU.
    """
    if options.precision != "bf16" or os.environ.get(EMULATE_BF16, "0") != "0":
        return options
    if multiplies_bf16(options.isa):
        return options
    _logger.warning(
        "precision is 'bf16', but %s has no bf16 products (avx512bf16 has): computing in float32; "
        "%s=1 computes in bf16 anyway, slowly, to see what it does to results",
        machine(1, options.isa)[0],
        EMULATE_BF16,
    )
    return replace(options, precision="float32")
