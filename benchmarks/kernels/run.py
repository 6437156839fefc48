"""Times every kernel that multiplies and accumulates, and shows it beside the FMA rate of the core.

cmake -S . -B build/dev -DZEROSKIP_BUILD_BENCHMARKS=ON && cmake --build build/dev
python -m benchmarks.kernels.run --isa avx512 --kernel spconv

The native program ``kernels_bench`` takes the kernels from the list files, one core, operands in L1 or L2. Effective
GFLOP/s count the operations of the dense computation; the fraction of the peak counts those that were executed.
With ``--save`` the table goes into docs/results/performance.md.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path

from zeroskip.engine.show.table import format_table
from zeroskip.system import SystemInfo

from ..models.result import RESULTS
from .result import KernelTable, KernelTiming, rows

BUILDS = Path(__file__).parents[2] / "build"


def find_program() -> Path | None:
    """Return the newest ``kernels_bench`` under ``build/``, or None."""
    programs = sorted(BUILDS.glob("*/kernels_bench"), key=lambda path: path.stat().st_mtime)
    return programs[-1] if programs else None


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kernels.run", description="Time single kernels.")
    parser.add_argument("--isa", default="all", help="instruction set; by default all that this CPU runs")
    parser.add_argument("--kernel", default="", help="only kernels whose name contains this")
    parser.add_argument("--time", type=float, default=0.05, help="seconds for each kernel and sparsity")
    parser.add_argument("--save", action="store_true", help="keep the figures for the page on performance")
    options = parser.parse_args(given)
    program = find_program()
    if program is None:
        sys.stderr.write("kernels_bench is not built: cmake -DZEROSKIP_BUILD_BENCHMARKS=ON makes it\n")
        return 1
    command = [str(program), options.isa, options.kernel, str(options.time)]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    timings = tuple(KernelTiming.model_validate_json(line) for line in run.stdout.splitlines())
    if not timings:
        sys.stderr.write(f"no kernel matches isa '{options.isa}' and name '{options.kernel}'\n")
        return 1
    result = KernelTable(
        date=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        command=" ".join(["python -m benchmarks.kernels.run", *given]),
        system=SystemInfo.collect(),
        timings=timings,
    )
    peaks = {timing.isa: timing.peak_gflops for timing in timings}
    text = ", ".join(f"{isa} {peak:.0f}" for isa, peak in peaks.items())
    sys.stdout.write(f"{result.system.cpu}; GFLOP/s, effective (executed, of the FMA peak); peak of one core: {text}\n")
    header, body = rows(timings)
    sys.stdout.write(format_table(header, body, header[2:]) + "\n")
    if options.save:
        result.save(RESULTS / "kernels")
    return 0


if __name__ == "__main__":
    sys.exit(main())
