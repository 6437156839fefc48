"""How well a calibration knows what it costs: its estimate against pictures that no part of it saw.

What comes out is what ``calibrate`` returns for the same pictures, seed and budget; the budgets of one set of pictures
share its probes and what was run already. Every calibration is one line of a file; those that are there are not made
again, so a run that was ended goes on.

python -m benchmarks.calibration.estimates --data DATA
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from zeroskip import InferenceSession, SessionOptions
from zeroskip.calibration import CalibrationResult
from zeroskip.calibration.network.evaluation import Evaluation, Evaluator
from zeroskip.calibration.options import CalibrationOptions
from zeroskip.calibration.problem import Setting
from zeroskip.calibration.search.finder import Finder, Found
from zeroskip.calibration.search.outcome import outcome
from zeroskip.cli.console import Terminal
from zeroskip.data import Dataset
from zeroskip.metrics import predictions

from .cases import CASES, cifar
from .result import RESULTS

FILE = RESULTS / "estimates.jsonl"
_PICTURES = 10_000
"""Test pictures of CIFAR-10."""
_PROBES = 48
_BATCH = 100
_ACCEPTS = False
"""Whether networks that only guess are calibrated; tests have one."""


@dataclass(frozen=True)
class Plan:
    """The calibrations of one network.

    Args:
        network: Name of the case.
        samples: Pictures of each calibration, half of them for the check.
        unseen: Pictures that the true drop is counted on.
        seeds: How many calibrations under each budget, each on pictures of its own.
        budgets: Largest drops.
    """

    network: str
    samples: int
    unseen: int
    seeds: int
    budgets: tuple[float, ...]


PLANS = (
    Plan("resnet20", 400, 4000, 10, (0.005, 0.01, 0.02)),
    Plan("resnet32", 400, 3000, 3, (0.01, 0.02)),
    Plan("resnet56", 400, 3000, 3, (0.01, 0.02)),
    Plan("squeezenet", 250, 250, 1, (0.01, 0.02)),
)


class EstimatedDrop(BaseModel):
    """One calibration and what it truly cost.

    Attributes:
        network: Name of the case.
        samples: Pictures of the calibration.
        seed: Of the choice of pictures, the split and the sampling.
        budget: Largest drop that was allowed.
        gain: Sparsity over the natural one.
        estimate: Best estimate of the drop.
        interval: Its 95 % interval.
        counted: Drop over both halves as counted.
        holdout: Drop on the holdout as counted.
        optimism: Of the choice; part of the estimate.
        factor: By what expected drops were multiplied.
        unseen: Pictures that no part of the calibration saw.
        lost: Of these, how many only the model as it is gets right.
        won: How many only the one with thresholds gets right.
        seconds: Of the calibration.
    """

    model_config = ConfigDict(frozen=True)

    network: str
    samples: int
    seed: int
    budget: float
    gain: float
    estimate: float
    interval: tuple[float, float]
    counted: float
    holdout: float
    optimism: float
    factor: float
    unseen: int
    lost: int
    won: int
    seconds: float

    @property
    def key(self) -> tuple[str, int, int, float]:
        """What was calibrated."""
        return self.network, self.samples, self.seed, self.budget

    @property
    def true_drop(self) -> float:
        """Drop on the unseen pictures."""
        return (self.lost - self.won) / self.unseen

    @property
    def true_error(self) -> float:
        """Standard error of that."""
        variance = (self.lost + self.won) / self.unseen - self.true_drop**2
        return float(np.sqrt(max(variance, 0.0) / self.unseen))

    @property
    def is_covered(self) -> bool:
        """Whether the true drop lies in the interval."""
        low, high = self.interval
        return low <= self.true_drop <= high


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    options = _parser().parse_args(arguments)
    terminal, known = Terminal(), {item.key for item in load_estimates(options.output)}
    options.output.parent.mkdir(parents=True, exist_ok=True)
    for plan, seed in _order(PLANS):
        budgets = [item for item in plan.budgets if (plan.network, plan.samples, seed, item) not in known]
        for found in _estimated(options.data, plan, seed, budgets):
            with options.output.open("a", encoding="utf-8") as file:
                file.write(found.model_dump_json() + "\n")
            drops = f"estimated {100 * found.estimate:.2f}, truly {100 * found.true_drop:.2f}"
            terminal.note(f"{plan.network}, seed {seed}, budget {found.budget}: {drops}")
    return 0


def load_estimates(path: Path = FILE) -> list[EstimatedDrop]:
    """Return what was measured so far, in order."""
    if not path.exists():
        return []
    return [EstimatedDrop.model_validate_json(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _order(plans: Sequence[Plan]) -> Iterator[tuple[Plan, int]]:
    """Yield the sets of pictures so that the networks take turns, those with few sets at the end."""
    most = max(plan.seeds for plan in plans)
    for turn in range(most):
        for plan in plans:
            seed = turn - (most - plan.seeds)
            if seed >= 0:
                yield plan, seed


def _estimated(folder: Path, plan: Plan, seed: int, budgets: Sequence[float]) -> Iterator[EstimatedDrop]:
    if not budgets:
        return
    data, unseen = pictures(folder, plan, seed)
    options = CalibrationOptions(
        max_drop=budgets[-1],
        metric="top1",
        accept_baseline=_ACCEPTS,
        seed=seed,
        probe_samples=_PROBES,
        threads=1,
        measure_seconds=0.0,
    )
    setting = Setting(_model(folder, plan.network), data, None, options)
    for half in (setting.calibration, setting.holdout):
        _remember(half)
    finder = Finder(setting)
    finder.observe()
    strategy = finder.strategy(options.strategy)
    for budget in budgets:
        started = time.process_time()
        found = Found(finder.search(strategy, setting.budget_of(budget)))
        finder.look(found)
        finder.confirm(found, is_final=True)
        seconds = time.process_time() - started
        result = outcome(setting, finder, found, (), was_interrupted=False, seconds=seconds)
        yield _compared(folder, plan, budget, result, unseen)


def _compared(folder: Path, plan: Plan, budget: float, result: CalibrationResult, unseen: Dataset) -> EstimatedDrop:
    before = right_answers(folder, plan.network, None, unseen)
    after = before if result.is_zero else right_answers(folder, plan.network, result, unseen)
    estimate = result.estimate
    return EstimatedDrop(
        network=plan.network,
        samples=plan.samples,
        seed=result.options.seed,
        budget=budget,
        gain=result.sparsity_after - result.sparsity_before,
        estimate=0.0 if estimate is None else estimate.drop,
        interval=(0.0, 0.0) if estimate is None or estimate.interval is None else estimate.interval,
        counted=0.0 if estimate is None else estimate.counted,
        holdout=result.holdout.drop,
        optimism=0.0 if estimate is None else estimate.optimism or 0.0,
        factor=1.0 if estimate is None else estimate.factor or 1.0,
        unseen=len(unseen),
        lost=int((before & ~after).sum()),
        won=int((after & ~before).sum()),
        seconds=result.seconds,
    )


def _remember(evaluator: Evaluator) -> None:
    """Make an evaluator run the same thresholds only once."""
    known: dict[Any, Evaluation] = {}
    evaluate = evaluator.evaluate

    def remembered(thresholds: Any) -> Evaluation:
        key = tuple((name, np.asarray(value, np.float64).tobytes()) for name, value in sorted(thresholds.items()))
        if key not in known:
            known[key] = evaluate(thresholds)
        return known[key]

    evaluator.evaluate = remembered  # type: ignore[method-assign]


@cache
def _model(folder: Path, network: str) -> bytes:
    return CASES[network].read(folder)


def pictures(folder: Path, plan: Plan, seed: int) -> tuple[Dataset, Dataset]:
    """Return pictures to calibrate on and others: every seed has its own of CIFAR-10, of photographs a random half."""
    if plan.network.startswith("resnet"):
        first = seed * plan.samples
        rest = _PICTURES - plan.unseen
        if first + plan.samples <= rest:
            return cifar(folder, first, first + plan.samples), cifar(folder, rest, _PICTURES)
        every = cifar(folder, 0, _PICTURES)
        chosen = np.arange(first, first + plan.samples)
        others = np.setdiff1d(every.indices, chosen)[: plan.unseen]
        return cifar(folder, first, first + plan.samples), replace(every, indices=others)
    data = CASES[plan.network].data(folder, plan.samples + plan.unseen)
    return data.split(plan.samples / len(data), seed=1000 + seed)


_DENSE: dict[tuple[str, bytes], NDArray[np.int64]] = {}


def right_answers(folder: Path, network: str, result: CalibrationResult | None, data: Dataset) -> NDArray[np.bool_]:
    """Return which pictures a network gets right: by the labels, or as the network as it is where agreement counts."""
    dense = _dense_answers(folder, network, data)
    answers = dense if result is None else _answers(result.apply(_model(folder, network)).to_bytes(), data)
    truth = dense if CASES[network].metric == "agreement" else data.labels
    return np.asarray(answers == truth)


def _dense_answers(folder: Path, network: str, data: Dataset) -> NDArray[np.int64]:
    """Return the answers of a network as it is, which runs on every set of pictures once."""
    key = (network, np.asarray(data.indices).tobytes())
    if key not in _DENSE:
        _DENSE[key] = _answers(_model(folder, network), data)
    return _DENSE[key]


def _answers(model: bytes, data: Dataset) -> NDArray[np.int64]:
    session = InferenceSession(model, SessionOptions(intra_op_num_threads=1))
    (name,) = (item.name for item in session.get_inputs())
    parts = (replace(data, indices=data.indices[start : start + _BATCH]) for start in range(0, len(data), _BATCH))
    return np.concatenate([predictions(session.run(None, {name: part.array()})[0]) for part in parts])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.calibration.estimates", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="as for benchmarks.calibration.run")
    parser.add_argument("--output", type=Path, default=FILE, help="lines are added to it")
    return parser


if __name__ == "__main__":
    sys.exit(main())
