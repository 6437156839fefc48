"""Throughput and latency of the server at rising rates, with zeroskip and with ONNX Runtime behind it.

    python -m benchmarks.serving.run --threads 2

Both servers stay up and take turns, so that a machine that slows down slows both down. First each is asked by as many
clients as may wait, as fast as it answers; the rates that follow are shares of what the slower one reached. ResNet-18
with random weights and natural sparsity, one image of 224x224 per request, binary tensors, loopback. The load generator
shares the machine with the server. A summary goes to ``benchmarks/results``; ``python -m benchmarks.serving.report``
makes a page of it.
"""

from __future__ import annotations

import argparse
import datetime
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path

import numpy as np

from zeroskip.system import SystemInfo

from ..models.result import RESULTS
from ..shapes.networks import build
from .load import Load, run_load, summarize
from .server import ENGINES

SHARES = (0.25, 0.5, 0.9, 1.3, 2.0)
QUEUE = 8
SLICES = 3
"""Turns that the engines take at each rate."""
RESULT = RESULTS / "serving.json"


@contextmanager
def started(model: Path, engine: str, threads: int, queue: int) -> Iterator[str]:
    """Start a server and return its address."""
    command = [sys.executable, "-m", "benchmarks.serving.server", str(model), "--engine", engine]
    command += ["--threads", str(threads), "--queue", str(queue)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())["rest"]
        finally:
            process.terminate()


def write_request(folder: Path) -> tuple[Path, int]:
    """Write the body of a request and return its path and the length of its JSON."""
    image = np.random.default_rng(0).standard_normal((1, 3, 224, 224)).astype(np.float32)
    tensor = {"name": "input", "shape": image.shape, "datatype": "FP32"}
    tensor["parameters"] = {"binary_data_size": image.nbytes}
    text = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
    path = folder / "request.bin"
    path.write_bytes(text + image.tobytes())
    return path, len(text)


def measure(model: Path, folder: Path, threads: int, seconds: float, rates: list[float] | None) -> list[Load]:
    """Return the measurements, the unlimited ones first; rates are shares of what these reached, if none are given."""
    body, length = write_request(folder)
    with ExitStack() as stack:
        urls = {
            engine: stack.enter_context(started(model, engine, threads, QUEUE)) + "/v2/models/net/infer"
            for engine in ENGINES
        }

        def turn(rate: float, clients: int, length_s: float = seconds) -> list[Load]:
            rows: dict[str, list[dict[str, str]]] = {engine: [] for engine in urls}
            for _ in range(SLICES):
                for engine, url in urls.items():
                    part_s = length_s / SLICES
                    rows[engine] += run_load(url, body, length, clients=clients, rate=rate, seconds=part_s)
            both = [summarize(found, engine, rate, clients, length_s) for engine, found in rows.items()]
            print(*both, sep="\n", file=sys.stderr)
            return both

        turn(0, 2, 3.0)  # warm
        found = turn(0, QUEUE)
        capacity = min(load.answered_per_s for load in found)
        for rate in rates or [share * capacity for share in SHARES]:
            found += turn(rate, 16)
    return found


def main(arguments: list[str] | None = None) -> int:
    """Measure and write the summary."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving.run", description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=5.0, help="of one measurement")
    parser.add_argument("--rates", type=float, nargs="+", help="requests per second instead of shares")
    parser.add_argument("--output", type=Path, default=RESULT)
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        model = Path(name) / "resnet18.onnx"
        model.write_bytes(build("resnet18").SerializeToString())
        loads = measure(model, Path(name), chosen.threads, chosen.seconds, chosen.rates)
    facts = {
        "date": datetime.date.today().isoformat(),
        "threads": chosen.threads,
        "seconds": chosen.seconds,
        "system": SystemInfo.collect().model_dump(),
        "loads": [asdict(load) for load in loads],
    }
    chosen.output.write_text(json.dumps(facts, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
