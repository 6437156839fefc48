"""The section on single kernels."""

from __future__ import annotations

from ..kernels.result import KernelTable, rows
from .words import KERNELS, environment, table


def section(result: KernelTable | None) -> list[str]:
    """Return the section's paragraphs; none without results."""
    if result is None:
        return []
    peaks = {timing.isa: timing.peak_gflops for timing in result.timings}
    text = ", ".join(f"{isa} {peak:.0f}" for isa, peak in peaks.items())
    versions = {"zeroskip": result.system.versions["zeroskip"]}
    where = environment(result.system.cpu, "", 1, result.date, versions, result.command)
    return [
        KERNELS,
        f"Peak of one core in GFLOP/s, FMAs out of registers: {text}.",
        table(*rows(result.timings)),
        where,
    ]
