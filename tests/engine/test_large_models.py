"""Models over 2 GB, the largest message of protobuf: their weights are in an external file."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import pytest

import zeroskip as zs

pytestmark = pytest.mark.slow

INPUTS, OUTPUTS = 16384, 33600
WEIGHT_BYTES = 4 * INPUTS * OUTPUTS
SET = {(0, 0): 2.0, (5, 9000): -3.0, (INPUTS - 1, OUTPUTS - 1): 0.5}
"""The weights that are not zero: the file is all hole but for these."""

_LEAST_MEMORY = 5 * WEIGHT_BYTES


def available_bytes() -> int:
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))


@pytest.mark.skipif(not Path("/proc/meminfo").exists(), reason="no /proc to read the free memory from")
@pytest.mark.parametrize(("activation", "islands"), [("Relu", 0), ("Atan", 1)], ids=["native", "island"])
def test_weights_of_more_than_two_gigabytes(tmp_path: Path, activation: str, islands: int) -> None:
    if available_bytes() < _LEAST_MEMORY:
        pytest.skip(f"needs {_LEAST_MEMORY >> 30} GB of free memory")
    if islands:
        pytest.importorskip("onnxruntime", reason="runs the island")
    assert WEIGHT_BYTES > 1 << 31
    session = zs.InferenceSession(write_model(tmp_path, activation), zs.SessionOptions(intra_op_num_threads=1))
    assert len(session.explain_islands()) == islands
    x = np.random.default_rng(0).uniform(0.5, 1.0, (2, INPUTS)).astype(np.float32)
    (y,) = session.run(None, {"x": x})
    expected = np.zeros((2, OUTPUTS), np.float32)
    for (row, column), value in SET.items():
        expected[:, column] += value * activated(activation, x[:, row])
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-6)


def activated(name: str, x: np.ndarray) -> np.ndarray:
    if name == "Relu":
        return x
    from math import erf

    return np.array([erf(value) for value in x], np.float32)


def write_model(folder: Path, activation: str) -> Path:
    """Write ``y = MatMul(activation(x), big)``; ``big`` lies in a sparse file beside it."""
    with (folder / "big.bin").open("wb") as stream:
        stream.truncate(WEIGHT_BYTES)
        for (row, column), value in SET.items():
            stream.seek(4 * (row * OUTPUTS + column))
            stream.write(struct.pack("<f", value))
    body = f"a = {activation} (x) y = MatMul (a, big)"
    graph = onnx.parser.parse_graph(f"g (float[N, {INPUTS}] x) => (float[N, {OUTPUTS}] y) {{ {body} }}")
    big = onnx.TensorProto(name="big", data_type=onnx.TensorProto.FLOAT, dims=(INPUTS, OUTPUTS))
    big.data_location = onnx.TensorProto.EXTERNAL
    big.external_data.add(key="location", value="big.bin")
    graph.initializer.append(big)
    opset = [onnx.helper.make_opsetid("", 18)]
    (folder / "model.onnx").write_bytes(
        onnx.helper.make_model(graph, opset_imports=opset, ir_version=9).SerializeToString()
    )
    return folder / "model.onnx"
