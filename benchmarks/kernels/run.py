"""Times every kernel that multiplies and accumulates, and shows it beside the FMA rate of the core.

cmake -S . -B build/dev -DZEROSKIP_BUILD_BENCHMARKS=ON && cmake --build build/dev
python -m benchmarks.kernels.run --isa avx512 --kernel spconv

The native program ``kernels_bench`` takes the kernels from the list files, one core, operands in L1 or L2. Effective
GFLOP/s count the operations of the dense computation; the fraction of the peak counts those that were executed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from zeroskip.engine.table import format_table
from zeroskip.system import cpu_model

BUILDS = Path(__file__).parents[2] / "build"


def find_program() -> Path | None:
    """Return the newest ``kernels_bench`` under ``build/``, or None."""
    programs = sorted(BUILDS.glob("*/kernels_bench"), key=lambda path: path.stat().st_mtime)
    return programs[-1] if programs else None


def table(measurements: Sequence[dict[str, Any]]) -> str:
    """Return measurements as text: a row per kernel, a column per sparsity.

    Args:
        measurements: What ``kernels_bench`` prints, a dictionary per line.
    """
    sparsities = sorted({entry["sparsity"] for entry in measurements})
    cells = {(entry["isa"], entry["kernel"], entry["sparsity"]): entry for entry in measurements}
    rows = []
    for isa, kernel in dict.fromkeys((entry["isa"], entry["kernel"]) for entry in measurements):
        found = [cells.get((isa, kernel, sparsity)) for sparsity in sparsities]
        rows.append([isa, kernel, *("-" if entry is None else _cell(entry) for entry in found)])
    header = ["isa", "kernel", *(f"{sparsity:.0%} zeros" for sparsity in sparsities)]
    return format_table(header, rows, header[2:])


def _cell(entry: dict[str, Any]) -> str:
    return f"{entry['gflops']:.1f} ({entry['executed_gflops'] / entry['peak_gflops']:.2f})"


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kernels.run", description="Time single kernels.")
    parser.add_argument("--isa", default="all", help="instruction set; by default all that this CPU runs")
    parser.add_argument("--kernel", default="", help="only kernels whose name contains this")
    parser.add_argument("--time", type=float, default=0.05, help="seconds for each kernel and sparsity")
    options = parser.parse_args(arguments)
    program = find_program()
    if program is None:
        sys.stderr.write("kernels_bench is not built: cmake -DZEROSKIP_BUILD_BENCHMARKS=ON makes it\n")
        return 1
    command = [str(program), options.isa, options.kernel, str(options.time)]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    measurements = [json.loads(line) for line in run.stdout.splitlines()]
    if not measurements:
        sys.stderr.write(f"no kernel matches isa '{options.isa}' and name '{options.kernel}'\n")
        return 1
    peaks = {entry["isa"]: entry["peak_gflops"] for entry in measurements}
    text = ", ".join(f"{isa} {peak:.0f}" for isa, peak in peaks.items())
    sys.stdout.write(f"{cpu_model()}; GFLOP/s, effective (executed, of the FMA peak); peak of one core: {text}\n")
    sys.stdout.write(table(measurements) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
