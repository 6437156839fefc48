"""A cheap look at a model file and a data file, before anything heavy is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DataError

if TYPE_CHECKING:
    from ..data.classes import ClassNames
    from ..onnx.load import ModelSource


def input_shape(model: ModelSource) -> tuple[int | str | None, ...]:
    """Return the shape of a model's only input, as the file states it.

    Args:
        model: ONNX file, or the loaded model.

    Raises:
        ModelError: If it cannot be read.
        DataError: If it has several inputs.
    """
    from ..engine.signature import Signature
    from ..onnx import LoadedModel

    inputs = Signature.of(LoadedModel.of(model).model).inputs
    if len(inputs) != 1:
        names = [item.name for item in inputs]
        raise DataError(f"the model has {len(inputs)} inputs {names}, but a data set feeds exactly one")
    return tuple(inputs[0].shape)


def class_names(model: ModelSource) -> ClassNames | None:
    """Return the names of a model's classes that its file states, None if it states none that can be read.

    Args:
        model: ONNX file, or the loaded model.

    Raises:
        ModelError: If it cannot be read.
    """
    from ..data.classes import ClassNames
    from ..onnx import LoadedModel
    from ..onnx.metadata import NAMES_KEY

    text = LoadedModel.of(model).model.metadata_props.get(NAMES_KEY)
    try:
        return None if text is None else ClassNames.from_metadata(text)
    except DataError:
        return None  # other exporters may mean other things by the key


def holds_pictures(path: Path) -> bool:
    """Say whether the array ``x`` of an .npz file is uint8, without reading it.

    Args:
        path: The file.

    Raises:
        DataError: If it cannot be read.
    """
    from ..data.archives import read_header

    return read_header(path, "x").dtype == "uint8"
