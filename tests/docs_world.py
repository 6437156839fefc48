"""What a reader of the pages has: a model, photographs, and the names that a page's text speaks of before its code."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

import zeroskip as zs
from tiny_network import save_pictures, tiny_network

_PACKAGES = {
    "torch": "torch", "magika": "magika", "kserve": "kserve", "tritonclient": "tritonclient", "ray": "ray",
    "openvino": "openvino", "pandas": "pandas", "ncnn": "ncnn",
}  # fmt: skip
_SIDE = 224
_ROWS, _COLUMNS = 240, 320


def missing_packages(text: str) -> list[str]:
    """Return the packages that a page's code or a command names, as far as they are not installed."""
    named = [package for word, package in _PACKAGES.items() if word in text]
    return [package for package in named if importlib.util.find_spec(package) is None]


def network() -> bytes:
    """Return a classifier of pictures of the usual size: three convolutions of large strides with ReLUs."""
    random = np.random.default_rng(1)
    nodes, constants, x = [], [], "input"
    for number, (inputs, outputs) in enumerate([(3, 16), (16, 16), (16, 32)], start=1):
        weight = random.standard_normal((outputs, inputs, 3, 3)) * np.sqrt(2 / (9 * inputs))
        constants.append(numpy_helper.from_array(weight.astype(np.float32), f"weight{number}"))
        geometry = {"strides": [4, 4] if number == 1 else [2, 2], "pads": [1, 1, 1, 1]}
        nodes.append(helper.make_node("Conv", [x, f"weight{number}"], [f"conv{number}"], f"conv{number}", **geometry))
        nodes.append(helper.make_node("Relu", [f"conv{number}"], [f"relu{number}"], f"relu{number}"))
        x = f"relu{number}"
    constants.append(numpy_helper.from_array(random.standard_normal((32, 8)).astype(np.float32), "head"))
    nodes += [
        helper.make_node("GlobalAveragePool", [x], ["pooled"], "pool"),
        helper.make_node("Flatten", ["pooled"], ["flat"], "flatten"),
        helper.make_node("MatMul", ["flat", "head"], ["logits"], "head"),
    ]
    tensor = helper.make_tensor_value_info
    ends = [tensor("input", TensorProto.FLOAT, ["N", 3, _SIDE, _SIDE])], [tensor("logits", TensorProto.FLOAT, ["N", 8])]
    graph = helper.make_graph(nodes, "docs", *ends, constants)
    opsets = [helper.make_opsetid("", 18)]
    model: onnx.ModelProto = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    return model.SerializeToString()


def make_world(folder: Path) -> Path:
    """Write the files that pages name into a folder, and return it."""
    (folder / "model.onnx").write_bytes(network())
    (folder / "demo-data").mkdir()
    (folder / "demo-data" / "open-nsfw.onnx").write_bytes(tiny_network())
    save_pictures(folder / "demo-data" / "photos", 8)
    photos = folder / "photos"
    photos.mkdir()
    for number, colours in enumerate(np.random.default_rng(2).integers(0, 256, (24, 5, 7, 3), np.uint8)):
        Image.fromarray(colours).resize((_COLUMNS, _ROWS), Image.Resampling.BICUBIC).save(photos / f"{number:02}.jpg")
    (folder / "photo.jpg").write_bytes((photos / "00.jpg").read_bytes())
    chosen = zs.ThresholdSet({"relu1": 0.1, "relu2": 0.1})
    chosen.save(folder / "thresholds.json")
    zs.apply(folder / "model.onnx", chosen).save(folder / "model.fatrelu.onnx")
    recipe = {"size": {"height": 32, "width": 32}, "do_resize": True, "do_rescale": True, "do_normalize": False}
    (folder / "preprocessor_config.json").write_text(json.dumps({**recipe, "rescale_factor": 1 / 255, "resample": 2}))
    return folder


_DATA = """
import zeroskip as zs
data = zs.data.image_folder("photos/", zs.Preprocess.preset("unit", size=(224, 224)))
"""

PRELUDES = {
    "docs/data.md": """
import numpy as np
model = "model.onnx"
pictures = np.random.default_rng(0).random((12, 3, 224, 224), dtype=np.float32)
import zeroskip as zs
classes = zs.InferenceSession(model).run(None, {"input": pictures})[0].argmax(axis=1)
loader = list(zip(pictures, classes))
class timm_model:
    pretrained_cfg = {"input_size": (3, 32, 32), "interpolation": "bicubic", "crop_pct": 0.9, "mean": (0.5,) * 3,
                      "std": (0.5,) * 3}
""",
    "docs/finetuning.md": """
import copy
import torch
torch.manual_seed(0)
torch.set_num_threads(1)
model = torch.nn.Sequential(
    torch.nn.Conv2d(3, 8, 3, 8), torch.nn.ReLU(), torch.nn.Conv2d(8, 8, 3, 4), torch.nn.ReLU(),
    torch.nn.Conv2d(8, 8, 3), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(8, 4),
)
x = torch.randn(12, 3, 224, 224)
y = model(x).argmax(dim=1).detach()
import zeroskip as zs
data = zs.data.arrays(x.numpy(), y.numpy())
train_loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), batch_size=6)
valid_loader = loader = train_loader
loaders, teacher = (train_loader, valid_loader), copy.deepcopy(model).eval()
""",
    "docs/islands.md": "import zeroskip as zs",
    "docs/metrics.md": f"{_DATA}\nmodel = 'model.onnx'\nmonkeypatch.setattr(zs, 'calibrate', lambda *_, **__: None)",
    "docs/scaling.md": """
import inspect, sys, types
import zeroskip.ray
def score(*arguments, signature=inspect.signature(zeroskip.ray.score), **options):
    signature.bind(*arguments, **options)
    return types.SimpleNamespace(scored=24, skipped=0, bad=())
monkeypatch.setitem(sys.modules, "ray", types.SimpleNamespace(init=lambda: None))  # a cluster has tests of its own
monkeypatch.setattr(zeroskip.ray, "score", score)
import numpy as np, pandas as pd
import zeroskip as zs
model = "model.onnx"
class Job:  # the function that Spark calls runs on a frame; a real session has a test of its own
    read = write = property(lambda self: self)
    def parquet(self, folder):
        return self
    def mapInPandas(self, function, schema):
        inputs = [np.zeros(3 * 224 * 224, np.float32)] * 2
        (scored,) = function(iter([pd.DataFrame({"path": ["a", "b"], "input": inputs})]))
        assert list(scored.columns) == ["path", "scores"]
        return self
spark = Job()
""",
    "docs/serving.md": """
import json, kserve, shutil, subprocess, sys
import tritonclient.http
shutil.copy("model.fatrelu.onnx", "resnet.onnx")
command = [sys.executable, "-m", "zeroskip", "serve", "resnet=model.fatrelu.onnx", "--port", "0", "--grpc-port", "0"]
server = subprocess.Popen([*command, "--json", "-"], stdout=subprocess.PIPE, text=True)
def stop():
    server.kill()
    server.wait()
    server.stdout.close()
address = json.loads(server.stdout.readline())["rest"].split("//")[1]
client = tritonclient.http.InferenceServerClient
monkeypatch.setattr(tritonclient.http, "InferenceServerClient", lambda _: client(address))
monkeypatch.setattr(kserve.ModelServer, "start", lambda self, models: None)
""",
    "docs/weight-storage.md": "import zeroskip as zs",
}
"""By page: code that makes what its text takes as given. What waits for a cluster or for requests is left out there."""
