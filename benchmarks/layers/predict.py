"""How well the cost model predicts the convolutions of real networks, and how good the choices made by it are.

    python -m benchmarks.layers.predict --network resnet18,resnet50 --threads 1,2

All different layers of a network are steps of one plan, so that weights are as cold as in the network. Dense,
sparse and automatic plans take turns. Values are random, their zeros lie together as in real activations. The clock
of a shared machine wanders: ``speed`` is the median of predicted over measured times, and errors are what is left
when it is taken out; the last line also tells the errors with it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zeroskip.cli.console import Terminal
from zeroskip.engine import CostModel, Plan, fitted_cost_model
from zeroskip.engine.cost import with_crossovers
from zeroskip.engine.cost.synthetic import Algorithm, SyntheticPlan
from zeroskip.engine.cost.zeros import clustered_values
from zeroskip.engine.native import CompiledPlan, compile_plan, new_weight_store
from zeroskip.engine.show.table import format_table
from zeroskip.system import physical_cores

from ..lists import floats, integers, words
from .run import layer_table

_NETWORKS = ("resnet18", "resnet50")
_SPARSITIES = (0.0, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95)
_ALGORITHMS: tuple[Algorithm, ...] = ("dense", "sparse", "auto")
_FORCED: tuple[Algorithm, ...] = ("dense", "sparse")
_ITERATIONS = 2


@dataclass(frozen=True)
class Comparison:
    """The layers of one network at one sparsity; arrays are float64 ``[layers]``, times in ms.

    Args:
        sparsity: Fraction of zeros.
        layers: Their names.
        measured: By algorithm, medians over the rounds.
        predicted: By algorithm.
        regret: The automatic choice's time over that of the better algorithm, median over the rounds.
    """

    sparsity: float
    layers: tuple[str, ...]
    measured: dict[Algorithm, NDArray[np.float64]]
    predicted: dict[Algorithm, NDArray[np.float64]]
    regret: NDArray[np.float64]

    @property
    def speed(self) -> float:
        """Median of predicted over measured times."""
        return float(
            np.median(
                [self.predicted["dense"] / self.measured["dense"], self.predicted["sparse"] / self.measured["sparse"]]
            )
        )

    def errors(self, algorithm: Algorithm, speed: float = 1.0) -> NDArray[np.float64]:
        """Return the relative errors without sign of the layers' predictions at a speed."""
        return np.asarray(np.abs(self.predicted[algorithm] / self.measured[algorithm] / speed - 1))


def compare(network: str, threads: int, sparsities: Sequence[float], rounds: int, model: CostModel) -> list[Comparison]:
    """Measure the layers of a network and predict them.

    Args:
        network: Key of ``NETWORKS``.
        threads: Threads.
        sparsities: Fractions of zeros.
        rounds: Interleaved repetitions, of which medians are taken.
        model: What predicts and chooses.
    """
    weights = new_weight_store()
    plans = {algorithm: with_crossovers(_plan(network, algorithm), model) for algorithm in _ALGORITHMS}
    compiled = {algorithm: compile_plan(plan, weights, threads, model.isa) for algorithm, plan in plans.items()}
    layers = tuple(shape.name for shape, _ in layer_table(network))
    return [_compare(layers, compiled, sparsity, rounds, model) for sparsity in sparsities]


def _plan(network: str, algorithm: Algorithm) -> Plan:
    plan = SyntheticPlan()
    for shape, _ in layer_table(network):
        x = plan.map(1, shape.inputs, shape.height, shape.width)
        plan.convolution(x, shape.outputs, shape.kernel, shape.stride, algorithm=algorithm)
    return plan.freeze()


def _compare(
    layers: tuple[str, ...], compiled: dict[Algorithm, CompiledPlan], sparsity: float, rounds: int, model: CostModel
) -> Comparison:
    plan = compiled["auto"].plan
    feed = [clustered_values(plan.tensors[index].shape, (1 - sparsity,))[0] for index in plan.inputs]
    steps = [index for index, step in enumerate(plan.steps) if step.op == "conv"]
    times: dict[Algorithm, list[Any]] = {algorithm: [] for algorithm in _ALGORITHMS}
    for _ in range(rounds):
        for algorithm in _ALGORITHMS:
            measured = compiled[algorithm].profile(feed, _ITERATIONS)
            times[algorithm].append([measured[index]["min_ms"] for index in steps])
    taken = {algorithm: np.array(times[algorithm]) for algorithm in _ALGORITHMS}
    dense = np.array([model.dense_ms(plan, plan.steps[index]) for index in steps])
    sparse = np.array([model.sparse_ms(plan, plan.steps[index], 1 - sparsity) for index in steps])
    return Comparison(
        sparsity,
        layers,
        {algorithm: np.median(taken[algorithm], axis=0) for algorithm in _ALGORITHMS},
        {"dense": dense, "sparse": sparse, "auto": np.minimum(dense, sparse)},
        np.median(taken["auto"] / np.minimum(taken["dense"], taken["sparse"]), axis=0),
    )


def as_text(comparisons: Sequence[Comparison]) -> str:
    """Return a table with a row for each sparsity and one for all of them."""
    header = ["sparsity", "speed", "dense ms", "sparse ms", "auto ms", "predicted", "error d", "error s", "regret"]
    rows = [
        [
            f"{item.sparsity:.2f}",
            f"{item.speed:.2f}",
            *(f"{item.measured[algorithm].sum():.2f}" for algorithm in _ALGORITHMS),
            f"{item.predicted['auto'].sum():.2f}",
            *(f"{100 * np.median(item.errors(algorithm, item.speed)):.0f}%" for algorithm in _FORCED),
            f"{_geometric_mean(item.regret):.3f}",
        ]
        for item in comparisons
    ]
    regret = np.concatenate([item.regret for item in comparisons])
    raw = np.concatenate([item.errors(algorithm) for item in comparisons for algorithm in _FORCED])
    errors = np.concatenate([item.errors(algorithm, item.speed) for item in comparisons for algorithm in _FORCED])
    worst = max(comparisons, key=lambda item: float(item.regret.max()))
    summary = (
        f"all: median error {100 * np.median(errors):.0f}% ({100 * np.median(raw):.0f}% with speed); "
        f"automatic over the better algorithm: geometric mean "
        f"{_geometric_mean(regret):.3f}, 95th percentile {np.quantile(regret, 0.95):.2f}, worst {regret.max():.2f} "
        f"({worst.layers[int(worst.regret.argmax())]} at {worst.sparsity})"
    )
    return f"{format_table(header, rows, right_aligned=header)}\n{summary}"


def _geometric_mean(values: NDArray[np.float64]) -> float:
    return float(np.exp(np.log(values).mean()))


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    options = _parser().parse_args(arguments)
    terminal = Terminal()
    for threads in options.threads:
        model = fitted_cost_model(options.isa, threads, refit=options.refit)
        terminal.note(model.summary())
        for network in options.network:
            comparisons = compare(network, threads, options.sparsity, options.rounds, model)
            print(f"{network}, {threads} threads, {model.isa}\n{as_text(comparisons)}\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.layers.predict", description="Compare predicted and measured times of layers."
    )
    parser.add_argument("--network", type=words, default=list(_NETWORKS))
    parser.add_argument("--sparsity", type=floats, default=list(_SPARSITIES))
    parser.add_argument("--threads", type=integers, default=[physical_cores()])
    parser.add_argument("--isa")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--refit", action="store_true", help="measure the machine anew first")
    return parser


if __name__ == "__main__":
    sys.exit(main())
