"""Command line: ``cd tests; python -m fuzz importer --executions 1000000`` (``program``; ``--repeat SEED:INDEX``)."""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

from .campaign import run


def main() -> int:
    """Run a campaign; return 1 if it found something."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("target", choices=("importer", "program"))
    parser.add_argument("--executions", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("../build/fuzz"), help="folder for results")
    parser.add_argument("--repeat", metavar="SEED:INDEX", help="execute this one only, in this process")
    arguments = parser.parse_args()
    if arguments.repeat:
        print(importlib.import_module(f"fuzz.{arguments.target}").execute(arguments.repeat))
        return 0
    total = run(arguments.target, arguments.executions, arguments.seed, arguments.output.resolve())
    for name, count in sorted(total["outcomes"].items(), key=lambda item: -item[1]):
        print(f"  {count:9d}  {name}")
    seconds, resident = total["slowest"], total["largest"]
    print(f"slowest {seconds[0]} s ({seconds[1]}), most memory {resident[0] >> 20} MB ({resident[1]})")
    for what, finding in total["findings"].items():
        print(f"finding, {finding['count']} times, first {finding['seed']}: {what}: {finding.get('message', '')}")
    return 1 if total["findings"] else 0


if __name__ == "__main__":
    sys.exit(main())
