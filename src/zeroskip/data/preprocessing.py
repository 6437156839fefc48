"""How pixels become a model's input: an explicit value with every parameter, see ``presets`` for known ones.

Owns the numbers and the pixel arithmetic. Decoding, resizing and cropping of pictures follow the value's
geometry fields in ``pictures.py``.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..files import atomic_write_text, read_text

if TYPE_CHECKING:
    from ..onnx.load import ModelSource

Interpolation = Literal["nearest", "box", "bilinear", "bicubic", "lanczos"]
ChannelOrder = Literal["rgb", "bgr"]
Layout = Literal["nchw", "nhwc"]

_GEOMETRY = ("resize", "size", "crop", "interpolation")
_NORMALIZATION = ("channel_order", "scale", "mean", "std")
_OWN_KEYS = {*_GEOMETRY, *_NORMALIZATION, "layout", "schema_version"}
_SCHEMA_VERSION = 1
_MAX_BYTES = 1 << 20
_MAX_SIDE = 1 << 16


@dataclass(frozen=True)
class Preprocess:
    """A recipe from a picture to one input: resize, crop, order channels, scale and normalise.

    The value of a channel is ``(pixel * scale - mean) / std`` with ``pixel`` in 0..255; ``mean`` and
    ``std`` stand in the channel order of the OUTPUT. Every field can be overridden by itself with
    ``dataclasses.replace``.

    Args:
        resize: Length in pixels of the short side after resizing with the aspect ratio kept; None keeps the
            size.
        size: Stretch to exactly ``(height, width)`` instead, whatever the aspect ratio; excludes ``resize``.
        crop: Centre crop after resizing, one number for a square or ``(height, width)``; None keeps
            everything.
        interpolation: Filter of the resizing, as Pillow defines it (antialiased).
        channel_order: ``"rgb"`` or ``"bgr"`` of the output.
        scale: Factor on the pixel value.
        mean: Subtracted after scaling, one number or one per output channel.
        std: Divides at the end, one number or one per output channel; not 0.
        layout: ``"nchw"`` or ``"nhwc"`` of the batch.

    Raises:
        DataError: If a field is out of range; the message names it.

    Example:
        >>> Preprocess.preset("caffe-bgr", crop=227).sample_shape
        (3, 227, 227)
    """

    resize: int | None = None
    size: tuple[int, int] | None = None
    crop: int | tuple[int, int] | None = None
    interpolation: Interpolation = "bilinear"
    channel_order: ChannelOrder = "rgb"
    scale: float = 1.0
    mean: float | tuple[float, float, float] = 0.0
    std: float | tuple[float, float, float] = 1.0
    layout: Layout = "nchw"

    def __post_init__(self) -> None:
        for name, choices in (
            ("interpolation", get_args(Interpolation)),
            ("channel_order", get_args(ChannelOrder)),
            ("layout", get_args(Layout)),
        ):
            if getattr(self, name) not in choices:
                raise DataError(f"preprocess {name} is {getattr(self, name)!r}, expected one of {list(choices)}")
        if self.resize is not None and self.size is not None:
            raise DataError(f"preprocess has both resize={self.resize} and size={self.size}: give one of them")
        if self.resize is not None and not (type(self.resize) is int and self.resize >= 1):
            raise DataError(f"preprocess resize is {self.resize!r}, expected pixels >= 1")
        if isinstance(self.scale, bool) or not (isinstance(self.scale, int | float) and math.isfinite(self.scale)):
            raise DataError(f"preprocess scale is {self.scale!r}, expected a finite number")
        object.__setattr__(self, "size", _pair("size", self.size))
        object.__setattr__(self, "crop", _pair("crop", self.crop))
        object.__setattr__(self, "mean", _triple("mean", self.mean))
        object.__setattr__(self, "std", _triple("std", self.std))
        if 0.0 in _triple("std", self.std):
            raise DataError(f"preprocess std is {self.std}: it divides, so no entry may be 0")

    @classmethod
    def preset(cls, name: str, **overrides: Any) -> Preprocess:
        """Return a named recipe of ``PRESETS``, with some fields replaced.

        Args:
            name: A key of ``PRESETS``.
            **overrides: Fields of this class.

        Raises:
            DataError: If the name or a field is unknown; the message lists the known ones.
        """
        from .presets import PRESETS

        if name not in PRESETS:
            raise DataError(f"unknown preprocess preset {name!r}, known are {sorted(PRESETS)}")
        known = [field.name for field in fields(cls)]
        if unknown := sorted(set(overrides) - set(known)):
            raise DataError(f"unknown preprocess fields {unknown}, known are {known}")
        return replace(PRESETS[name], **overrides)

    @classmethod
    def from_dict(cls, values: Any) -> Preprocess:
        """Return the recipe that :meth:`to_dict` made, for example after a way through JSON.

        Args:
            values: All fields or some; ``schema_version`` may be among them.

        Raises:
            DataError: If it is no such dictionary, of another version, or a field is unknown or of the wrong type.
        """
        if not isinstance(values, Mapping):
            raise DataError(f"a recipe is a dictionary, got {type(values).__name__}")
        rest = {key: tuple(item) if isinstance(item, list) else item for key, item in values.items()}
        version = rest.pop("schema_version", _SCHEMA_VERSION)
        if version != _SCHEMA_VERSION:
            raise DataError(f"the recipe has schema_version {str(version)[:20]}, expected {_SCHEMA_VERSION}")
        return cls.preset("raw", **rest)

    @classmethod
    def from_json(cls, text: str, what: str = "the recipe") -> Preprocess:
        """Return the recipe in a JSON text: ours, timm's or Hugging Face's.

        Args:
            text: What :meth:`save` writes, a ``config.json`` of timm, or a ``preprocessor_config.json``.
            what: How messages call it.

        Raises:
            DataError: If it is none of these.
        """
        try:
            values = json.loads(text)
            if not isinstance(values, dict) or set(values) <= _OWN_KEYS:
                return cls.from_dict(values)
            if {"pretrained_cfg", "data_config", "input_size"} & set(values):
                return cls.from_timm(values)
            return cls.from_hf(values)
        except (ValueError, TypeError, RecursionError, DataError) as error:
            raise DataError(f"{what} is no preprocessing: {error}") from error

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Preprocess:
        """Read a recipe from a file.

        Args:
            path: As for :meth:`from_json`.

        Raises:
            DataError: If it cannot be read or is no recipe.
        """
        try:
            text = read_text(path, _MAX_BYTES)
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"cannot read a preprocessing from '{os.fspath(path)}': {error}") from error
        return cls.from_json(text, f"'{os.fspath(path)}'")

    @classmethod
    def from_timm(cls, config: Mapping[str, Any]) -> Preprocess:
        """Return the evaluation recipe of a model of timm.

        Args:
            config: ``model.pretrained_cfg``, what ``timm.data.resolve_data_config`` returns, or a ``config.json``.

        Raises:
            DataError: If it says what a recipe cannot: padding, or a centre crop that is not square.

        Example:
            >>> Preprocess.from_timm({"input_size": [3, 224, 224], "crop_pct": 0.95}).resize
            235
        """
        from .recipes import from_timm

        return from_timm(config)

    @classmethod
    def from_hf(cls, config: Mapping[str, Any]) -> Preprocess:
        """Return the recipe of an image processor of Hugging Face.

        Args:
            config: The content of ``preprocessor_config.json``, or ``image_processor.to_dict()``.

        Raises:
            DataError: If it says what a recipe cannot, padding for example.

        Example:
            >>> Preprocess.from_hf({"size": {"height": 384, "width": 384}, "do_normalize": False}).size
            (384, 384)
        """
        from .recipes import from_hf

        return from_hf(config)

    @classmethod
    def from_model(cls, model: ModelSource) -> Preprocess | None:
        """Return the recipe that a model states under ``zeroskip.preprocess``, None if it states none.

        Args:
            model: ONNX file, its content, or a loaded model.

        Raises:
            DataError: If what it states is no recipe.
            ModelError: If the model cannot be read.
        """
        from ..onnx import LoadedModel
        from ..onnx.metadata import PREPROCESS_KEY

        text = LoadedModel.of(model).model.metadata_props.get(PREPROCESS_KEY)
        return None if text is None else cls.from_json(text, f"what the model states under '{PREPROCESS_KEY}'")

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the recipe as JSON; the file appears whole or not at all.

        Args:
            path: File to create or replace.

        Raises:
            OutputError: If it cannot be written.
        """
        atomic_write_text(path, json.dumps(self.to_dict(), indent=2) + "\n")

    def differences(self, other: Preprocess) -> list[str]:
        """Return where the recipe differs from another one, layout apart, in words: ``"scale 1 instead of 0.5"``.

        Args:
            other: The other one.
        """
        mine, others = self.to_dict(), other.to_dict()
        return [
            f"{name} {mine[name]} instead of {others[name]}"
            for name in mine
            if name != "layout" and mine[name] != others[name]
        ]

    @property
    def channel_means(self) -> tuple[float, float, float]:
        """``mean`` as one number per channel."""
        return _triple("mean", self.mean)

    @property
    def output_size(self) -> tuple[int, int] | None:
        """(height, width) that every picture ends with, or None where it depends on the picture."""
        return _pair("crop", self.crop) or self.size

    @property
    def sample_shape(self) -> tuple[int, ...] | None:
        """Shape of one input without the batch axis, or None where it depends on the picture."""
        if self.output_size is None:
            return None
        height, width = self.output_size
        return (3, height, width) if self.layout == "nchw" else (height, width, 3)

    @property
    def keeps_geometry(self) -> bool:
        """Whether pictures are neither resized nor cropped."""
        return self.resize is None and self.size is None and self.crop is None

    def has_geometry_of(self, other: Preprocess) -> bool:
        """Whether pictures are resized and cropped as another recipe does, so that the pixels are the same."""
        return all(getattr(self, name) == getattr(other, name) for name in _GEOMETRY)

    def normalized_as(self, other: Preprocess) -> Preprocess:
        """Return the recipe with the channel order, scale, mean and deviation of another one."""
        return replace(self, **{name: getattr(other, name) for name in _NORMALIZATION})

    def fitted_to(self, input_shape: Sequence[int | str | None]) -> Preprocess:
        """Return the recipe with layout and output size taken from a model's input shape.

        The crop (or the stretch, where the recipe stretches) becomes the model's height and width if these
        are fixed. ``resize`` changes in proportion to the crop, but stays where the crop grows and still fits:
        networks of 227 pixels are fed from 256, like those of 224.

        Args:
            input_shape: Four dimensions as the model states them; names, None and 0 stand for dynamic ones.

        Raises:
            DataError: If the shape is not that of a batch of pictures with three channels.

        Example:
            >>> Preprocess.preset("imagenet").fitted_to(["N", 299, 299, 3]).sample_shape
            (299, 299, 3)
        """
        shape = list(input_shape)
        if len(shape) != 4 or 3 not in (shape[1], shape[3]):
            raise DataError(
                f"the model's input has shape {shape}, which is no batch of colour pictures "
                "([N, 3, H, W] or [N, H, W, 3]): give the data as an .npz file"
            )
        layout: Layout = "nchw" if shape[1] == 3 else "nhwc"
        height, width = shape[2:] if layout == "nchw" else shape[1:3]
        if not (isinstance(height, int) and isinstance(width, int) and height > 0 and width > 0):
            return replace(self, layout=layout)
        if self.crop is None:
            return replace(self, layout=layout, size=(height, width) if self.size else None)
        return replace(self, layout=layout, crop=(height, width), resize=self._resize_for((height, width)))

    def normalize(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Turn RGB pixels of final size into the model's input.

        Args:
            pixels: uint8 ``[N, H, W, 3]`` in RGB order.

        Returns:
            Contiguous float32 ``[N, 3, H, W]`` or ``[N, H, W, 3]`` by ``layout``.
        """
        batch, height, width, _ = pixels.shape
        shape = (batch, 3, height, width) if self.layout == "nchw" else pixels.shape
        output = np.empty(shape, np.float32)
        for channel, table in enumerate(self._tables):
            source = channel if self.channel_order == "rgb" else 2 - channel
            plane = output[:, channel] if self.layout == "nchw" else output[..., channel]
            plane[...] = table[pixels[..., source]]
        return output

    def to_dict(self) -> dict[str, Any]:
        """Return all fields as plain values that JSON can hold."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}

    def describe(self) -> str:
        """Return the recipe in one line, naming the preset where it is one.

        Example:
            >>> Preprocess.preset("efficientnet-lite").describe()
            'efficientnet-lite: short side 256 bicubic, crop 224x224, RGB, (pixel*1 - 127) / 128, NCHW'
        """
        from .presets import PRESETS

        preset = next((name for name, value in PRESETS.items() if value == self), None)
        steps = []
        if self.resize is not None:
            steps.append(f"short side {self.resize} {self.interpolation}")
        if self.size is not None:
            steps.append("stretched to {}x{}".format(*self.size) + f" {self.interpolation}")
        if crop := _pair("crop", self.crop):
            steps.append("crop {}x{}".format(*crop))
        values = f"(pixel*{self.scale:g} - {_short(self.mean)}) / {_short(self.std)}"
        steps += [self.channel_order.upper(), values, self.layout.upper()]
        return (f"{preset}: " if preset else "") + ", ".join(steps)

    def _resize_for(self, crop: tuple[int, int]) -> int | None:
        before = max(_pair("crop", self.crop) or crop)
        if self.resize is None or before <= max(crop) <= self.resize:
            return self.resize
        return max(max(crop), math.ceil(self.resize * max(crop) / before))

    @cached_property
    def _tables(self) -> NDArray[np.float32]:
        """float32 ``[3, 256]``: the output for each pixel value, so that a value costs one look-up."""
        pixel = np.arange(256, dtype=np.float64)
        mean, std = (np.array(_triple("", value)).reshape(3, 1) for value in (self.mean, self.std))
        return np.asarray((pixel * self.scale - mean) / std, np.float32)


def _pair(name: str, value: Any) -> tuple[int, int] | None:
    if value is None:
        return None
    pair = tuple(value) if isinstance(value, tuple | list) else (value, value)
    if len(pair) != 2 or not all(type(side) is int and 1 <= side <= _MAX_SIDE for side in pair):
        raise DataError(f"preprocess {name} is {value!r}, expected pixels >= 1 or (height, width)")
    return pair[0], pair[1]


def _triple(name: str, value: Any) -> tuple[float, float, float]:
    triple = tuple(value) if isinstance(value, tuple | list) else (value,)
    if len(triple) == 1:
        triple *= 3
    if len(triple) != 3 or not all(isinstance(item, int | float) and math.isfinite(item) for item in triple):
        raise DataError(f"preprocess {name} is {value!r}, expected one finite number or three")
    return float(triple[0]), float(triple[1]), float(triple[2])


def _short(values: Any) -> str:
    numbers = [f"{value:g}" for value in _triple("", values)]
    return numbers[0] if len(set(numbers)) == 1 else f"({', '.join(numbers)})"
