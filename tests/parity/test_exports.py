"""What exporters, optimisers and quantizers write loads, and computes what ONNX Runtime computes from it."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx.parser
import onnxruntime as ort
import pytest

import zeroskip as zs

pytestmark = pytest.mark.slow

torch = pytest.importorskip("torch")
nn = torch.nn

_LEVELS = {False: ("ORT_ENABLE_BASIC", "ORT_ENABLE_EXTENDED", "ORT_ENABLE_ALL"), True: ("ORT_ENABLE_ALL",)}
"""What ONNX Runtime may do to the exports of either kind."""


class Recurrent(nn.Module):  # type: ignore[misc, name-defined]
    """Convolutions over time, then an LSTM."""

    shape = (4, 20)

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv1d(4, 16, 3, padding=1), nn.Conv1d(16, 16, 3, padding=1)
        self.memory, self.out = nn.LSTM(16, 8, batch_first=True), nn.Linear(8, 5)

    def forward(self, x: Any) -> Any:
        hidden = torch.relu(self.second(torch.relu(self.first(x))))
        return self.out(self.memory(hidden.transpose(1, 2))[0])


class Attention(nn.Module):  # type: ignore[misc, name-defined]
    """Patches, one transformer layer with a rectifier in its feed-forward network, a classifier."""

    shape = (3, 16, 16)

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 32, 4, 4)
        self.layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True, activation="relu")
        self.out = nn.Linear(32, 7)

    def forward(self, x: Any) -> Any:
        return self.out(self.layer(self.patches(x).flatten(2).transpose(1, 2)).mean(1))


class Segmentation(nn.Module):  # type: ignore[misc, name-defined]
    """Down, normalised by groups, up by a transposed convolution, and to the size of the input."""

    shape = (3, 32, 32)

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 16, 3, 2, 1), nn.Conv2d(16, 32, 3, 2, 1)
        self.norm, self.c = nn.GroupNorm(4, 32), nn.Conv2d(32, 16, 3, 1, 1)
        self.up, self.out = nn.ConvTranspose2d(16, 16, 3, 2, 1, 1), nn.Conv2d(32, 4, 1)

    def forward(self, x: Any) -> Any:
        a = torch.relu(self.a(x))
        b = torch.relu(self.c(torch.relu(self.norm(self.b(a)))))
        joined = torch.cat([torch.relu(self.up(b)), a], 1)
        return nn.functional.interpolate(self.out(joined), size=x.shape[2:], mode="bicubic")


class Volume(nn.Module):  # type: ignore[misc, name-defined]
    """Convolutions in three dimensions."""

    shape = (1, 6, 8, 8)

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv3d(1, 8, 3, padding=1), nn.BatchNorm3d(8), nn.ReLU(), nn.Conv3d(8, 8, 3))

    def forward(self, x: Any) -> Any:
        return self.layers(x).amax(dim=(2, 3, 4))


def export(module: Any, path: Path, *, dynamo: bool) -> Path:
    """Export a module with an open batch."""
    dynamic: dict[str, Any] = {"dynamic_axes": {"input": {0: "N"}}}
    if dynamo:
        shapes = ({0: torch.export.Dim.DYNAMIC},)
        dynamic = {"dynamic_shapes": shapes, "external_data": False, "verbose": False}
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # both exporters warn about their own future
        example = (torch.randn(2, *module.shape),)
        names = {"input_names": ["input"], "output_names": ["output"], "opset_version": 18}
        torch.onnx.export(module.eval(), example, str(path), dynamo=dynamo, **names, **dynamic)
    return path


def assert_like_onnxruntime(path: Path, shape: tuple[int, ...], tolerance: float = 1e-4) -> zs.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 4
    reference = ort.InferenceSession(path, options)
    session = zs.InferenceSession(path, zs.SessionOptions(intra_op_num_threads=1))
    for batch in (1, 3):
        feed = {"input": np.random.default_rng(batch).standard_normal((batch, *shape), np.float32)}
        for result, expected in zip(session.run(None, feed), reference.run(None, feed), strict=True):
            assert (result.shape, result.dtype) == (expected.shape, expected.dtype)
            assert np.abs(result - expected).max() <= tolerance * np.abs(expected).max()
    return session


@pytest.mark.parametrize("dynamo", [False, True], ids=["legacy", "dynamo"])
@pytest.mark.parametrize("network", [Recurrent, Attention, Segmentation, Volume])
def test_torch_exports_and_what_onnxruntime_makes_of_them(network: Any, dynamo: bool, tmp_path: Path) -> None:
    path = export(network(), tmp_path / "model.onnx", dynamo=dynamo)
    assert_like_onnxruntime(path, network.shape)
    for level in _LEVELS[dynamo]:  # the fused operators of the higher levels are in islands
        options = ort.SessionOptions()
        options.graph_optimization_level = getattr(ort.GraphOptimizationLevel, level)
        options.optimized_model_filepath = str(tmp_path / f"{level}.onnx")
        options.log_severity_level = 4
        ort.InferenceSession(path, options)
        assert_like_onnxruntime(tmp_path / f"{level}.onnx", network.shape)


@pytest.mark.parametrize("form", ["QDQ", "QOperator", "dynamic"])
def test_what_its_quantizer_writes(form: str, tmp_path: Path) -> None:
    quantization = pytest.importorskip("onnxruntime.quantization")
    layers = (nn.Conv2d(3, 16, 3), nn.ReLU(), nn.Conv2d(16, 16, 3), nn.ReLU(), nn.Flatten(), nn.Linear(256, 5))
    module = nn.Sequential(*layers)
    module.shape = (3, 8, 8)
    path, result = export(module, tmp_path / "model.onnx", dynamo=False), tmp_path / "quantized.onnx"

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            self.feeds = iter([{"input": np.random.default_rng(0).standard_normal((2, 3, 8, 8), np.float32)}])

        def get_next(self) -> Any:
            return next(self.feeds, None)

    if form == "dynamic":
        quantization.quantize_dynamic(path, result)
    else:
        # Weights of 7 bits: without VNNI its kernels add pairs of products in 16 bits, which more would overflow.
        form_of = getattr(quantization.QuantFormat, form)
        quantization.quantize_static(path, result, Reader(), quant_format=form_of, reduce_range=True)
    tolerance = 0.0 if form == "dynamic" else 1.01 / 127
    session = assert_like_onnxruntime(result, module.shape, tolerance=tolerance)
    assert len(session.explain_islands()) == (form == "dynamic")


def test_a_channels_last_graph_loads(tmp_path: Path) -> None:
    """As converters from TensorFlow write them: channels-last input, a Transpose around every convolution."""
    random = np.random.default_rng(0)
    to_first, to_last = "Transpose <perm = [0, 3, 1, 2]>", "Transpose <perm = [0, 2, 3, 1]>"
    body = f"""
      a = {to_first} (input)  b = Conv <pads = [0, 0, 1, 1], strides = [2, 2]> (a, w1)  c = {to_last} (b)
      d = Add (c, b1)  e = Clip (d, zero, six)
      f = {to_first} (e)  g = Conv <pads = [1, 1, 1, 1]> (f, w2)  h = {to_last} (g)
      i = Mul (h, s)  j = Asinh (i)  k = Relu (j)
      l = {to_first} (k)  m = Conv (l, w3)  n = {to_last} (m)  o = ReduceMean <keepdims = 0> (n, axes)
    """
    shapes = {"w1": (16, 3, 3, 3), "b1": (16,), "w2": (16, 16, 3, 3), "s": (16,), "w3": (8, 16, 1, 1)}
    constants = {name: random.standard_normal(shape).astype(np.float32) * 0.3 for name, shape in shapes.items()}
    constants |= {"zero": np.float32(0), "six": np.float32(6), "axes": np.array([1, 2])}
    graph = onnx.parser.parse_graph(f"g (float[N, 15, 17, 3] input) => (float[N, 8] o) {{ {body} }}")
    graph.initializer.extend(onnx.numpy_helper.from_array(np.asarray(a), name) for name, a in constants.items())
    opset = [onnx.helper.make_opsetid("", 18)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=9), tmp_path / "model.onnx")
    session = assert_like_onnxruntime(tmp_path / "model.onnx", (15, 17, 3))
    assert [island.nodes for island in session.explain_islands()] == [("j",)]
    assert any(step.algorithm == "auto" for step in session.explain().steps)
