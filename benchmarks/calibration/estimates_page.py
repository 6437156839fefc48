"""Writes ``docs/results/estimated-drops.md`` from the lines of ``benchmarks.calibration.estimates``.

python -m benchmarks.calibration.estimates_page
"""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from zeroskip.files import atomic_write_text

from ..page.words import table
from ..page.wrap import wrap
from .estimates import FILE, EstimatedDrop, load_estimates

_PAGE = Path(__file__).resolve().parents[2] / "docs" / "results" / "estimated-drops.md"

_INTRODUCTION = """# Estimated drops: what a calibration says it costs, and what it truly costs

A calibration's headline is the best estimate of the accuracy that its thresholds cost, with an
interval that covers the choice made by looking (`result.estimate`; how it is made stands in
[calibration](../calibration.md#the-estimate)). Here it is held against pictures that no part of the
calibration saw: neither search nor check nor the thresholds' quantiles. Every calibration has
pictures of its own, half for the search and half for the check; on photographs two random halves of
one set stand against each other. The true drop is a count too: its standard error is given, and in
the interval's share of hits it is not allowed for. Where more than 95 % are covered the interval is
wider than it need be on these networks. The budget holds for the mean: one calibration may be above.

"""
_MEASURES: tuple[tuple[str, Callable[[EstimatedDrop], float]], ...] = (
    ("the estimate", lambda item: item.estimate),
    ("counted over both halves", lambda item: item.counted),
    ("counted on the holdout", lambda item: item.holdout),
)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.calibration.estimates_page", description=__doc__)
    parser.add_argument("--results", type=Path, default=FILE)
    parser.add_argument("--page", type=Path, default=_PAGE)
    options = parser.parse_args(arguments)
    options.page.parent.mkdir(parents=True, exist_ok=True)
    atomic_write_text(options.page, wrap(page(load_estimates(options.results))))
    return 0


def page(items: Sequence[EstimatedDrop]) -> str:
    """Return the page: what was found, by network and budget, which number is worth what, and every calibration.

    Args:
        items: At least one.
    """
    covered = sum(item.is_covered for item in items)
    low, high = min(item.samples for item in items), max(item.samples for item in items)
    budgets = sorted({item.budget for item in items})
    means = "; ".join(f"{_mean(_of(items, budget)):.2f} at a budget of {100 * budget:g}" for budget in budgets)
    summary = textwrap.fill(
        f"**{len(items)} calibrations on {low} to {high} pictures: the mean true drop is {means} points. The 95 % "
        f"interval covers the true drop in {covered} of them ({covered / len(items):.0%}).**",
        100,
    )
    return "".join(
        (
            _INTRODUCTION,
            f"{summary}\n\n",
            "## By network and budget\n\nPoints; mean, and the largest in parentheses.\n\n",
            f"{table(_GROUP_HEADER, _groups(items))}\n\n",
            "## Which number says what\n\nAgainst the true drop, over all calibrations.\n\n",
            f"{table(['number', 'correlation', 'mean error', 'root mean square error'], _measures(items))}\n\n",
            "## Every calibration\n\nPoints. Gained: sparsity over the natural one.\n\n",
            f"{table(_ITEM_HEADER, [_row(item) for item in _sorted(items)])}\n\n",
            "```\npython -m benchmarks.calibration.estimates --data DATA\n```\n",
        )
    )


_GROUP_HEADER = [
    "network",
    "budget",
    "calibrations",
    "gained",
    "estimate",
    "true drop",
    "counted on the holdout",
    "interval covers",
]
_ITEM_HEADER = [
    "network",
    "pictures",
    "budget",
    "gained",
    "estimate",
    "95 % interval",
    "true drop, error",
    "both halves",
    "holdout",
]


def _sorted(items: Sequence[EstimatedDrop]) -> list[EstimatedDrop]:
    return sorted(items, key=lambda item: (item.network, item.budget, item.seed))


def _of(items: Sequence[EstimatedDrop], budget: float) -> list[EstimatedDrop]:
    return [item for item in items if item.budget == budget]


def _mean(items: Sequence[EstimatedDrop]) -> float:
    return 100.0 * float(np.mean([item.true_drop for item in items]))


def _groups(items: Sequence[EstimatedDrop]) -> list[list[str]]:
    rows = []
    for network, budget in sorted({(item.network, item.budget) for item in items}):
        some = [item for item in _of(items, budget) if item.network == network]
        true = [100 * item.true_drop for item in some]
        rows.append(
            [
                network,
                f"{100 * budget:g}",
                str(len(some)),
                f"+{100 * np.mean([item.gain for item in some]):.1f}",
                f"{100 * np.mean([item.estimate for item in some]):.2f}",
                f"{np.mean(true):.2f} ({max(true):.2f})",
                f"{100 * np.mean([item.holdout for item in some]):.2f}",
                f"{sum(item.is_covered for item in some)} of {len(some)}",
            ]
        )
    return rows


def _measures(items: Sequence[EstimatedDrop]) -> list[list[str]]:
    true = np.array([item.true_drop for item in items])
    rows = []
    for name, measure in _MEASURES:
        values = np.array([measure(item) for item in items])
        spread = values.std() * true.std()
        correlation = float(np.mean((values - values.mean()) * (true - true.mean())) / spread) if spread else 0.0
        errors = 100 * (values - true)
        rows.append([name, f"{correlation:.2f}", f"{errors.mean():+.2f}", f"{np.sqrt(np.square(errors).mean()):.2f}"])
    return rows


def _row(item: EstimatedDrop) -> list[str]:
    low, high = item.interval
    return [
        item.network,
        f"{item.samples}",
        f"{100 * item.budget:g}",
        f"+{100 * item.gain:.1f}",
        f"{100 * item.estimate:.2f}",
        f"{100 * low:.2f} to {100 * high:.2f}{'' if item.is_covered else ' (missed)'}",
        f"{100 * item.true_drop:.2f} ± {100 * item.true_error:.2f}",
        f"{100 * item.counted:.2f}",
        f"{100 * item.holdout:.2f}",
    ]


if __name__ == "__main__":
    sys.exit(main())
