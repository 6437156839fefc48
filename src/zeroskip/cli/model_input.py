"""A cheap look at a model file and a data file, before anything heavy is loaded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DataError

if TYPE_CHECKING:
    from ..data import Dataset
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
        raise DataError(
            f"the model has {len(inputs)} inputs {names}, but a data set feeds exactly one where it is pictures: give "
            "an .npz with an array for each"
        )
    return tuple(inputs[0].shape)


def input_names(model: ModelSource) -> list[str]:
    """Return the names of a model's inputs; raises ModelError if it cannot be read."""
    from ..engine.signature import Signature
    from ..onnx import LoadedModel

    return [item.name for item in Signature.of(LoadedModel.of(model).model).inputs]


def noise(model: ModelSource, count: int, side: int) -> Dataset:
    """Return noise for every input of a model.

    Args:
        model: ONNX file, or the loaded model.
        count: How many inputs.
        side: Size of open dimensions.

    Raises:
        ModelError: If it cannot be read.
        DataError: If an input is no tensor of numbers.
    """
    import numpy as np

    from ..analysis import ModelInput
    from ..data import arrays, random_input
    from ..engine.onnx_types import dtype_of

    arguments = ModelInput.of_model(model).arguments
    shapes = [[size if isinstance(size, int) else side for size in item.shape[1:]] for item in arguments]
    types = [dtype_of(item.type) for item in arguments]
    if len(arguments) == 1 and types[0] == np.float32:
        return random_input(shapes[0], count)
    random, columns = np.random.default_rng(0), {}
    for item, shape, dtype in zip(arguments, shapes, types, strict=True):
        if dtype is None or dtype.kind not in "fiub":
            raise DataError(f"there is no noise for {item}: give data")
        is_real = dtype.kind == "f"
        values = random.standard_normal((count, *shape)) if is_real else random.integers(0, 2, (count, *shape))
        columns[item.name] = values.astype(dtype)
    return replace(arrays(columns), is_random=True, description=f"{count} random inputs {shapes}")


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
    """Say whether an .npz file holds an array ``x`` alone, perhaps with ``y``, that is uint8; without reading it.

    Args:
        path: The file.

    Raises:
        DataError: If it cannot be read.
    """
    from ..data.archives import read_header, read_names

    names = read_names(path)
    if set(names) - {"y"} != {"x"} and names:
        return False
    return read_header(path, "x").dtype == "uint8"
