"""Times whole networks with weights stored as float32, bf16 and fp16, in turns, by kind of layer.

python -m benchmarks.weights.run --network resnet50,vgg16 --sparsity 0.5,0.8 --threads 1,2

Inside a whole network every layer meets its weights as they really are: evicted by the other layers' weights.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter

import numpy as np

from zeroskip import InferenceSession, SessionOptions
from zeroskip.cli.console import Terminal
from zeroskip.engine.options import WEIGHT_STORAGES
from zeroskip.engine.show.step_times import StepProfile
from zeroskip.engine.show.table import format_table
from zeroskip.system import cpu_model

from ..models.cases import Case, random_cases
from ..models.networks import NETWORKS
from ..models.networks.graph import INPUT

_SMALL_MAP = 7
_GROUPS = ("convolutions over 7x7", "convolutions to 7x7", "fully connected", "whole network")


def kind_of(step: StepProfile) -> str:
    """Return the group of layers a step is reported with, or nothing."""
    if step.op.startswith("linear"):
        return "fully connected"
    if not step.op.startswith("conv"):
        return ""
    return _GROUPS[step.output_shape[2] <= _SMALL_MAP]


def time_case(case: Case, threads: int, rounds: int, iterations: int) -> dict[str, dict[str, list[float]]]:
    """Return milliseconds by storage, group of layers and round.

    Args:
        case: Network and input.
        threads: Threads.
        rounds: In each of which the storages take turns.
        iterations: Runs of one turn; its median counts.
    """
    feed = {INPUT: case.data.subset(1).array()}
    options = [SessionOptions(intra_op_num_threads=threads, weight_storage=name) for name in WEIGHT_STORAGES]
    sessions = {option.weight_storage: InferenceSession(case.model, option) for option in options}
    times: dict[str, dict[str, list[float]]] = {name: {group: [] for group in _GROUPS} for name in sessions}
    for turn in range(rounds + 1):  # the first one warms up
        for name, session in sessions.items():
            total: Counter[str] = Counter()
            for step in session.profile(feed, iterations).steps:
                total.update({"whole network": step.latency_ms, kind_of(step): step.latency_ms})
            for group in _GROUPS if turn else ():
                times[name][group].append(total[group])
    return times


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    options = _parser().parse_args(arguments)
    terminal = Terminal()
    terminal.note(f"{cpu_model()}; medians of {options.rounds} rounds; ratios to float32 of the same round")
    rows = []
    for network in options.network:
        for case in random_cases(network, options.sparsity, None):
            for threads in options.threads:
                times = time_case(case, threads, options.rounds, options.iterations)
                rows += [_row(case, threads, group, times) for group in _GROUPS]
    header = ["network", "sparsity", "threads", "layers", "float32 ms", *WEIGHT_STORAGES[1:]]
    sys.stdout.write(format_table(header, rows, header[4:]) + "\n")
    return 0


def _row(case: Case, threads: int, group: str, times: dict[str, dict[str, list[float]]]) -> list[str]:
    base = np.array(times["float32"][group])
    row = [case.network, str(case.target_sparsity or "natural"), str(threads), group, f"{np.median(base):.2f}"]
    for name in WEIGHT_STORAGES[1:]:
        ratios = base / np.maximum(times[name][group], 1e-9)
        row.append(f"{np.median(ratios):.2f}x ({ratios.min():.2f}-{ratios.max():.2f})")
    return row


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.weights.run", description="Time networks with weights stored in 16 bits."
    )
    parser.add_argument("--network", type=_split, default=["resnet50", "vgg16"], help=", ".join(NETWORKS))
    parser.add_argument("--sparsity", type=_sparsities, default=[None, 0.8])
    parser.add_argument("--threads", type=lambda text: [int(part) for part in _split(text)], default=[1, 2])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--iterations", type=int, default=3)
    return parser


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _sparsities(text: str) -> list[float | None]:
    return [None if part == "natural" else float(part) for part in _split(text)]


if __name__ == "__main__":
    sys.exit(main())
