"""What a session takes: twice its weights and activations at most while it is made, nothing per run."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

import zeroskip as zs
from soak.soak import heap_bytes_in_use

RUNS = 100
PAGE_BYTES = 4096

# Run in a process of its own, where nothing else has been allocated and freed before.
_MEASURE = """
import json, sys
import numpy as np
import zeroskip as zs

def kilobytes(field):
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(field))

zs.InferenceSession(sys.argv[1]).run(None, {"x": np.ones((1, 16, 8, 8), np.float32)})  # imports, threads
before = kilobytes("VmRSS:")
session = zs.InferenceSession(sys.argv[2], zs.SessionOptions(intra_op_num_threads=1))
session.run(None, {"x": np.ones((1, 512, 8, 8), np.float32)})
print(json.dumps({"peak": 1024 * (kilobytes("VmHWM:") - before), "arena": session.plan().arena_bytes}))
"""


def convolutions(channels: int, count: int, size: int = 8, last: str = "Relu") -> bytes:
    """A chain of 3x3 convolutions with ReLU, the last with ``last``; input ``x`` ``[N, channels, size, size]``."""
    weight = np.full((channels, channels, 3, 3), 1e-3, np.float32)
    nodes, weights, value = [], [], "x"
    for index in range(count):
        weights.append(numpy_helper.from_array(weight, f"w{index}"))
        nodes.append(helper.make_node("Conv", [value, f"w{index}"], [f"c{index}"], pads=[1, 1, 1, 1]))
        activation = last if index == count - 1 else "Relu"
        nodes.append(helper.make_node(activation, [f"c{index}"], [f"r{index}"]))
        value = f"r{index}"
    nodes.append(helper.make_node("GlobalAveragePool", [value], ["y"]))
    shape = ["N", channels, size, size]
    graph = helper.make_graph(
        nodes,
        "chain",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["N", channels, 1, 1])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    return bytes(model.SerializeToString())


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc to read the peak from")
def test_creation_takes_little_more_than_twice_the_weights(tmp_path: Path) -> None:
    small, large = tmp_path / "small.onnx", tmp_path / "large.onnx"
    small.write_bytes(convolutions(16, 1))
    large.write_bytes(convolutions(512, 6))  # 57 MB of weights
    command = [sys.executable, "-c", _MEASURE, str(small), str(large)]
    result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600)
    measured = json.loads(result.stdout)
    needed = large.stat().st_size + measured["arena"]
    # The weights as read and as packed are 2; half a copy more would be 2.5.
    assert measured["peak"] < 2.3 * needed


# Sessions of a large model one after the other, with the garbage collector switched off: it may come late.
_DROP = """
import gc, json, sys
import numpy as np
import zeroskip as zs

def resident_kilobytes():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmRSS:"))

def make(path, channels):
    session = zs.InferenceSession(path, zs.SessionOptions(intra_op_num_threads=1, fallback=sys.argv[3]))
    session.run(None, {"x": np.ones((1, channels, 8, 8), np.float32)})
    return 1024 * resident_kilobytes()

gc.disable()
make(sys.argv[1], 16)  # imports, threads
before = 1024 * resident_kilobytes()
alive = make(sys.argv[2], 512)
for _ in range(3):
    make(sys.argv[2], 512)
print(json.dumps({"alive": alive - before, "dropped": 1024 * resident_kilobytes() - before}))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc to read resident memory from")
@pytest.mark.parametrize("last", ["Relu", "Atan"], ids=["native", "with an island"])
def test_a_dropped_session_gives_its_memory_back_at_once(tmp_path: Path, last: str) -> None:
    if last == "Atan":
        pytest.importorskip("onnxruntime", reason="runs the island")
    small, large = tmp_path / "small.onnx", tmp_path / "large.onnx"
    small.write_bytes(convolutions(16, 2, last=last))
    large.write_bytes(convolutions(512, 4, last=last))  # 38 MB of weights
    command = [sys.executable, "-c", _DROP, str(small), str(large), "islands" if last == "Atan" else "error"]
    result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600)
    measured = json.loads(result.stdout)
    weights = large.stat().st_size
    assert measured["alive"] > 0.9 * weights  # so that this measures something
    assert measured["dropped"] < 0.5 * weights


@pytest.fixture(scope="module")
def session() -> zs.InferenceSession:
    session = zs.InferenceSession(convolutions(64, 3, size=56))
    for _ in range(5):
        session.run(None, {"x": feed()})
    return session


def feed() -> np.ndarray:
    return np.ones((1, 64, 56, 56), np.float32)


def test_runs_cause_no_page_faults(session: zs.InferenceSession) -> None:
    x = {"x": feed()}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(RUNS):
        session.run(None, x)
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
    # Were the activations allocated anew, there would be a fault for every page of them in every run.
    assert faults < 0.05 * RUNS * session.plan().arena_bytes / PAGE_BYTES


def test_runs_leave_nothing_behind_in_python(session: zs.InferenceSession) -> None:
    x = {"x": feed()}
    tracemalloc.start()
    try:
        session.run(None, x)
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(RUNS):
            session.run(None, x)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 100 * RUNS


def test_runs_leave_nothing_behind_in_the_core(session: zs.InferenceSession) -> None:
    x = {"x": feed()}
    session.run(None, x)
    before = heap_bytes_in_use()
    for _ in range(RUNS):
        session.run(None, x)
    output_bytes = 4 * 64
    assert heap_bytes_in_use() - before < RUNS * output_bytes
