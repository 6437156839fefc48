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

INPUTS, OUTPUTS = 4096, 131200
WEIGHT_BYTES = 4 * INPUTS * OUTPUTS
SET = {(0, 0): 2.0, (9000, 5): -3.0, (OUTPUTS - 1, INPUTS - 1): 0.5}
"""The weights, ``[OUTPUTS, INPUTS]``, that are not zero: the file is all hole but for these."""

_LEAST_MEMORY = 6 * WEIGHT_BYTES


def available_bytes() -> int:
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))


@pytest.mark.skipif(not Path("/proc/meminfo").exists(), reason="no /proc to read the free memory from")
def test_weights_of_more_than_two_gigabytes(tmp_path: Path) -> None:
    """Natively and in an island: one model, because reading and packing so much takes long."""
    if available_bytes() < _LEAST_MEMORY:
        pytest.skip(f"needs {_LEAST_MEMORY >> 30} GB of free memory")
    pytest.importorskip("onnxruntime", reason="runs the island")
    assert WEIGHT_BYTES > 1 << 31
    session = zs.InferenceSession(write_model(tmp_path), zs.SessionOptions(intra_op_num_threads=1))
    assert [island.operators for island in session.explain_islands()] == [{"Atan": 1}, {"Gemm": 1}]
    x = np.random.default_rng(0).uniform(0.5, 1.0, (2, INPUTS)).astype(np.float32)
    for y, activated in zip(session.run(None, {"x": x}), (x, np.arctan(x)), strict=True):
        expected = np.zeros((2, OUTPUTS), np.float32)
        for (row, column), value in SET.items():
            expected[:, row] += value * activated[:, column]
        np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-6)


def write_model(folder: Path) -> Path:
    """Write ``y = Relu(x) big^T, z = Atan(x) big^T``; ``big`` lies in a sparse file beside it."""
    with (folder / "big.bin").open("wb") as stream:
        stream.truncate(WEIGHT_BYTES)
        for (row, column), value in SET.items():
            stream.seek(4 * (row * INPUTS + column))
            stream.write(struct.pack("<f", value))
    body = (
        "r = Relu (x) y = Gemm <transB = 1> (r, big)"
        "e = Atan (x) t = Transpose <perm = [1, 0]> (e) z = Gemm <transA = 1, transB = 1> (t, big)"
    )
    outputs = f"float[N, {OUTPUTS}] y, float[N, {OUTPUTS}] z"
    graph = onnx.parser.parse_graph(f"g (float[N, {INPUTS}] x) => ({outputs}) {{ {body} }}")
    big = onnx.TensorProto(name="big", data_type=onnx.TensorProto.FLOAT, dims=(OUTPUTS, INPUTS))
    big.data_location = onnx.TensorProto.EXTERNAL
    big.external_data.add(key="location", value="big.bin")
    graph.initializer.append(big)
    opset = [onnx.helper.make_opsetid("", 18)]
    (folder / "model.onnx").write_bytes(
        onnx.helper.make_model(graph, opset_imports=opset, ir_version=9).SerializeToString()
    )
    return folder / "model.onnx"
