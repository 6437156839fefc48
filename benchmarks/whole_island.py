"""A model that is one island against ONNX Runtime alone: both get the same threads, and take turns.

``python -m benchmarks.whole_island`` prints, per model and number of threads, the median time of a run in ONNX
Runtime as it is by default, in ONNX Runtime with sleeping threads, and in a session of zeroskip.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import onnxruntime
from onnx import helper, numpy_helper

import zeroskip as zs

MODELS = ((6, 16, 16), (10, 32, 28), (6, 64, 56))
"""Layers, channels, height and width."""
TURNS, RUNS = 15, 10


def network(layers: int, channels: int, size: int) -> bytes:
    """Return convolutions without rectifiers, float32 ``x`` [1, 3, size, size]."""
    random = np.random.default_rng(0)
    nodes, weights, name = [], [], "x"
    for index in range(layers):
        shape = (channels, channels if index else 3, 3, 3)
        weights.append(numpy_helper.from_array((random.standard_normal(shape) * 0.1).astype(np.float32), f"w{index}"))
        nodes.append(helper.make_node("Conv", [name, f"w{index}"], [f"c{index}"], pads=[1] * 4))
        nodes.append(helper.make_node("Erf", [f"c{index}"], [f"e{index}"]))
        name = f"e{index}"
    inputs = [helper.make_tensor_value_info("x", 1, [1, 3, size, size])]
    graph = helper.make_graph(nodes, "whole", inputs, [helper.make_tensor_value_info(name, 1, None)], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())


def alone(model: bytes, threads: int, *, spins: bool) -> Any:
    """Return a session of ONNX Runtime."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", str(int(spins)))
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def medians_ms(ways: dict[str, Callable[[], Any]]) -> dict[str, float]:
    """Return the median time of each, measured in turns."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(TURNS):
        for name, run in ways.items():
            run()
            for _ in range(RUNS):
                start = time.perf_counter()
                run()
                times[name].append(1e3 * (time.perf_counter() - start))
    return {name: statistics.median(values) for name, values in times.items()}


def main() -> None:
    """Print the table."""
    print("layers channels size threads  alone  sleeping  zeroskip  (ms)  zeroskip/alone")
    for layers, channels, size in MODELS:
        model = network(layers, channels, size)
        feed = {"x": np.random.default_rng(1).standard_normal((1, 3, size, size)).astype(np.float32)}
        for threads in (1, 2):
            sessions = {
                "alone": alone(model, threads, spins=True),
                "sleeping": alone(model, threads, spins=False),
                "zeroskip": zs.InferenceSession(model, zs.SessionOptions(intra_op_num_threads=threads)),
            }
            found = medians_ms({name: partial(one.run, None, feed) for name, one in sessions.items()})
            row = "  ".join(f"{value:8.3f}" for value in found.values())
            print(f"{layers:6} {channels:8} {size:4} {threads:7}  {row}  {found['zeroskip'] / found['alone']:.2f}")


if __name__ == "__main__":
    main()
