"""Times the models that ``benchmarks.calibration.run --models`` wrote, and adds what it measures to the results.

python -m benchmarks.calibration.speed --data DATA --models MODELS --network resnet20
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from zeroskip import InferenceSession, SessionOptions
from zeroskip.analysis import ModelInput
from zeroskip.calibration.network.timing import measured_speed
from zeroskip.cli.console import Terminal

from ..lists import floats, words
from .cases import CASES
from .methods import METHODS
from .result import BUDGETS, RESULTS, BudgetPoint, MethodResult
from .run import model_file

_INPUTS = 4


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    options = _parser().parse_args(arguments)
    terminal = Terminal()
    for name in options.network:
        session = _session(options.models / f"{name}.onnx", options.threads)
        data = CASES[name].data(options.data, _INPUTS)
        feeds = [feed for feed, _ in ModelInput.of(session).feeds(data, 1)]
        for method in options.method:
            for path in sorted(options.results.glob(f"{name}.{method}.*.json")):
                result = MethodResult.load(path)
                points = tuple(_timed(result, point, session, feeds, options) for point in result.points)
                result.model_copy(update={"points": points}).save(path)
                ratios = [point.speed.ratio for point in points if point.speed is not None]
                terminal.note(f"{result.stem}: {', '.join(f'{ratio:.2f}' for ratio in ratios)}")
    return 0


def _timed(
    result: MethodResult,
    point: BudgetPoint,
    session: InferenceSession,
    feeds: Sequence[Mapping[str, Any]],
    options: argparse.Namespace,
) -> BudgetPoint:
    path = model_file(options.models, result, point.budget)
    if point.budget not in options.budget or not path.exists():
        return point
    speed = measured_speed(session, _session(path, options.threads), feeds, options.time, options.threads)
    return point.model_copy(update={"speed": speed})


def _session(path: Path, threads: int) -> InferenceSession:
    return InferenceSession(path, SessionOptions(intra_op_num_threads=threads))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.calibration.speed", description="Time the models.")
    parser.add_argument("--data", type=Path, required=True, help="as for benchmarks.calibration.run")
    parser.add_argument("--models", type=Path, required=True, help="folder that it wrote the models to")
    parser.add_argument("--network", type=words, default=list(CASES), metavar="NAME,...")
    parser.add_argument("--method", type=words, default=list(METHODS), metavar="NAME,...")
    parser.add_argument("--budget", type=floats, default=list(BUDGETS), metavar="DROP,...")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--time", type=float, default=6.0, help="seconds for each model")
    parser.add_argument("--results", type=Path, default=RESULTS)
    return parser


if __name__ == "__main__":
    sys.exit(main())
