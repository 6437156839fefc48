"""Does `zeroskip analyze` answer alike when it is asked again? Runs one command a number of times.

    python -m benchmarks.verdicts MODEL --data photos/ --preprocess imagenet --threads 1

Whatever follows the model is handed on. Prints one line a run: the speed-up over ONNX Runtime, its range, and whether
the run says that it can be quoted. Exits with 1 if runs that say so differ by more than 15 %.
"""

from __future__ import annotations

import json
import subprocess
import sys

RUNS = 12
LIMIT = 1.15


def main(arguments: list[str]) -> int:
    """Run the command, print a table, and return the exit code."""
    quoted = []
    for number in range(1, RUNS + 1):
        command = [sys.executable, "-m", "zeroskip", "analyze", *arguments, "--quiet", "--json", "-"]
        reference = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["reference"]
        gain = reference["gain"]
        is_steady = gain["high"] <= LIMIT * gain["low"]
        print(
            f"{number:2}  {gain['ratio']:.2f}x  {gain['low']:.2f}x to {gain['high']:.2f}x  "
            f"{'quoted' if is_steady else 'cannot say'}{', busy' if reference['is_busy'] else ''}",
            flush=True,
        )
        if is_steady:
            quoted.append(gain["ratio"])
    spread = max(quoted) / min(quoted) if quoted else 1.0
    print(f"{len(quoted)} of {RUNS} runs quote a speed-up; the largest is {spread:.2f} times the smallest")
    return int(spread > LIMIT)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
