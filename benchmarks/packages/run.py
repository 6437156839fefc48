"""Checks packages on the stand-in: ``python -m benchmarks.packages.run [NAME ...]``; prints rows for the page."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from .compare import compare, is_installed
from .programs import PROGRAMS


def main(names: list[str]) -> int:
    """Run the programs named, or those of all packages that are installed; return how many failed."""
    failed = 0
    for name in names or [name for name in PROGRAMS if is_installed(name)]:
        with tempfile.TemporaryDirectory() as folder:
            try:
                found = compare(name, Path(folder))
            except (AssertionError, ImportError, RuntimeError) as error:
                print(f"| {name} | fails: {error} |")
                failed += 1
            else:
                print(f"| {name} | {found.version} | {', '.join(found.sessions)} | {found.difference:.0e} |")
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
