"""Reading recipes that other libraries keep beside their models: timm's and Hugging Face's, as plain dictionaries.

What a :class:`Preprocess` cannot say (padding, sizes that depend on pictures in other ways) is refused, not left out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, get_args

from ..errors import DataError
from .preprocessing import ChannelOrder, Interpolation, Preprocess

Config = Mapping[str, Any]
Colours = tuple[float, float, float]

_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_TIMM_CROP_PCT = 0.875
_RESAMPLE: tuple[Interpolation | None, ...] = ("nearest", "lanczos", "bilinear", "bicubic", "box", None)
"""By Pillow's number."""
_BICUBIC = ("CLIP", "ConvNext", "Bit", "Beit", "DeiT", "Levit", "PoolFormer", "Siglip")
_SHORT_SIDE = ("CLIP", "ConvNext", "Bit", "Levit", "PoolFormer", "MobileNet", "MobileViT", "ResNet", "RegNet")
"""Image processors to whom a size of one number is a short side; to others it is a square."""
_CONVNEXT_WARP = 384
_LEVIT_MARGIN = 256 / 224
_CENTRE = 127.5


def from_timm(config: Config) -> Preprocess:
    """Return timm's evaluation recipe, see :meth:`Preprocess.from_timm`."""
    config = _timm_part(config)
    shape = config.get("input_size", (3, 224, 224))
    _require(_is_shape(shape) and shape[0] == 3, "timm", f"input_size {shape!r}, expected [3, height, width]")
    height, width = shape[1:]
    pct = config.get("crop_pct") or _TIMM_CROP_PCT
    _require(isinstance(pct, int | float) and pct > 0.0, "timm", f"crop_pct {pct!r}")
    mode = config.get("crop_mode") or "center"
    _require(mode in ("center", "squash"), "timm", f"crop_mode {mode!r}, which pads")
    _require(not config.get("crop_border_pixels"), "timm", "crop_border_pixels")
    scaled = math.floor(height / pct), math.floor(width / pct)
    is_squashed = mode == "squash"
    _require(is_squashed or height == width, "timm", f"input_size {shape!r} with crop_mode 'center'")
    return Preprocess(
        resize=None if is_squashed else scaled[0],
        size=scaled if is_squashed else None,
        crop=(height, width),
        interpolation=_interpolation(config.get("interpolation", "bicubic"), "timm"),
        scale=1 / 255,
        mean=_colours(config.get("mean", _IMAGENET_MEAN)),
        std=_colours(config.get("std", _IMAGENET_STD)),
    )


def from_hf(config: Config) -> Preprocess:
    """Return the recipe of a Hugging Face image processor, see :meth:`Preprocess.from_hf`."""
    if "data_config" in config or "pretrained_cfg" in config:
        return from_timm(config)
    kind = str(config.get("image_processor_type") or config.get("feature_extractor_type") or "")
    for name in ("do_pad", "keep_aspect_ratio", "ensure_multiple_of", "size_divisor", "pad_size"):
        value = config.get(name)
        _require(not value or (name == "ensure_multiple_of" and value == 1), "Hugging Face", name)
    scale = float(config.get("rescale_factor", 1 / 255)) if config.get("do_rescale", True) else 1.0
    mean, std = _hf_normalization(config, kind, scale)
    order: ChannelOrder = "bgr" if config.get("do_flip_channel_order") else "rgb"
    if order == "bgr":
        mean, std = (mean[2], mean[1], mean[0]), (std[2], std[1], std[0])
    resample = config.get("resample", 3 if kind.startswith(_BICUBIC) else 2)
    is_known = isinstance(resample, int) and 0 <= resample < len(_RESAMPLE)
    return Preprocess(
        **_hf_geometry(config, kind),
        interpolation=_interpolation(_RESAMPLE[resample] if is_known else resample, "Hugging Face"),
        channel_order=order,
        scale=scale,
        mean=mean,
        std=std,
    )


def _hf_geometry(config: Config, kind: str) -> dict[str, Any]:
    crop = config.get("crop_size") if config.get("do_center_crop", "crop_size" in config) else None
    crop = None if crop is None else _sides(crop, "crop_size")
    if not config.get("do_resize", True):
        return {"crop": crop}
    size = config.get("size")
    if isinstance(size, int):
        size = {"shortest_edge": size} if kind.startswith(_SHORT_SIDE) else {"height": size, "width": size}
    sides = dict(size) if isinstance(size, Mapping) else {}
    if set(sides) == {"height", "width"}:
        return {"size": _sides(sides, "size"), "crop": crop}
    is_short = set(sides) == {"shortest_edge"} and isinstance(sides["shortest_edge"], int)
    _require(is_short, "Hugging Face", f"size {size!r}")
    short, pct = sides["shortest_edge"], config.get("crop_pct")
    if kind.startswith("ConvNext"):
        if short >= _CONVNEXT_WARP:
            return {"size": (short, short), "crop": crop}
        return {"resize": int(short / (pct or _TIMM_CROP_PCT)), "crop": (short, short)}
    if kind.startswith("Levit"):
        short = int(_LEVIT_MARGIN * short)
    return {"resize": int(short / pct) if pct else short, "crop": crop}


def _hf_normalization(config: Config, kind: str, scale: float) -> tuple[Colours, Colours]:
    mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    if config.get("do_normalize", True):
        given = config.get("image_mean"), config.get("image_std")
        _require(None not in given, "Hugging Face", "do_normalize without image_mean and image_std")
        mean, std = _colours(given[0]), _colours(given[1])
    is_efficientnet = kind.startswith("EfficientNet")
    if config.get("rescale_offset"):
        _require(is_efficientnet, "Hugging Face", f"rescale_offset of {kind or 'an unnamed processor'}")
        mean = mean[0] + _CENTRE * scale, mean[1] + _CENTRE * scale, mean[2] + _CENTRE * scale
    if is_efficientnet and config.get("include_top", True) and config.get("do_normalize", True):
        std = std[0] ** 2, std[1] ** 2, std[2] ** 2  # it divides a second time
    return mean, std


def _timm_part(config: Config) -> Config:
    for name in ("data_config", "pretrained_cfg"):
        if isinstance(config.get(name), Mapping):
            return _timm_part(config[name])
    return config


def _interpolation(name: Any, whose: str) -> Interpolation:
    name = "bilinear" if name == "random" else name
    _require(name in get_args(Interpolation), whose, f"interpolation {name!r}")
    return name  # type: ignore[no-any-return]


def _colours(values: Any) -> Colours:
    return Preprocess(mean=tuple(values) if isinstance(values, list) else values).channel_means


def _sides(value: Any, name: str) -> tuple[int, int]:
    if isinstance(value, int):
        return value, value
    _require(isinstance(value, Mapping) and {"height", "width"} <= set(value), "Hugging Face", f"{name} {value!r}")
    return value["height"], value["width"]


def _is_shape(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) == 3 and all(isinstance(side, int) for side in value)


def _require(is_met: Any, whose: str, what: str) -> None:
    if not is_met:
        raise DataError(f"{whose}'s recipe says {what}, which cannot be taken over: make a Preprocess by hand")
