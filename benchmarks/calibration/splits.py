"""Few inputs: what a calibration on a few hundred pictures finds, and what that really costs on thousands of others.

Many small sets of pictures are calibrated on, each twice: with likely drops guiding the search, as ``calibrate``
does, and with counted ones alone. The drop is then counted on pictures that none of them saw.

python -m benchmarks.calibration.splits --data DATA
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict

from zeroskip import InferenceSession, SessionOptions
from zeroskip.calibration.judging.metric import ClassMetric
from zeroskip.calibration.options import CalibrationOptions
from zeroskip.calibration.problem import Setting
from zeroskip.cli.console import Terminal
from zeroskip.data import Dataset
from zeroskip.metrics import top1
from zeroskip.saved_value import SavedValue

from ..page.words import table
from .cases import CASES, cifar
from .methods import METHODS, Comparison
from .result import BUDGETS, RESULTS

NAME = Path("splits", "resnet20.json")
"""Of the file among the results of calibrations."""
_UNSEEN = (7000, 10000)
"""Test pictures that no calibration sees."""
_METHOD = METHODS["sensitivity"]


class SmallSet(BaseModel):
    """What came out on one small set under one budget.

    Attributes:
        first: Its first test picture.
        is_counted: Whether counted drops alone guided the search.
        budget: Largest drop that was allowed.
        gain: Sparsity over the natural one.
        drop: On the holdout.
        unseen_drop: On the pictures that no calibration saw.
    """

    model_config = ConfigDict(frozen=True)

    first: int
    is_counted: bool
    budget: float
    gain: float
    drop: float
    unseen_drop: float


class SplitsResult(SavedValue):
    """All of them.

    Attributes:
        samples: Pictures in a set, half of them for the check.
        unseen: Pictures that the true drop was counted on.
        sets: By set, then by guidance, then by budget.
        command: How to repeat it.
    """

    _what: ClassVar[str] = "a benchmark of small calibration sets"

    samples: int
    unseen: int
    sets: tuple[SmallSet, ...]
    command: str


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.sets * options.samples > _UNSEEN[0]:
        parser.error(f"{options.sets} sets of {options.samples} pictures reach into those that none may see")
    model, terminal = CASES["resnet20"].read(options.data), Terminal()
    unseen = cifar(options.data, *_UNSEEN)
    sets = []
    for first in range(0, options.sets * options.samples, options.samples):
        data = cifar(options.data, first, first + options.samples)
        for is_counted in (False, True):
            found = list(_found(model, data, first, is_counted, unseen))
            sets += found
            gains = ", ".join(f"{100 * item.gain:.1f} ({100 * item.unseen_drop:.2f})" for item in found)
            terminal.note(f"pictures from {first}, {'counted' if is_counted else 'likely'}: {gains}")
    command = f"python -m benchmarks.calibration.splits --data DATA --samples {options.samples} --sets {options.sets}"
    result = SplitsResult(samples=options.samples, unseen=len(unseen), sets=tuple(sets), command=command)
    path = RESULTS / NAME
    path.parent.mkdir(parents=True, exist_ok=True)
    result.save(path)
    return 0


def tables(result: SplitsResult) -> str:
    """Return Markdown: gains and true drops by budget, by what guided the search."""
    header = ["guided by", *(f"{100 * budget:g} points" for budget in BUDGETS)]
    rows = [
        [words, *(_cell([item for item in result.sets if item.is_counted == is_counted], budget) for budget in BUDGETS)]
        for is_counted, words in ((True, "counted drops"), (False, "likely drops"))
    ]
    sets = len({item.first for item in result.sets})
    return (
        f"\nResNet-20, {sets} sets of {result.samples} pictures: sparsity gained, mean (least to most); drop on "
        f"{result.unseen} pictures that none saw, mean (worst), in points\n\n{table(header, rows)}\n\n"
        f"```\n{result.command}\n```\n\n"
    )


def _cell(items: Sequence[SmallSet], budget: float) -> str:
    gains, drops = (
        [100 * value for value in values]
        for values in zip(*((item.gain, item.unseen_drop) for item in items if item.budget == budget), strict=True)
    )
    gained = f"+{statistics.mean(gains):.1f} ({min(gains):.1f} to {max(gains):.1f})"
    return f"{gained}; {statistics.mean(drops):.2f} ({max(drops):.2f})"


def _found(model: bytes, data: Dataset, first: int, is_counted: bool, unseen: Dataset) -> Iterator[SmallSet]:
    setting = Setting(model, data, None, CalibrationOptions(max_drop=BUDGETS[-1], metric="top1", threads=1))
    if is_counted:
        assert isinstance(setting.metric.metric, ClassMetric)
        setting.metric = replace(setting.metric, metric=replace(setting.metric.metric, confidence=None))
    results, _, _ = Comparison(setting).run(_METHOD)
    right = _right(model, unseen)
    for budget, result in zip(BUDGETS, results, strict=True):
        yield SmallSet(
            first=first,
            is_counted=is_counted,
            budget=budget,
            gain=result.sparsity_after - result.sparsity_before,
            drop=result.holdout.drop,
            unseen_drop=right - _right(result.apply(model).to_bytes(), unseen),
        )


def _right(model: bytes, data: Dataset) -> float:
    session = InferenceSession(model, SessionOptions(intra_op_num_threads=1))
    (name,) = (item.name for item in session.get_inputs())
    (outputs,) = session.run(None, {name: data.array()})
    return top1(outputs, np.asarray(data.labels))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.calibration.splits", description="Few inputs.")
    parser.add_argument("--data", type=Path, required=True, help="as for benchmarks.calibration.run")
    parser.add_argument("--samples", type=int, default=400, help="pictures in a set, half of them for the check")
    parser.add_argument("--sets", type=int, default=10)
    return parser


if __name__ == "__main__":
    sys.exit(main())
