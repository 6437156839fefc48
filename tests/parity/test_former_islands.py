"""Networks whose operators were islands once run without any, and compute what ONNX Runtime computes."""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest

import zeroskip as zs

torch = pytest.importorskip("torch")
nn = torch.nn


def down(inputs: int, outputs: int) -> Any:
    layers = [nn.Conv2d(inputs, outputs, 3, padding=1), nn.InstanceNorm2d(outputs, affine=True), nn.ReLU()]
    return nn.Sequential(*layers)


class UNet(nn.Module):  # type: ignore[misc, name-defined]
    """Two levels with instance normalisation; up by transposed convolutions of both usual windows."""

    shape = (2, 3, 24, 32)

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = down(3, 16), down(16, 32), down(32, 48)
        self.up_b, self.up_a = nn.ConvTranspose2d(48, 32, 2, 2), nn.ConvTranspose2d(32, 16, 4, 2, 1)
        self.d, self.e, self.out = down(64, 32), down(32, 16), nn.Conv2d(16, 2, 1)

    def forward(self, x: Any) -> Any:
        a = self.a(x)
        b = self.b(nn.functional.max_pool2d(a, 2))
        c = self.c(nn.functional.max_pool2d(b, 2))
        b = self.d(torch.cat([torch.relu(self.up_b(c)), b], 1))
        return torch.sigmoid(self.out(self.e(torch.cat([torch.relu(self.up_a(b)), a], 1))))


class Detector(nn.Module):  # type: ignore[misc, name-defined]
    """Like DETR: a convolution, an encoder and a decoder layer with learnt queries, heads for boxes and classes."""

    shape = (1, 3, 32, 48)

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1), nn.ReLU(), nn.Conv2d(16, 32, 3, 4, 1))
        self.rows, self.columns = (nn.Parameter(torch.randn(size, 16)) for size in (4, 6))
        self.queries = nn.Parameter(torch.randn(1, 5, 32))
        self.encoder = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True)
        self.decoder = nn.TransformerDecoderLayer(32, 4, 64, batch_first=True)
        self.boxes = nn.Sequential(nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 4))
        self.classes = nn.Linear(32, 7)

    def forward(self, x: Any) -> Any:
        x = self.stem(x)
        height, width = x.shape[-2:]
        across = self.columns[:width].unsqueeze(0).repeat(height, 1, 1)
        places = torch.cat([across, self.rows[:height].unsqueeze(1).repeat(1, width, 1)], -1).flatten(0, 1)
        memory = self.encoder(x.flatten(2).permute(0, 2, 1) + places)
        found = self.decoder(self.queries.repeat(x.shape[0], 1, 1), memory)
        return torch.cat([self.boxes(found).sigmoid(), self.classes(found).softmax(-1)], -1)


class Face(nn.Module):  # type: ignore[misc, name-defined]
    """Like ArcFace: PReLU, and an embedding of length 1 against directions of length 1."""

    shape = (3, 3, 16, 16)

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.PReLU(16), nn.Conv2d(16, 32, 3, 2, 1), nn.ReLU(),
            nn.Conv2d(32, 32, 3, padding=1), nn.LeakyReLU(0.1), nn.Flatten(), nn.Linear(2048, 24), nn.BatchNorm1d(24),
        )  # fmt: skip
        self.directions = nn.Parameter(torch.randn(10, 24))

    def forward(self, x: Any) -> Any:
        embedding = nn.functional.normalize(self.layers(x))
        cosines = embedding @ nn.functional.normalize(self.directions).t()
        return torch.cat([embedding, 64 * torch.clamp(cosines, -1, 1).pow(3)], 1)


class Captcha(nn.Module):  # type: ignore[misc, name-defined]
    """The convolutional part of a CRNN: columns of a picture become a sequence, and logarithms of probabilities."""

    shape = (1, 1, 32, 64)

    def __init__(self) -> None:
        super().__init__()
        self.maps = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 3, padding=1),
            nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d((2, 1)), nn.Conv2d(32, 32, (8, 1)), nn.ReLU(),
        )  # fmt: skip
        self.steps = nn.Sequential(nn.Conv1d(32, 48, 5, padding=2), nn.ReLU(), nn.MaxPool1d(3, 2, 1))
        self.norm, self.out = nn.LayerNorm(48), nn.Linear(48, 11)

    def forward(self, x: Any) -> Any:
        steps = self.steps(self.maps(x).squeeze(2)).permute(2, 0, 1)
        return self.out(nn.functional.gelu(self.norm(steps))).log_softmax(2)


class FeedForward(nn.Module):  # type: ignore[misc, name-defined]
    """Residual feed-forward blocks: by a rectifier, by its square, and by a rectified gate."""

    shape = (1, 32)

    def __init__(self) -> None:
        super().__init__()
        self.up = nn.ModuleList(nn.Linear(32, 96) for _ in range(3))
        self.gate, self.down = nn.Linear(32, 96), nn.ModuleList(nn.Linear(96, 32) for _ in range(3))
        for layer in (*self.up, self.gate):
            nn.init.constant_(layer.bias, -0.5)

    def forward(self, x: Any) -> Any:
        x = x + self.down[0](torch.relu(self.up[0](x)))
        x = x + self.down[1](torch.relu(self.up[1](x)).square())
        return x + self.down[2](torch.relu(self.gate(x)) * self.up[2](x))


NETWORKS = (UNet, Detector, Face, Captcha, FeedForward)


def exported(network: type, opset: int) -> tuple[bytes, np.ndarray]:
    """Return a network as ONNX, with an open batch where it has one, and an input."""
    torch.manual_seed(0)
    module, buffer = network().eval(), io.BytesIO()
    x = torch.randn(network.shape)
    axes = {"x": {0: "batch", **({2: "height", 3: "width"} if network is UNet else {})}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(module, (x,), buffer, opset_version=opset, input_names=["x"], dynamic_axes=axes, dynamo=False)
    return buffer.getvalue(), x.numpy()


@pytest.mark.parametrize("opset", [14, 18])
@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.__name__)
def test_a_network_has_no_islands(network: type, opset: int) -> None:
    content, x = exported(network, opset)
    session = zs.InferenceSession(content, zs.SessionOptions(fallback="error"))
    reference = ort.InferenceSession(content, providers=["CPUExecutionProvider"])
    for batch in (x, np.concatenate([x, x[::-1]])):
        (expected,), (result,) = reference.run(None, {"x": batch}), session.run(None, {"x": batch})
        assert np.abs(result - expected).max() < 2e-5 * np.abs(expected).max()
    explained = session.explain()
    assert not explained.islands


def test_a_feed_forward_block_skips_the_zeros_of_its_products() -> None:
    content, x = exported(FeedForward, 18)
    session = zs.InferenceSession(content, zs.SessionOptions(fallback="error"))
    profile = session.profile({"x": x}, iterations=2)
    densities = [step.input_density for step in profile.steps if step.op == "linear" and step.input_density is not None]
    assert len(densities) == 3
    assert max(densities) < 0.6
    downs = [step for step in session.explain().steps if step.op == "linear" and step.density is not None]
    assert [step.skipped_macs for step in downs] == [round(step.macs * (1 - step.density)) for step in downs]
    assert all("skips zeros" in step.note for step in downs)
