"""Cutting views out of pictures: from RGB pixels as decoded to those of the recipe's size."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..errors import DataError
from .preprocessing import Preprocess

_FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
_MAX_ENLARGED_PIXELS = 1 << 26
"""Of a picture that resizing made larger: a strip of one row, its short side resized to 256, has gigabytes."""


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


def cut(image: Image.Image, preprocess: Preprocess, view: View = CENTRE) -> NDArray[np.uint8]:
    """Resize and crop a picture as the recipe says.

    Args:
        image: An RGB picture.
        preprocess: The recipe; its geometry fields are used.
        view: Which crop to take; anything but the centre needs a recipe with a crop.

    Returns:
        uint8 ``[H, W, 3]`` in RGB order.

    Raises:
        DataError: If the picture is smaller than the crop, or resizing would make an absurd one of it.
    """
    resized = _resized(image, preprocess, view.zoom)
    if preprocess.crop is not None:
        resized = _cropped(resized, preprocess, view)
    pixels = np.asarray(resized, np.uint8)
    return np.ascontiguousarray(pixels[:, ::-1]) if view.is_mirrored else pixels


def cut_mask(mask: Image.Image, preprocess: Preprocess) -> NDArray[np.int32]:
    """Resize and crop a mask of integers as the recipe does with its picture; pixels are repeated or left out.

    Returns:
        int32 ``[H, W]``.

    Raises:
        DataError: As for :func:`cut`.
    """
    resized = _resized(mask, replace(preprocess, interpolation="nearest"), 1.0)
    if preprocess.crop is not None:
        resized = _cropped(resized, preprocess, CENTRE)
    return np.asarray(resized, np.int32)


def moved_boxes(boxes: NDArray[np.float64], size: tuple[int, int], preprocess: Preprocess) -> NDArray[np.float64]:
    """Return where boxes of a picture are in what the recipe makes of it.

    Args:
        boxes: ``[n, 4]``: left, top, right, bottom, in pixels.
        size: Width and height of the picture.
        preprocess: The recipe.

    Returns:
        float64 ``[n, 4]``, cut off at the edges; those outside have no area.
    """
    width, height = _target(size, preprocess, 1.0)
    scaled = boxes * np.tile([width / size[0], height / size[1]], 2)
    if preprocess.crop is not None:
        assert isinstance(preprocess.crop, tuple)
        rows, columns = preprocess.crop
        scaled = scaled - np.tile([round((width - columns) * CENTRE.column), round((height - rows) * CENTRE.row)], 2)
        width, height = columns, rows
    return np.asarray(np.clip(scaled, 0.0, np.tile([width, height], 2)))


def _target(size: tuple[int, int], preprocess: Preprocess, zoom: float) -> tuple[int, int]:
    """Return width and height after resizing."""
    width, height = size
    if preprocess.size is not None:
        return round(preprocess.size[1] * zoom), round(preprocess.size[0] * zoom)
    if preprocess.resize is None and zoom == 1.0:
        return size
    short = min(width, height)
    wanted = round((preprocess.resize or short) * zoom)
    # Truncation of the long side is torchvision's rule, which published accuracies rest on.
    return int(wanted * width / short), int(wanted * height / short)


def _resized(image: Image.Image, preprocess: Preprocess, zoom: float) -> Image.Image:
    width, height = image.size
    target = _target(image.size, preprocess, zoom)
    if target == image.size:
        return image
    if target[0] * target[1] > max(_MAX_ENLARGED_PIXELS, width * height):
        raise DataError(
            f"a picture of {height}x{width} pixels would be resized to {target[1]}x{target[0]}: leave it out, or "
            "stretch to a size (--size) instead of resizing the short side"
        )
    return image.resize(target, _FILTERS[preprocess.interpolation])


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
