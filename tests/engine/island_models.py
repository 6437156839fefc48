"""Models that the engine cannot run as a whole, in ONNX text, and their comparison with ONNX Runtime."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnx.parser

import zeroskip as zs
from zeroskip.engine.mixed.model import MixedModel

BACKBONE = """
  a = Conv <pads = [1, 1, 1, 1]> (x, w1)
  r1 = Relu (a)
  b = Conv <pads = [1, 1, 1, 1]> (r1, w2)
  r2 = Relu (b)
"""
"""Two convolutions, of which the second can skip; float32 ``x`` [N, 3, H, W] to ``r2`` [N, 16, H, W]."""

HEAD = """
  c = Conv (r3, w3)
  r4 = Relu (c)
  y = Conv (r4, w4)
"""
"""Two more, ``r3`` [N, 16, H, W] to ``y`` [N, 8, H, W]."""

_WEIGHTS = {"w1": (16, 3, 3, 3), "w2": (16, 16, 3, 3), "w3": (16, 16, 1, 1), "w4": (8, 16, 1, 1)}


def image(batch: int = 2, height: int = 9, width: int = 8, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((batch, 3, height, width), np.float32)


def model(body: str, *, outputs: str = "float y", inputs: str = "float[N, 3, H, W] x", **constants: Any) -> bytes:
    """Return a model of opset 18 whose weights ``w1`` to ``w4`` are random."""
    graph = onnx.parser.parse_graph(f"g ({inputs}) => ({outputs}) {{ {body} }}")
    for output in graph.output:
        output.type.tensor_type.ClearField("shape")
    random = np.random.default_rng(0)
    arrays = {name: (random.standard_normal(shape) * 0.2).astype(np.float32) for name, shape in _WEIGHTS.items()}
    read = {name for node in graph.node for name in node.input}
    for name, array in {**arrays, **constants}.items():
        if name in read:
            graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(array), name))
    opset = [onnx.helper.make_opsetid("", 18)]
    return bytes(onnx.helper.make_model(graph, opset_imports=opset, ir_version=9).SerializeToString())


def by_onnxruntime(data: bytes | str, feed: dict[str, Any]) -> list[Any]:
    import onnxruntime as ort  # not above: scripts about forks leave it to zeroskip how it is imported

    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    return list(ort.InferenceSession(data, options).run(None, feed))


def assert_same(got: list[Any], expected: list[Any], tolerance: float = 1e-5) -> None:
    for result, reference in zip(got, expected, strict=True):
        assert type(result) is type(reference)
        if isinstance(reference, list):
            assert_same(result, reference, tolerance)
            continue
        assert (result.shape, result.dtype) == (reference.shape, reference.dtype)
        if reference.dtype.kind == "f":
            largest = float(np.abs(reference).max(initial=0.0))
            np.testing.assert_allclose(result, reference, rtol=0, atol=tolerance * max(largest, 1e-6))
        else:
            np.testing.assert_array_equal(result, reference)


def session_like_onnxruntime(data: bytes | str, feed: dict[str, Any], **options: Any) -> zs.InferenceSession:
    """Return a session that gave what ONNX Runtime gives, twice."""
    session = zs.InferenceSession(data, zs.SessionOptions(intra_op_num_threads=1, **options))
    expected = by_onnxruntime(data, feed)
    assert_same(session.run(None, feed), expected)
    assert_same(session.run(None, feed), expected)
    return session


def layout_of(session: zs.InferenceSession) -> list[tuple[bool, tuple[str, ...]]]:
    """Return whether it is native, and its nodes, for every part."""
    mixed = session._mixed
    assert isinstance(mixed, MixedModel)
    return [(one.part.is_native, one.part.nodes) for one in mixed.parts]
