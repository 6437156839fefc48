"""The options that say which inputs to use and how pixels become numbers, and the data set they make."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ..errors import DataError

if TYPE_CHECKING:
    from ..data import Dataset, Preprocess
    from ..onnx.load import ModelSource

_PANEL = "Data and preprocessing"
_NOISE_COUNT = 16
_NOISE_SIDE = 224

Preset = Literal["imagenet", "caffe-bgr", "efficientnet-lite", "tf-inception", "cifar", "unit", "raw"]
Interpolation = Literal["nearest", "box", "bilinear", "bicubic", "lanczos"]
ChannelOrder = Literal["rgb", "bgr"]
Layout = Literal["nchw", "nhwc"]

RandomInputOption = Annotated[
    bool,
    typer.Option(
        "--random-input",
        help="Use noise instead of --data. Says nothing about real sparsity: early layers look too sparse.",
        rich_help_panel=_PANEL,
    ),
]


@dataclass(frozen=True)
class DataOptions:
    """Which inputs, and how pixels become numbers."""

    data: Annotated[
        Path | None,
        typer.Option(
            help="Folder of images (flat, one folder per class, or with labels.csv), or an .npz.",
            rich_help_panel=_PANEL,
        ),
    ] = None
    labels: Annotated[
        str,
        typer.Option(help="auto, none, folders, or a CSV file (file,class_index).", rich_help_panel=_PANEL),
    ] = "auto"
    crops: Annotated[
        int, typer.Option(help="Views taken from each image.", min=1, max=30, rich_help_panel=_PANEL)
    ] = 1
    skip_unreadable: Annotated[
        bool,
        typer.Option(
            "--skip-unreadable", help="Leave out images that cannot be read.", rich_help_panel=_PANEL
        ),
    ] = False
    preprocess: Annotated[
        Preset,
        typer.Option(
            help="Preset; layout and size follow the model, what follows overrides it.",
            rich_help_panel=_PANEL,
        ),
    ] = "imagenet"
    resize: Annotated[
        int | None, typer.Option(help="Short side after resizing.", min=1, rich_help_panel=_PANEL)
    ] = None
    size: Annotated[
        str | None, typer.Option(help="Stretch to this size instead.", metavar="HxW", rich_help_panel=_PANEL)
    ] = None
    crop: Annotated[
        str | None, typer.Option(help="Centre crop.", metavar="N or HxW", rich_help_panel=_PANEL)
    ] = None
    interpolation: Annotated[
        Interpolation | None, typer.Option(help="Filter of the resizing.", rich_help_panel=_PANEL)
    ] = None
    channel_order: Annotated[
        ChannelOrder | None, typer.Option(help="What the model takes.", rich_help_panel=_PANEL)
    ] = None
    scale: Annotated[float | None, typer.Option(help="Factor on pixels 0..255.", rich_help_panel=_PANEL)] = (
        None
    )
    mean: Annotated[
        str | None,
        typer.Option(help="Subtracted after scaling.", metavar="A or A,B,C", rich_help_panel=_PANEL),
    ] = None
    std: Annotated[
        str | None, typer.Option(help="Divides at the end.", metavar="A or A,B,C", rich_help_panel=_PANEL)
    ] = None
    layout: Annotated[Layout | None, typer.Option(help="By default the model's.", rich_help_panel=_PANEL)] = (
        None
    )

    def open(self, model: ModelSource) -> Dataset:
        """Return the data set, fitted to the model's input.

        Args:
            model: The ONNX file, or the loaded model, whose input decides layout and size where the options do not.

        Raises:
            DataError: If no data were named, or they cannot be used.
            ModelError: If the model cannot be read.
        """
        return self._opened(self.data, lambda: self.recipe(model))

    def open_for_torch(self, path: Path | None = None) -> Dataset:
        """Return the data set as the preset and the options say, for a network without a file that states its input.

        Args:
            path: Folder or .npz file; by default ``--data``.

        Raises:
            DataError: If there are no such data, or they cannot be used.
        """
        from ..data import Preprocess

        preset = Preprocess.preset(self.preprocess)
        return self._opened(path or self.data, lambda: dataclasses.replace(preset, **self._overrides()))

    def open_or_noise(self, model: ModelSource, random_input: bool) -> Dataset:
        """Return the data set, or noise of the model's input shape if that was asked for.

        Args:
            model: The ONNX file, or the loaded model.
            random_input: Whether ``--random-input`` was given.

        Raises:
            DataError: As :meth:`open`, or if both data and noise were asked for.
            ModelError: If the model cannot be read.
        """
        from ..data import random_input as noise
        from .model_input import input_shape

        if not random_input:
            return self.open(model)
        if self.data is not None:
            raise DataError("both --data and --random-input were given: give one of them")
        sides = [side if isinstance(side, int) else _NOISE_SIDE for side in input_shape(model)[1:]]
        return noise(sides, _NOISE_COUNT)

    def recipe(self, model: ModelSource) -> Preprocess:
        """Return the preprocessing: what the options say, then the model's layout and size, then the preset.

        Args:
            model: The ONNX file, or the loaded model.

        Raises:
            DataError: If the options do not fit together or the model's input takes no pictures.
            ModelError: If the model cannot be read.
        """
        from ..data import Preprocess
        from .model_input import input_shape

        fitted = Preprocess.preset(self.preprocess).fitted_to(input_shape(model))
        return dataclasses.replace(fitted, **self._overrides())

    def _opened(self, path: Path | None, recipe: Callable[[], Preprocess]) -> Dataset:
        from ..data import load, npz
        from .model_input import holds_pictures

        if path is None:
            raise DataError("no data: name a folder of images or an .npz file with --data")
        if not path.exists():
            raise DataError(f"there is no folder or file '{path}'")
        if path.suffix.lower() == ".npz":
            # Pictures are uint8 and need the recipe; floating point is ready and refuses one.
            return npz(path, recipe() if holds_pictures(path) else None)
        on_error = "skip" if self.skip_unreadable else "raise"
        return load(path, recipe(), labels=self.labels, crops=self.crops, on_error=on_error)

    def _overrides(self) -> dict[str, Any]:
        given: dict[str, Any] = {
            "resize": self.resize,
            "size": _pixels("size", self.size),
            "crop": _pixels("crop", self.crop),
            "interpolation": self.interpolation,
            "channel_order": self.channel_order,
            "scale": self.scale,
            "mean": _numbers("mean", self.mean),
            "std": _numbers("std", self.std),
            "layout": self.layout,
        }
        overrides = {key: value for key, value in given.items() if value is not None}
        # Stretching takes the place of the preset's resizing and cropping.
        return {"resize": None, "crop": None, **overrides} if "size" in overrides else overrides


def _pixels(name: str, text: str | None) -> int | tuple[int, int] | None:
    if text is None:
        return None
    try:
        sides = [int(part) for part in text.lower().split("x")]
    except ValueError:
        sides = []
    if len(sides) == 1:
        return sides[0]
    if len(sides) != 2:
        raise typer.BadParameter(f"--{name} is {text!r}, expected N or HxW, for example 224 or 240x320")
    return sides[0], sides[1]


def _numbers(name: str, text: str | None) -> float | tuple[float, float, float] | None:
    if text is None:
        return None
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if len(values) == 1:
        return values[0]
    if len(values) != 3:
        raise typer.BadParameter(
            f"--{name} is {text!r}, expected one number or three with commas, for example 104,117,123"
        )
    return values[0], values[1], values[2]
