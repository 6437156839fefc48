"""The options that say which inputs to use and how pixels become numbers, and the data set they make."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ..errors import DataError
from .console import Terminal
from .model_input import class_names, input_names

if TYPE_CHECKING:
    from ..data import Dataset, Preprocess
    from ..data.classes import ClassNames
    from ..data.sources import OnError
    from ..onnx.load import ModelSource

_PANEL = "Data and preprocessing"
_NOISE_COUNT = 16
_NOISE_SIDE = 224
_SKIPPED_SHOWN = 5

_DEFAULT_PRESET = "imagenet"
_PRESETS = ("imagenet", "caffe-bgr", "efficientnet-lite", "tf-inception", "cifar", "unit", "raw")
_PIXEL_OPTIONS = (
    "preprocess",
    "resize",
    "size",
    "crop",
    "interpolation",
    "channel_order",
    "scale",
    "mean",
    "std",
    "layout",
)
FOLDER_OPTIONS = ("labels", "classes", "crops", "skip_unreadable")

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
            help="Folder of images (flat, one folder per class, or with labels.csv), or an .npz of x and y, "
            "or of an array for each input of the model.",
            rich_help_panel=_PANEL,
        ),
    ] = None
    labels: Annotated[
        str,
        typer.Option(help="auto, none, folders, or a CSV file (file,class_index).", rich_help_panel=_PANEL),
    ] = "auto"
    classes: Annotated[
        Path | None,
        typer.Option(
            help="Names of the model's classes, one a line or JSON, for class folders; by default the model's own.",
            show_default=False,
            rich_help_panel=_PANEL,
        ),
    ] = None
    crops: Annotated[int, typer.Option(help="Views taken from each image.", min=1, max=30, rich_help_panel=_PANEL)] = 1
    skip_unreadable: Annotated[
        bool,
        typer.Option("--skip-unreadable", help="Leave out images that cannot be read.", rich_help_panel=_PANEL),
    ] = False
    preprocess: Annotated[
        str | None,
        typer.Option(
            help=f"{', '.join(_PRESETS)}, or a .json file (ours, timm's or Hugging Face's). By default what the model "
            f"states, else {_DEFAULT_PRESET}. Layout and size follow the model; what follows overrides it.",
            metavar="PRESET or FILE",
            show_default=False,
            rich_help_panel=_PANEL,
        ),
    ] = None
    resize: Annotated[int | None, typer.Option(help="Short side after resizing.", min=1, rich_help_panel=_PANEL)] = None
    size: Annotated[
        str | None, typer.Option(help="Stretch to this size instead.", metavar="HxW", rich_help_panel=_PANEL)
    ] = None
    crop: Annotated[str | None, typer.Option(help="Centre crop.", metavar="N or HxW", rich_help_panel=_PANEL)] = None
    interpolation: Annotated[
        Interpolation | None, typer.Option(help="Filter of the resizing.", rich_help_panel=_PANEL)
    ] = None
    channel_order: Annotated[
        ChannelOrder | None, typer.Option(help="What the model takes.", rich_help_panel=_PANEL)
    ] = None
    scale: Annotated[float | None, typer.Option(help="Factor on pixels 0..255.", rich_help_panel=_PANEL)] = None
    mean: Annotated[
        str | None,
        typer.Option(help="Subtracted after scaling.", metavar="A or A,B,C", rich_help_panel=_PANEL),
    ] = None
    std: Annotated[
        str | None, typer.Option(help="Divides at the end.", metavar="A or A,B,C", rich_help_panel=_PANEL)
    ] = None
    layout: Annotated[Layout | None, typer.Option(help="By default the model's.", rich_help_panel=_PANEL)] = None

    def open(self, model: ModelSource) -> Dataset:
        """Return the data set, fitted to the model's input.

        Args:
            model: The ONNX file, or the loaded model, whose input decides layout and size where the options do not.

        Raises:
            DataError: If no data were named, they cannot be used, or an option does not apply to them.
            ModelError: If the model cannot be read.
        """
        return self._opened(
            self.data, lambda: self.recipe(model), lambda: class_names(model), lambda: input_names(model)
        )

    def open_for_torch(self, path: Path | None = None) -> Dataset:
        """Return the data set as the options say, for a network without a file that states its input.

        Args:
            path: Folder or .npz file; by default ``--data``.

        Raises:
            DataError: If there are no such data, they cannot be used, or an option does not apply to them.
        """
        return self._opened(path or self.data, lambda: replace(self._named(), **self._overrides()), lambda: None, list)

    def open_or_noise(self, model: ModelSource, random_input: bool) -> Dataset:
        """Return the data set, or noise of the model's input shape if that was asked for.

        Args:
            model: The ONNX file, or the loaded model.
            random_input: Whether ``--random-input`` was given.

        Raises:
            DataError: As :meth:`open`, or if other options of this group were given with noise.
            ModelError: If the model cannot be read.
        """
        from .model_input import noise

        if not random_input:
            return self.open(model)
        if self.data is not None:
            raise DataError("both --data and --random-input were given: give one of them")
        self.refuse([*_PIXEL_OPTIONS, *FOLDER_OPTIONS], "--random-input")
        return noise(model, _NOISE_COUNT, _NOISE_SIDE)

    def recipe(self, model: ModelSource, default: Preprocess | None = None) -> Preprocess:
        """Return the preprocessing: what the options say, then what the model states, its layout and size, the preset.

        Args:
            model: The ONNX file, or the loaded model.
            default: What takes the place of the preset where neither options nor model name one.

        Raises:
            DataError: If the options do not fit together or the model's input takes no pictures.
            ModelError: If the model cannot be read.
        """
        from ..data import Preprocess
        from .model_input import input_shape

        stated = None if self.preprocess is not None else Preprocess.from_model(model) or default
        return replace((stated or self._named()).fitted_to(input_shape(model)), **self._overrides())

    def refuse(self, names: Sequence[str], what: str) -> None:
        """Refuse options that have no effect.

        Args:
            names: Fields of this class that do not apply.
            what: To what, for the message.

        Raises:
            DataError: If one of them was given.
        """
        unused = {field.name: field.default for field in fields(self)}
        if given := [f"--{name.replace('_', '-')}" for name in names if getattr(self, name) != unused[name]]:
            raise DataError(f"{', '.join(given)} does not apply to {what}: leave it out")

    def _named(self) -> Preprocess:
        from ..data import PRESETS, Preprocess

        name = self.preprocess or _DEFAULT_PRESET
        if name in PRESETS:
            return Preprocess.preset(name)
        if name.lower().endswith(".json"):
            return Preprocess.load(name)
        raise DataError(f"--preprocess is '{name}', expected one of {', '.join(PRESETS)}, or a .json file")

    def _opened(
        self,
        path: Path | None,
        recipe: Callable[[], Preprocess],
        names: Callable[[], ClassNames | None],
        inputs: Callable[[], list[str]],
    ) -> Dataset:
        from ..data import image_folder, npz
        from .model_input import holds_pictures

        if path is None:
            raise DataError("no data: name a folder of images or an .npz file with --data")
        if not path.exists():
            raise DataError(f"there is no folder or file '{path}'")
        if path.is_dir():
            on_error: OnError = "skip" if self.skip_unreadable else "raise"
            classes = names() if self.classes is None else self.classes
            return image_folder(
                path, recipe(), labels=self.labels, classes=classes, crops=self.crops, on_error=on_error
            )
        if path.suffix.lower() != ".npz":
            raise DataError(f"'{path}' is neither a folder nor an .npz file")
        self.refuse(FOLDER_OPTIONS, f"an .npz file ('{path.name}')")
        if holds_pictures(path):
            return npz(path, recipe())
        self.refuse(_PIXEL_OPTIONS, f"'{path.name}', whose values are taken as they stand (only uint8 are pixels)")
        return npz(path, inputs=inputs())

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


def show_notes(terminal: Terminal, data: Dataset) -> None:
    """Print what was decided about labels and what was left out."""
    for note in (*data.notes, *(f"left out: {line}" for line in data.skipped[:_SKIPPED_SHOWN])):
        terminal.note(note)


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
