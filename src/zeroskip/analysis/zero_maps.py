"""Zero maps: where, in pictures of one's own, a layer finds zeros to skip, pixel by pixel and channel by channel.

Owns the measurement and the value that is saved. How maps are coloured is for the report.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from ..data import Dataset, Preprocess
from ..progress import Progress, Steps
from ..saved_value import SavedValue
from .inputs import ModelInput

if TYPE_CHECKING:
    from ..engine import SessionOptions
    from ..onnx import Activation
    from ..onnx.load import ModelSource

_PICTURES = 3
_SIDE, _MANY, _SMALL_SIDE = 48, 48, 28
"""Longest side of a map, and that of each where a network has more than so many activations."""
_PICTURE_SIDE = 160
_MAX_CHANNELS = 512
_LEVELS = 15


class ZeroMap(BaseModel):
    """One activation that a layer reads.

    Attributes:
        activation: Its name.
        label: What tables call it.
        sparsity: Fraction of zeros over the pictures, in [0, 1].
        channels: How many it has.
        height: Pixels of the activation; 0 where it has channels only.
        width: Likewise.
        pixels: For each picture a grey PNG in base64: 255 times the share of channels that are zero at a pixel. Large
            activations are averaged down.
        channel_strip: The same of channels, one pixel each in one row: the share of pixels that are zero, over all
            pictures. More than 512 channels are averaged down.
    """

    model_config = ConfigDict(frozen=True)

    activation: str
    label: str
    sparsity: float
    channels: int
    height: int
    width: int
    pixels: tuple[str, ...]
    channel_strip: str


class ZeroMaps(SavedValue):
    """Zero maps of one model on a few inputs.

    Attributes:
        schema_version: Version of this layout.
        names: What the inputs are called.
        pictures: Each input as a JPEG picture in base64; empty where inputs are no pictures.
        layers: In the order of the graph: the activations whose zeros can be skipped.
    """

    model_config = ConfigDict(frozen=True)
    _what: ClassVar[str] = "zero maps"

    schema_version: int = 1
    names: tuple[str, ...]
    pictures: tuple[str, ...]
    layers: tuple[ZeroMap, ...]


def map_zeros(
    model: ModelSource,
    data: Dataset,
    *,
    options: SessionOptions | None = None,
    count: int = _PICTURES,
    progress: Progress | None = None,
) -> ZeroMaps:
    """Look at where the zeros of each activation are, on a few inputs.

    Args:
        model: ONNX file, its content, or a loaded model.
        options: Threads and instruction set; None for the defaults.
        data: Evenly spread inputs of it are taken.
        count: Inputs to take, at most.
        progress: Told of each input.

    Returns:
        The maps of the activations that some layer can skip by.

    Raises:
        ModelError: If the model cannot be read or run.
        DataError: If the data lack an input of the model, or an input cannot be read.
        ShapeError: If the data do not fit the model.
        EngineError: If the engine fails.
    """
    from ..engine import InferenceSession
    from ..onnx import LoadedModel, labels_of

    loaded = LoadedModel.of(model)
    session, labels = InferenceSession(loaded, options), labels_of(loaded.model)
    model_input = ModelInput.of(session)
    data = model_input.data(data)
    model_input.check(data)
    chosen = data.subset(min(count, len(data)) if data.is_uniform else 1)  # maps of one size are put together
    wanted = [item for item in session.activations() if item.consumers]
    side = _SMALL_SIDE if len(wanted) > _MANY else _SIDE
    zeros: dict[str, list[NDArray[np.bool_]]] = {item.name: [] for item in wanted}
    pictures = []
    steps = Steps(progress, "mapping zeros", len(chosen))
    for feed, rows in model_input.feeds(chosen, 1):
        if len(feed) == 1:
            (values,) = feed.values()
            pictures += [_picture(value, chosen.preprocess) for value in values[:rows]]
        found = session.observe([item.name for item in wanted], feed) if wanted else {}
        for item in wanted:
            zeros[item.name] += [_channels_first(row == 0.0, item) for row in found[item.name][:rows]]
        steps.advance(rows)
    return ZeroMaps(
        names=chosen.names,
        pictures=() if None in pictures else tuple(picture for picture in pictures if picture is not None),
        layers=tuple(_map(item, zeros[item.name], side, labels.activation(item.name)) for item in wanted),
    )


def _channels_first(zeros: NDArray[np.bool_], activation: Activation) -> NDArray[np.bool_]:
    """Return one input's zeros as ``[C, H, W]``; H and W are 1 where there are no places."""
    axis = min(max(activation.channel_axis - 1, 0), zeros.ndim - 1)
    first = np.moveaxis(zeros, axis, 0) if zeros.ndim else zeros.reshape(1)
    width = first.shape[-1] if first.ndim > 1 else 1
    return first.reshape(first.shape[0], -1, width)


def _map(activation: Activation, zeros: Sequence[NDArray[np.bool_]], side: int, label: str) -> ZeroMap:
    channels, height, width = zeros[0].shape
    by_channel = np.mean([item.mean(axis=(1, 2)) for item in zeros], axis=0)
    has_places = height * width > 1
    return ZeroMap(
        activation=activation.name,
        label=label,
        sparsity=float(np.mean([item.mean() for item in zeros])),
        channels=channels,
        height=height if has_places else 0,
        width=width if has_places else 0,
        pixels=tuple(_grey_png(item.mean(axis=0), side, side) for item in zeros) if has_places else (),
        channel_strip=_grey_png(by_channel[None], _MAX_CHANNELS, 1),
    )


def _grey_png(shares: NDArray[np.floating[Any]], width: int, height: int) -> str:
    """Return shares ``[h, w]`` as PNG, averaged down where larger; few levels, which the eye does not miss."""
    from PIL import Image

    image = Image.fromarray(shares.astype(np.float32))
    factor = min(1.0, width / image.width, height / image.height) if height > 1 else min(1.0, width / image.width)
    size = max(1, round(image.width * factor)), max(1, round(image.height * factor))
    averaged = np.asarray(image.resize(size, Image.Resampling.BOX))
    levels = np.round(averaged * _LEVELS) * (255 / _LEVELS)
    stream = io.BytesIO()
    Image.fromarray(levels.astype(np.uint8)).save(stream, "PNG", optimize=True)
    return base64.b64encode(stream.getvalue()).decode()


def _picture(values: NDArray[np.float32], recipe: Preprocess | None) -> str | None:
    """Return an input as it looks, JPEG in base64, or None where it is no picture."""
    from PIL import Image

    pixels = _pixels(values, recipe)
    if pixels is None:
        return None
    image = Image.fromarray(pixels)
    image.thumbnail((_PICTURE_SIDE, _PICTURE_SIDE))
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=80)
    return base64.b64encode(stream.getvalue()).decode()


def _pixels(values: NDArray[np.float32], recipe: Preprocess | None) -> NDArray[np.uint8] | None:
    """Return uint8 ``[H, W, 3]`` or ``[H, W]``: the pixels before the recipe, or values stretched to 0..255."""
    if values.ndim != 3:
        return None
    planes = np.moveaxis(values, 0, -1) if values.shape[0] in (1, 3) else values
    if planes.shape[-1] not in (1, 3):
        return None
    if recipe is not None:
        mean, std = np.asarray(recipe.mean, np.float32), np.asarray(recipe.std, np.float32)
        pixels = (planes * std + mean) / np.float32(recipe.scale or 1.0)
        pixels = pixels[..., ::-1] if recipe.channel_order == "bgr" else pixels
    else:
        low, high = float(planes.min()), float(planes.max())
        pixels = (planes - low) * (255.0 / (high - low) if high > low else 0.0)
    whole = np.clip(np.nan_to_num(np.round(pixels)), 0, 255).astype(np.uint8)
    return np.ascontiguousarray(whole if whole.shape[-1] == 3 else whole[..., 0])
