"""What a second thread brings on whole networks, and how the engine and NumPy get on with each other.

    python -m benchmarks.threads.run --network resnet18,resnet50,vgg16

Numbers of threads take turns, so that a machine that slows down slows all of them down. Random inputs: the sparsity
is that of He-initialised weights, about one half.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

import zeroskip as zs

from ..lists import integers, words
from ..models.networks import build
from ..models.networks.graph import IMAGE_SHAPE, INPUT, HeWeights

_NETWORKS = ("resnet18", "resnet50", "vgg16")
_MATRIX = 512
_RUNS = 5


def scaling(network: str, threads: Sequence[int], rounds: int) -> NDArray[np.float64]:
    """Time a network with different numbers of threads.

    Args:
        network: Key of ``NETWORKS``.
        threads: Numbers of threads.
        rounds: Interleaved rounds.

    Returns:
        float64 ``[rounds, len(threads)]``: the median of a few runs in a row, in ms.
    """
    model = build(network, HeWeights()).model
    sessions = [zs.InferenceSession(model, zs.SessionOptions(intra_op_num_threads=count)) for count in threads]
    feed = {INPUT: np.random.default_rng(0).standard_normal((1, *IMAGE_SHAPE), np.float32)}
    for session in sessions:
        session.run(None, feed)
    return np.array([[_turn_ms(session, feed) for session in sessions] for _ in range(rounds)])


def beside_numpy(network: str, threads: int, seconds: float) -> dict[str, float]:
    """Run a network beside a thread that multiplies matrices with NumPy.

    Args:
        network: Key of ``NETWORKS``.
        threads: Threads of the session.
        seconds: Time for each of the three measurements.

    Returns:
        Runs and products per second, each alone and together.
    """
    session = zs.InferenceSession(build(network, HeWeights()).model, zs.SessionOptions(intra_op_num_threads=threads))
    feed = {INPUT: np.random.default_rng(0).standard_normal((1, *IMAGE_SHAPE), np.float32)}
    matrix = np.random.default_rng(0).standard_normal((_MATRIX, _MATRIX), np.float32)
    work = {"runs": lambda: session.run(None, feed), "products": lambda: matrix @ matrix}
    rates: dict[str, float] = {}

    def repeat(name: str, key: str) -> None:
        count, start = 0, time.perf_counter()
        while time.perf_counter() - start < seconds:
            work[name]()
            count += 1
        rates[key] = count / (time.perf_counter() - start)

    for name in work:
        repeat(name, f"{name} alone")
    other = threading.Thread(target=repeat, args=("products", "products together"))
    other.start()
    repeat("runs", "runs together")
    other.join()
    return rates


def _turn_ms(session: zs.InferenceSession, feed: dict[str, NDArray[np.float32]]) -> float:
    session.run(None, feed)  # wakes the threads, and brings back what the other sessions drove out of the caches
    times = []
    for _ in range(_RUNS):
        start = time.perf_counter()
        session.run(None, feed)
        times.append(1e3 * (time.perf_counter() - start))
    return float(np.median(times))


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    options = _parser().parse_args(arguments)
    for network in options.network:
        times = scaling(network, options.threads, options.rounds)
        for index, threads in enumerate(options.threads):
            ratios = times[:, 0] / times[:, index]
            low, middle, high = np.quantile(ratios, (0.25, 0.5, 0.75))
            print(
                f"{network}, {threads} threads: {np.median(times[:, index]):.2f} ms, "
                f"{middle:.2f}x ({low:.2f} to {high:.2f}) of {options.threads[0]}"
            )
    for name, rate in beside_numpy(options.network[0], max(options.threads), options.seconds).items():
        print(f"{options.network[0]} beside NumPy, {name}: {rate:.1f} a second")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.threads.run", description="Measure threads.")
    parser.add_argument("--network", type=words, default=list(_NETWORKS))
    parser.add_argument("--threads", type=integers, default=[1, 2])
    parser.add_argument("--rounds", type=int, default=14)
    parser.add_argument("--seconds", type=float, default=3.0, help="for each measurement beside NumPy")
    return parser


if __name__ == "__main__":
    sys.exit(main())
