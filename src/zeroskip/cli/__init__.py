"""The command line: one file per command, thin layers over the public functions.

Commands import what is heavy when they run, so ``zeroskip --help`` stays quick. Exit codes: 0 done, 1 failed,
2 wrong usage.
"""

from __future__ import annotations


def main() -> None:
    """Run the command line with the arguments of the process."""
    from .app import run

    run()


__all__ = ["main"]
