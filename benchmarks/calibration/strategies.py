"""Strategies against each other: sparsity, drop on pictures that no part of the procedure saw, time, speed.

Every row is what ``zeroskip.calibrate`` returns for so many pictures, a seed and a budget; each is one line of a file.
Rows that are there are not made again, so a run that was ended goes on, and any part of the whole table can be asked
for. Speeds are measured apart (``--speeds``), on a machine that does nothing else.

python -m benchmarks.calibration.strategies --data DATA --network resnet20 --strategy sensitivity,blockwise
python -m benchmarks.calibration.strategies --data DATA --speeds
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel, ConfigDict

from zeroskip import InferenceSession, SessionOptions, calibrate, quantize
from zeroskip.analysis import ModelInput
from zeroskip.calibration import CalibrationResult, MeasuredSpeed
from zeroskip.calibration.network.timing import measured_speed, speed_of
from zeroskip.cli.console import Terminal
from zeroskip.data import Dataset
from zeroskip.engine.native import machine
from zeroskip.files import atomic_write_bytes, atomic_write_text
from zeroskip.system import cpu_model

from ..lists import floats, integers, words
from ..page.words import table
from .cases import CASES
from .estimates import Plan, pictures, right_answers
from .result import RESULTS

FILE = RESULTS / "strategies.jsonl"
_ACCEPTS = False
"""Whether networks that only guess are calibrated; tests have one."""
_SPEED_INPUTS = 4
_QUANTIZED_FROM = 32
_AGREEMENT = 0.03
"""By how much two measurements of a speed may differ to be believed."""

STRATEGIES: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "greedy": {"strategy": "greedy"},
        "energy": {"strategy": "energy"},
        "sensitivity by model": {"strategy": "sensitivity", "costs": "model"},
        "sensitivity": {"strategy": "sensitivity"},
        "least squares": {"strategy": "sensitivity", "compensation": "reconstruct"},
        "block-wise": {"strategy": "blockwise"},
        "least squares or block-wise": {"strategy": "blockwise", "compensation": "reconstruct"},
        "block-wise distilled": {"strategy": "blockwise", "distillation": True},
        "sensitivity for zeros": {"strategy": "sensitivity", "costs": "macs"},
        "block-wise for zeros": {"strategy": "blockwise", "costs": "macs"},
    }
)
"""What is compared, in the order of the table: the paper's search, equal energy, sensitivity with the worth of zeros by
the cost model and as measured, with weights by least squares, block-wise learning, what is better of the two, and
learning with distillation; then two by the multiplications that zeros save, whether or not that saves time."""
_UNSEEN = {"resnet20": 4000, "resnet32": 3000, "resnet56": 3000}
_PHOTOS = 500


class Row(BaseModel):
    """One calibration and what it truly cost.

    Attributes:
        network: Name of the case.
        strategy: Of :data:`STRATEGIES`.
        samples: Pictures of the calibration.
        seed: Of the choice of pictures, the split and the sampling.
        budget: Largest drop that was allowed.
        taken: Strategy of the outcome; learning may have been no better than the plain one.
        natural: Sparsity of the model as it is.
        sparsity: With thresholds.
        estimate: Best estimate of the drop.
        unseen: Pictures that no part of the calibration saw.
        lost: Of these, how many only the model as it is gets right.
        won: How many only the one with thresholds gets right.
        cpu_seconds: Processor time of the calibration.
        predicted_speedup: By what the search went by.
        cpu: Processor.
        isa: Instruction set.
        speed: Over the model as it is, as measured; None where it was not, or two measurements did not agree.
        int8_speed: The same of both models as integers.
    """

    model_config = ConfigDict(frozen=True)

    network: str
    strategy: str
    samples: int
    seed: int
    budget: float
    taken: str
    natural: float
    sparsity: float
    estimate: float
    unseen: int
    lost: int
    won: int
    cpu_seconds: float
    predicted_speedup: float
    cpu: str
    isa: str
    speed: MeasuredSpeed | None = None
    int8_speed: MeasuredSpeed | None = None

    @property
    def key(self) -> tuple[str, str, int, int, float]:
        """What was calibrated."""
        return self.network, self.strategy, self.samples, self.seed, self.budget

    @property
    def stem(self) -> str:
        """What the file of its model is called."""
        return f"{self.network}.{self.strategy.replace(' ', '-')}.{self.samples}.{self.seed}.{self.budget}"

    @property
    def gain(self) -> float:
        """Sparsity over the natural one, in points."""
        return 100 * (self.sparsity - self.natural)

    @property
    def true_drop(self) -> float:
        """Drop on the unseen pictures, in points."""
        return 100 * (self.lost - self.won) / self.unseen


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    options = _parser().parse_args(arguments)
    terminal = Terminal()
    options.output.parent.mkdir(parents=True, exist_ok=True)
    if options.speeds:
        rows = [_timed(row, options) for row in load_rows(options.output)]
        atomic_write_text(options.output, "".join(row.model_dump_json() + "\n" for row in rows))
        return 0
    known = {row.key for row in load_rows(options.output)}
    for key in _wanted(options):
        if key in known:
            continue
        row = _calibrated(key, options)
        with options.output.open("a", encoding="utf-8") as file:
            file.write(row.model_dump_json() + "\n")
        terminal.note(f"{row.stem}: {row.gain:+.1f} points, truly {row.true_drop:.2f}, {row.cpu_seconds:.0f} s of CPU")
    return 0


def load_rows(path: Path = FILE) -> list[Row]:
    """Return what was measured so far, in order."""
    if not path.exists():
        return []
    return [Row.model_validate_json(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _wanted(options: argparse.Namespace) -> Iterator[tuple[str, str, int, int, float]]:
    return itertools.product(options.network, options.strategy, options.samples, range(options.seeds), options.budget)


def _calibrated(key: tuple[str, str, int, int, float], options: argparse.Namespace) -> Row:
    network, strategy, samples, seed, budget = key
    case = CASES[network]
    unseen_count = _UNSEEN.get(network, _PHOTOS - samples)
    data, unseen = pictures(options.data, Plan(network, samples, unseen_count, 1, (budget,)), seed)
    model = case.read(options.data)
    started = time.process_time()
    result = calibrate(
        model, data, budget, metric=case.metric, seed=seed, threads=options.threads, measure_seconds=0.0,
        accept_baseline=_ACCEPTS, **STRATEGIES[strategy],
    )  # fmt: skip
    seconds = time.process_time() - started
    before = right_answers(options.data, network, None, unseen)
    after = before if result.is_zero else right_answers(options.data, network, result, unseen)
    row = Row(
        network=network,
        strategy=strategy,
        samples=samples,
        seed=seed,
        budget=budget,
        taken=result.strategy,
        natural=result.sparsity_before,
        sparsity=result.sparsity_after,
        estimate=0.0 if result.estimate is None else result.estimate.drop,
        unseen=len(unseen),
        lost=int((before & ~after).sum()),
        won=int((after & ~before).sum()),
        cpu_seconds=seconds,
        predicted_speedup=result.predicted_speedup,
        cpu=cpu_model(),
        isa=machine(options.threads, None)[0],
    )
    _write_model(options.models, row, result, model)
    return row


def _write_model(folder: Path | None, row: Row, result: CalibrationResult, model: bytes) -> None:
    if folder is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    atomic_write_bytes(folder / f"{row.stem}.onnx", model if result.is_zero else result.apply(model).to_bytes())


def _timed(row: Row, options: argparse.Namespace) -> Row:
    """Return the row with its speeds, if its model is there and was not timed yet."""
    path = None if options.models is None else options.models / f"{row.stem}.onnx"
    if path is None or not path.exists() or row.network not in options.network:
        return row
    models = (CASES[row.network].read(options.data), path.read_bytes())
    data = CASES[row.network].data(options.data, _SPEED_INPUTS)
    found: dict[str, MeasuredSpeed | None] = {}
    if row.speed is None:
        found["speed"] = _agreed_speed(models, data, options)
    if options.int8 and row.int8_speed is None:
        integers = [_as_integers(model, row.network, options.data, options.threads) for model in models]
        found["int8_speed"] = _agreed_speed(integers, data, options)
    return row.model_copy(update=found)


def _agreed_speed(models: Sequence[bytes], data: Dataset, options: argparse.Namespace) -> MeasuredSpeed | None:
    """Return how many times faster the second model is than the first; None where two measurements do not agree."""
    settings = SessionOptions(intra_op_num_threads=options.threads)
    before, after = (InferenceSession(model, settings) for model in models)
    feeds = [feed for feed, _ in ModelInput.of(before).feeds(data, 1)]
    speeds = []
    for _ in range(2):
        ratios, end = [], time.perf_counter() + options.time
        while not ratios or time.perf_counter() < end:  # one measurement of a small network is over in no time
            ratios.append(measured_speed(before, after, feeds, options.time, options.threads).ratio)
        speeds.append(speed_of(ratios, options.threads, 1))
    is_agreed = abs(speeds[0].ratio - speeds[1].ratio) <= _AGREEMENT
    return speed_of([speed.ratio for speed in speeds], options.threads, 1) if is_agreed else None


@cache
def _as_integers(model: bytes, network: str, folder: Path, threads: int) -> bytes:
    """Return a model as integers, whatever they cost: only its time is asked for."""
    data = CASES[network].data(folder, _QUANTIZED_FROM)
    made = quantize(model, data, 0.2, metric="agreement", max_information_loss=1e9, threads=threads)
    return made.quantized.to_bytes()


def tables(rows: Sequence[Row]) -> str:
    """Return Markdown: one line for each network, strategy, number of pictures and budget, means over the seeds.

    Args:
        rows: At least one.
    """
    names = list(STRATEGIES)
    ordered = sorted(rows, key=lambda row: (row.network, row.samples, row.budget, names.index(row.strategy), row.seed))
    groups = itertools.groupby(ordered, key=lambda row: (row.network, row.samples, row.budget, row.strategy))
    header = ["network, natural", "pictures", "budget", "strategy", "seeds", "sparsity", "estimated drop", "true drop",
              "CPU time", "speed over exact, float32", "int8"]  # fmt: skip
    lines = [_line(list(group)) for _, group in groups]
    where = f"{rows[0].cpu}, {rows[0].isa}, 1 thread"
    what = f"{len(rows)} calibrations ({where}); sparsity gained and drops in points, means over the seeds."
    return f"\n{table(header, lines)}\n\n{what}\n\n"


def _line(group: Sequence[Row]) -> list[str]:
    first = group[0]
    kept = sum(row.taken == "blockwise" for row in group)
    note = "" if STRATEGIES[first.strategy]["strategy"] != "blockwise" else f" (kept in {kept} of {len(group)})"
    return [
        f"{first.network}, {statistics.mean(row.natural for row in group):.1%}",
        f"{first.samples}, {first.unseen} unseen",
        f"{100 * first.budget:g}",
        first.strategy + note,
        str(len(group)),
        f"{_mean(row.gain for row in group):+.1f}",
        f"{_mean(100 * row.estimate for row in group):.2f}",
        f"{_mean(row.true_drop for row in group):.2f}",
        f"{_mean(row.cpu_seconds for row in group):.0f} s",
        _speed_cell([row.speed for row in group]),
        _speed_cell([row.int8_speed for row in group]),
    ]


def _speed_cell(speeds: Sequence[MeasuredSpeed | None]) -> str:
    ratios = [speed.ratio for speed in speeds if speed is not None]
    return f"{statistics.mean(ratios):.2f}x" if ratios else ""


def _mean(values: Iterator[float]) -> float:
    return statistics.mean(values)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.calibration.strategies", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="as for benchmarks.calibration.run")
    parser.add_argument("--network", type=words, default=list(CASES), metavar="NAME,...")
    parser.add_argument("--strategy", type=words, default=list(STRATEGIES), metavar="NAME,...")
    parser.add_argument("--samples", type=integers, default=[64, 250, 500], metavar="COUNT,...")
    parser.add_argument("--budget", type=floats, default=[0.005, 0.01, 0.02], metavar="DROP,...")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--models", type=Path, help="folder for the models, to be timed by --speeds")
    parser.add_argument("--speeds", action="store_true", help="time the models that lack it, and nothing else")
    parser.add_argument("--int8", action="store_true", help="time them as integers, too")
    parser.add_argument("--time", type=float, default=3.0, help="seconds for each model")
    parser.add_argument("--output", type=Path, default=FILE, help="lines are added to it")
    return parser


if __name__ == "__main__":
    sys.exit(main())
