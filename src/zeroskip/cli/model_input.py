"""A cheap look at a model file and a data file, before anything heavy is loaded."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DataError

if TYPE_CHECKING:
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


def holds_pictures(path: Path) -> bool:
    """Say whether the array ``x`` of an .npz file is uint8, without reading it; False if it cannot be told.

    Args:
        path: The file.
    """
    import numpy as np

    try:
        with zipfile.ZipFile(path) as archive, archive.open("x.npy") as stream:
            version = np.lib.format.read_magic(stream)
            reader = (
                np.lib.format.read_array_header_1_0
                if version == (1, 0)
                else np.lib.format.read_array_header_2_0
            )
            dtype = reader(stream)[2]
    except (OSError, KeyError, ValueError, zipfile.BadZipFile):
        return False  # opening it properly reports what is wrong
    return bool(dtype == np.uint8)
