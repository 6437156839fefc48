"""Times the convolutions of real networks at several sparsities: sparse, dense, and the choice per tile.

With one thread and PyTorch installed, oneDNN is timed in the same rounds.

    python -m benchmarks.layers.run                                  # about five minutes
    python -m benchmarks.layers.run --network resnet50 --threads 1,2 --sparsity 0,0.5,0.9

Values and their zeros are random and independent; those of real networks come in clusters.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Protocol

import numpy as np

from zeroskip import _core
from zeroskip.cli.console import Terminal
from zeroskip.system import SystemInfo, physical_cores

from ..lists import floats, integers, words
from ..models.networks import NETWORKS, build
from ..models.networks.graph import ConvShape, FloatArray
from ..models.result import RESULTS
from .onednn import OneDnnLayer, is_available
from .program import Algorithm, LayerProgram
from .result import LayerTable, LayerTiming

_NETWORKS = ("resnet18", "resnet50", "vgg16", "mobilenet_v1", "densenet121")
_ALGORITHMS: tuple[Algorithm, ...] = ("dense", "sparse", "auto")
_ONEDNN = "onednn"
_SPARSITIES = (0.0, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95)
_ROUNDS = 5
_FEWEST_CHANNELS = 16


class Contestant(Protocol):
    """What can time one convolution."""

    def time_ms(self, x: FloatArray, iterations: int) -> float:
        """Return the median time over ``iterations`` runs on ``x`` ``[1, C, H, W]``."""
        ...


class NoWeights:
    """Weights that are never looked at: only the layer table is wanted."""

    def layer(self, name: str, shape: tuple[int, ...]) -> tuple[FloatArray, FloatArray]:
        """Return empty arrays."""
        return np.empty(0, np.float32), np.empty(0, np.float32)


def layer_table(network: str) -> list[tuple[ConvShape, int]]:
    """Return the different convolutions of a network that can skip zeros, and how often each occurs.

    Args:
        network: Key of ``NETWORKS``.
    """
    layers = build(network, NoWeights()).convolutions
    can_skip = [shape for shape in layers if shape.groups == 1 and shape.inputs >= _FEWEST_CHANNELS]
    counts = Counter(replace(shape, name="") for shape in can_skip)
    first: dict[ConvShape, ConvShape] = {}
    for shape in can_skip:
        first.setdefault(replace(shape, name=""), shape)
    return [(shape, counts[key]) for key, shape in first.items()]


def time_layer(
    shape: ConvShape, count: int, threads: int, sparsities: Sequence[float], seconds: float
) -> tuple[LayerTiming, str]:
    """Time one layer; return the result and the instruction set.

    Args:
        shape: The layer.
        count: How often it occurs.
        threads: Threads.
        sparsities: Fractions of zeros.
        seconds: Time for each algorithm at each sparsity.
    """
    weights = _core.WeightStore()
    programs = {name: LayerProgram(shape, name, threads, weights) for name in _ALGORITHMS}
    contestants: dict[str, Contestant] = {**programs}
    if threads == 1 and is_available():
        contestants[_ONEDNN] = OneDnnLayer(shape)
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for sparsity in sparsities:
        medians = _interleaved(contestants, _sparse_input(shape, sparsity), seconds)
        for name, median in medians.items():
            times[name].append(median)
    timing = LayerTiming(
        name=shape.name,
        shape=f"{shape.inputs} -> {shape.outputs}, {shape.height}x{shape.width}",
        kind=f"{shape.kernel}x{shape.kernel} s{shape.stride}",
        count=count,
        macs=shape.macs,
        kernel=programs["auto"].kernel,
        sparsities=tuple(sparsities),
        dense_ms=tuple(times["dense"]),
        sparse_ms=tuple(times["sparse"]),
        auto_ms=tuple(times["auto"]),
        onednn_ms=tuple(times.get(_ONEDNN, ())),
    )
    return timing, programs["auto"].isa


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    options = _parser().parse_args(given)
    terminal = Terminal()
    for network in options.network:
        for threads in options.threads:
            table = _table(network, threads, options, given, terminal)
            terminal.note(f"{network}, {threads} threads: {table.save(options.results / 'layers').name}")
    return 0


def _table(
    network: str, threads: int, options: argparse.Namespace, given: Sequence[str], terminal: Terminal
) -> LayerTable:
    layers = layer_table(network)
    timings, isa = [], ""
    with terminal.progress() as progress:
        for number, (shape, count) in enumerate(layers):
            progress(f"{network} {shape.name}", number, len(layers))
            timing, isa = time_layer(shape, count, threads, options.sparsity, options.time)
            timings.append(timing)
    return LayerTable(
        network=network,
        threads=threads,
        isa=isa,
        date=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        command=shlex.join(["python", "-m", "benchmarks.layers.run", *given]),
        system=SystemInfo.collect(()),
        layers=tuple(timings),
    )


def _interleaved(programs: Mapping[str, Contestant], x: FloatArray, seconds: float) -> dict[str, float]:
    """Return the median over rounds in which the algorithms take turns."""
    iterations = {}
    for name, program in programs.items():
        start = time.perf_counter()
        program.time_ms(x, 1)  # warms up as well; it runs twice, once for the density
        run_s = (time.perf_counter() - start) / 2
        iterations[name] = max(1, min(200, round(seconds / _ROUNDS / run_s)))
    rounds = [
        {name: program.time_ms(x, iterations[name]) for name, program in programs.items()} for _ in range(_ROUNDS)
    ]
    return {name: float(np.median([times[name] for times in rounds])) for name in programs}


def _sparse_input(shape: ConvShape, sparsity: float) -> FloatArray:
    random = np.random.default_rng(round(1000 * sparsity))
    size = (1, shape.inputs, shape.height, shape.width)
    values = np.abs(random.standard_normal(size, np.float32)) + np.float32(1e-3)
    values[random.random(size, np.float32) < sparsity] = 0.0
    return np.asarray(values, np.float32)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.layers.run", description="Time convolutions at several sparsities."
    )
    parser.add_argument("--network", type=words, default=list(_NETWORKS), help=", ".join(NETWORKS))
    parser.add_argument("--sparsity", type=floats, default=list(_SPARSITIES))
    parser.add_argument("--threads", type=integers, default=[physical_cores()])
    parser.add_argument("--time", type=float, default=0.1, help="seconds for each algorithm and sparsity")
    parser.add_argument("--results", type=Path, default=RESULTS)
    return parser


if __name__ == "__main__":
    sys.exit(main())
