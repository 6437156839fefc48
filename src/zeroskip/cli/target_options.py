"""The options that say what is to be found in the pictures beyond a class: masks or boxes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ..errors import DataError
from .data_options import FOLDER_OPTIONS, DataOptions
from .metric_option import metric_of

if TYPE_CHECKING:
    from ..data import Dataset
    from ..onnx.load import ModelSource

_PANEL = "Data and preprocessing"
_CHANNELS = 3

Decoding = Literal["end2end", "yolov8", "yolov5", "separate"]


@dataclass(frozen=True)
class TargetOptions:
    """Masks or boxes of the pictures."""

    masks: Annotated[
        Path | None,
        typer.Option(
            help="Folder of masks called like the pictures of --data: the class of each pixel, 255 for none. "
            "Bounds mean IoU.",
            show_default=False,
            rich_help_panel=_PANEL,
        ),
    ] = None
    boxes: Annotated[
        Path | None,
        typer.Option(
            help="Boxes in the pictures of --data: COCO's JSON, or a folder of YOLO's text files. Bounds COCO's mean "
            "average precision. Pictures are stretched to the model's size, and scaled to 0..1, if nothing else is "
            "said.",
            show_default=False,
            rich_help_panel=_PANEL,
        ),
    ] = None
    decoding: Annotated[
        Decoding, typer.Option(help="How boxes are read from the model's outputs.", rich_help_panel=_PANEL)
    ] = "end2end"

    def open(self, data: DataOptions, model: ModelSource) -> Dataset:
        """Return the data set, with masks or boxes as its targets if they are given.

        Args:
            data: The other options of the data.
            model: The ONNX file, or the loaded model, whose input decides layout and size where the options do not.

        Raises:
            DataError: As :meth:`DataOptions.open`; also if masks or boxes do not fit the pictures, or options each
                other.
            ModelError: If the model cannot be read.
        """
        from ..data import coco, masks, yolo

        if self.boxes is None and self.decoding != "end2end":
            raise DataError("--decoding says how boxes are read: give --boxes as well, or leave it out")
        if self.masks is None and self.boxes is None:
            return data.open(model)
        if self.masks is not None and self.boxes is not None:
            raise DataError("both --masks and --boxes were given: give one of them")
        path, flag = (self.masks, "--masks") if self.masks is not None else (self.boxes, "--boxes")
        data.refuse(FOLDER_OPTIONS, f"pictures with {flag}")
        if data.data is None or not data.data.is_dir():
            raise DataError(f"{flag} needs a folder of pictures: name it with --data")
        if path is None or not path.exists():
            raise DataError(f"{flag}: there is no folder or file '{path}'")
        if self.masks is not None:
            return masks(data.data, self.masks, data.recipe(model))
        recipe = data.recipe(model, _for_boxes(model))
        return yolo(data.data, recipe, labels=path) if path.is_dir() else coco(data.data, path, recipe)

    def metric(self, named: str, output: str | None) -> Any:
        """Return the metric that is meant: masks and boxes have their own, unless another one is named.

        Args:
            named: What ``--metric`` says.
            output: What ``--metric-output`` says.

        Raises:
            BadParameter: If ``named`` is no metric.
            CalibrationError: If it is a function that cannot be had.
        """
        from ..calibration import Detection

        if self.masks is not None and named == "auto":
            return "miou"
        if self.boxes is not None and named in ("auto", "detection"):
            return Detection(self.decoding, output=output or "")
        return metric_of(named)


def _for_boxes(model: ModelSource) -> Any:
    """Return how detectors are fed most often: stretched to the model's size, if it has one, and scaled to 0..1."""
    from ..data import Preprocess
    from .model_input import input_shape

    sides = [side for side in input_shape(model)[1:] if isinstance(side, int) and side > _CHANNELS]
    return Preprocess.preset("unit", size=(1, 1) if len(sides) == 2 else None)
