"""Full size: ``cd tests; python -m soak`` runs 100,000 times per trial and takes minutes."""

from __future__ import annotations

import argparse
import sys

from .soak import Soak

MAX_GROWTH = 0.01


def main() -> int:
    """Run the trials; return 1 if a result differs or memory grows by more than a percent."""
    parser = argparse.ArgumentParser(prog="python -m soak", description=__doc__)
    parser.add_argument("--runs", type=int, default=100_000, help="per trial")
    parser.add_argument("--sessions", type=int, default=1_000, help="made and dropped one after the other")
    arguments = parser.parse_args()
    soak = Soak()
    is_well = True
    trials = (
        lambda: soak.serial(arguments.runs),
        lambda: soak.shared(arguments.runs),
        lambda: soak.separate(arguments.runs),
        lambda: soak.sessions(arguments.sessions),
    )
    for trial in trials:
        outcome = trial()
        print(outcome, flush=True)
        is_well &= outcome.mismatches == 0 and outcome.growth <= MAX_GROWTH
    return 0 if is_well else 1


if __name__ == "__main__":
    sys.exit(main())
