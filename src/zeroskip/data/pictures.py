"""Decoding pictures and cutting views out of them: from a file to uint8 RGB pixels of the recipe's size."""

from __future__ import annotations

import os
import struct
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from ..errors import DataError
from .preprocessing import Preprocess

IMAGE_SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"})

_FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
# What Pillow's decoders raise on broken files: each format has its own taste.
_DECODE_ERRORS = (OSError, SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError)


@dataclass(frozen=True)
class View:
    """One crop of a picture: how far it is zoomed in, where the crop lies, and whether it is mirrored.

    Args:
        zoom: Factor on the short side before cropping, >= 1.
        row: Vertical place of the crop, 0 top, 0.5 middle, 1 bottom.
        column: Horizontal place of the crop, 0 left, 0.5 middle, 1 right.
        is_mirrored: Whether left and right are exchanged.
    """

    zoom: float = 1.0
    row: float = 0.5
    column: float = 0.5
    is_mirrored: bool = False


CENTRE = View()
_CORNERS = ((0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0))
# The views that share the fewest pixels come first: corners at zoom 1 are nearly the centre crop again.
_UPRIGHT = (
    CENTRE,
    *(View(zoom, row, column) for zoom in (2.0, 1.5, 1.0) for row, column in _CORNERS),
    View(2.0),
    View(1.5),
)
VIEWS: tuple[View, ...] = (
    *_UPRIGHT,
    *(View(view.zoom, view.row, view.column, is_mirrored=True) for view in _UPRIGHT),
)
"""The crops taken from a picture, in order: centre, corners at zoom 2, 1.5, 1, zoomed centres, mirrored."""


def decode(path: str | os.PathLike[str]) -> Image.Image:
    """Read a picture file as 8-bit RGB, upright.

    EXIF orientation is applied; grey, palette, CMYK and 16-bit pictures are converted; alpha is dropped; of
    an animation the first frame is taken.

    Args:
        path: The file.

    Raises:
        DataError: If the file cannot be read as a picture; the message names it.
    """
    try:
        with warnings.catch_warnings():
            # Pillow warns on odd metadata and on large pictures that decode all the same.
            warnings.simplefilter("ignore")
            with Image.open(path) as image:
                image.load()
                return _to_rgb(ImageOps.exif_transpose(image))
    except _DECODE_ERRORS as error:
        raise DataError(f"cannot read image '{Path(path).name}': {error}") from error


def check_header(path: str | os.PathLike[str]) -> str | None:
    """Return why the file is no picture, or None if its header can be read. Pixels are not decoded.

    Args:
        path: The file.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path):
                return None
    except _DECODE_ERRORS as error:
        return f"{Path(path).name}: {error}"


def cut(image: Image.Image, preprocess: Preprocess, view: View = CENTRE) -> NDArray[np.uint8]:
    """Resize and crop a picture as the recipe says.

    Args:
        image: An RGB picture.
        preprocess: The recipe; its geometry fields are used.
        view: Which crop to take; anything but the centre needs a recipe with a crop.

    Returns:
        uint8 ``[H, W, 3]`` in RGB order.

    Raises:
        DataError: If the picture is smaller than the crop.
    """
    resized = _resized(image, preprocess, view.zoom)
    if preprocess.crop is not None:
        resized = _cropped(resized, preprocess, view)
    pixels = np.asarray(resized, np.uint8)
    return np.ascontiguousarray(pixels[:, ::-1]) if view.is_mirrored else pixels


def _resized(image: Image.Image, preprocess: Preprocess, zoom: float) -> Image.Image:
    width, height = image.size
    if preprocess.size is not None:
        target = (round(preprocess.size[1] * zoom), round(preprocess.size[0] * zoom))
    elif preprocess.resize is not None or zoom != 1.0:
        short = min(width, height)
        wanted = round((preprocess.resize or short) * zoom)
        # Truncation of the long side is torchvision's rule, which published accuracies rest on.
        target = (int(wanted * width / short), int(wanted * height / short))
    else:
        target = image.size
    return image if target == image.size else image.resize(target, _FILTERS[preprocess.interpolation])


def _cropped(image: Image.Image, preprocess: Preprocess, view: View) -> Image.Image:
    assert isinstance(preprocess.crop, tuple)  # normalised by Preprocess
    height, width = preprocess.crop
    spare_rows, spare_columns = image.height - height, image.width - width
    if spare_rows < 0 or spare_columns < 0:
        raise DataError(
            f"a picture of {image.height}x{image.width} pixels is smaller than the crop {height}x{width}: "
            "set resize to at least the crop"
        )
    top, left = round(spare_rows * view.row), round(spare_columns * view.column)
    return image.crop((left, top, left + width, top + height))


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB":
        return image
    if image.mode == "F":
        raise ValueError("floating-point pictures have no defined range")
    if image.mode.startswith("I"):  # 16-bit grey; Pillow's own conversion clips it to white
        high_bytes = (np.asarray(image).astype(np.int64) >> 8).clip(0, 255)
        return Image.fromarray(high_bytes.astype(np.uint8)).convert("RGB")
    if image.mode == "P":
        image = image.convert("RGBA")  # the way that keeps palettes with transparency
    return image.convert("RGB")
