"""Calibrates trained networks by several methods and saves one JSON file for each.

python -m benchmarks.calibration.run --data DATA                 # everything; DATA has imagenet_calib, cifar10, ...
python -m benchmarks.calibration.run --data DATA --network resnet20 --method sensitivity,energy --samples 400
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from zeroskip.calibration import CalibrationResult
from zeroskip.calibration.options import CalibrationOptions
from zeroskip.calibration.problem import Setting
from zeroskip.calibration.search.search import Search
from zeroskip.cli.console import Terminal
from zeroskip.errors import ZeroskipError
from zeroskip.files import atomic_write_bytes
from zeroskip.onnx import is_branch
from zeroskip.system import cpu_model

from ..lists import words
from .cases import CASES
from .methods import METHODS, Comparison
from .result import BUDGETS, RESULTS, BudgetPoint, MethodResult


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    options = _parser().parse_args(arguments)
    terminal = Terminal()
    failures = 0
    for name in options.network:
        try:
            _run(name, options, terminal)
        except ZeroskipError as error:
            terminal.note(f"{name}: {error}")
            failures += 1
    return 1 if failures else 0


def _run(name: str, options: argparse.Namespace, terminal: Terminal) -> None:
    case = CASES[name]
    model, data = case.read(options.data), case.data(options.data, options.samples)
    wanted = CalibrationOptions(
        metric=case.metric, probe_samples=options.probe_samples, threads=options.threads, seed=options.seed
    )

    @cache
    def comparison_of(branches: bool) -> Comparison:
        return Comparison(Setting(model, data, None, replace(wanted, branches=branches)))

    for method in options.method:
        comparison = comparison_of(METHODS[method].branches)
        if METHODS[method].branches and not any(map(is_branch, comparison.setting.network.readers)):
            terminal.note(f"{name}, {method}: no convolution shares its input with others")
            continue
        results, search, seconds = comparison.run(METHODS[method])
        common = {
            "network": name,
            "method": method,
            "seed": options.seed,
            "cpu_seconds": seconds,
            "command": _command(name, options),
        }
        result = _summary(comparison.setting, results, search, common)
        options.results.mkdir(parents=True, exist_ok=True)
        result.save(options.results / f"{result.stem}.json")
        if options.models is not None:
            _write_models(options.models, model, result, results)
        points = ", ".join(f"{100 * point.budget:g}: {point.sparsity:.1%}" for point in result.points)
        terminal.note(f"{name}, {method}: {result.sparsity_before:.1%} -> {points}; {seconds:.0f} s of CPU")


def _summary(
    setting: Setting, results: Sequence[CalibrationResult], search: Search, common: Mapping[str, object]
) -> MethodResult:
    first = results[0]
    return MethodResult.model_validate(
        {
            **common,
            "metric": first.metric,
            "calibration_samples": first.calibration.samples,
            "holdout_samples": first.holdout.samples,
            "probe_samples": len(setting.probes.data),
            "sparsity_before": first.sparsity_before,
            "max_information_loss": setting.budget_of(0.01).max_information_loss,
            "points": tuple(_point(budget, result) for budget, result in zip(BUDGETS, results, strict=True)),
            "trials": tuple(search.trials),
            "cpu": cpu_model(),
            "isa": setting.network.program.isa,
        }
    )


def _point(budget: float, result: CalibrationResult) -> BudgetPoint:
    return BudgetPoint(
        budget=budget,
        sparsity=result.sparsity_after,
        predicted_speedup=result.predicted_speedup,
        drop=result.holdout.drop,
        interval=result.holdout.interval,
        information_loss=result.holdout.information_loss,
        kept_corrections=len(result.layers),
    )


def model_file(folder: Path, result: MethodResult, budget: float) -> Path:
    """Return where the model is kept that came out under a budget."""
    return folder / f"{result.stem}.{budget}.onnx"


def _write_models(folder: Path, model: bytes, summary: MethodResult, results: Sequence[CalibrationResult]) -> None:
    """Write what is to be timed: the model as it is, and one for each budget under which something passed."""
    folder.mkdir(parents=True, exist_ok=True)
    atomic_write_bytes(folder / f"{summary.network}.onnx", model)
    for point, result in zip(summary.points, results, strict=True):
        if not result.is_zero:
            path = model_file(folder, summary, point.budget)
            atomic_write_bytes(path, result.apply(model).to_bytes())


def _command(network: str, options: argparse.Namespace) -> str:
    probes = f"--probe-samples {options.probe_samples} " if options.probe_samples else ""
    return (
        f"python -m benchmarks.calibration.run --data DATA --network {network} --samples {options.samples} "
        f"{probes}--threads {options.threads} --seed {options.seed} --models MODELS"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.calibration.run", description="Calibrate networks.")
    parser.add_argument("--data", type=Path, required=True, help="folder of imagenet_calib, cifar10 and so on")
    parser.add_argument("--network", type=words, default=list(CASES), metavar="NAME,...")
    parser.add_argument("--method", type=words, default=list(METHODS), metavar="NAME,...")
    parser.add_argument("--samples", type=int, default=200, help="inputs, half of them for the check")
    parser.add_argument("--probe-samples", type=int, help="by default what calibrate takes")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0, help="of the split")
    parser.add_argument("--models", type=Path, help="folder for the models, to be timed afterwards")
    parser.add_argument("--results", type=Path, default=RESULTS)
    return parser


if __name__ == "__main__":
    sys.exit(main())
