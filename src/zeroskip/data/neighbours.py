"""The same inputs as other preprocessings would give them, to find out which one a model was trained with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from .dataset import Dataset
from .loader import Change, MappedSource
from .preprocessing import Preprocess
from .presets import PRESETS

_PIXEL_RANGE = np.float32(255.0)


def neighbours(data: Dataset) -> Iterator[tuple[str, Dataset]]:
    """Yield what the data might have been meant to be, with words for it.

    For pictures: red and blue exchanged, and the numbers of every preset, with geometry and layout kept. For arrays
    that were given as they are: red and blue exchanged where an axis of length 3 shows the channels, and values times
    and divided by 255.

    Args:
        data: The inputs as they are.
    """
    recipe = data.preprocess
    if recipe is None:
        yield from _of_arrays(data)
        return
    seen = {recipe}
    for words, other in _recipes(recipe):
        if other not in seen:
            seen.add(other)
            yield words, data.reprocessed(other)


def _recipes(recipe: Preprocess) -> Iterator[tuple[str, Preprocess]]:
    yield "red and blue exchanged", exchanged(recipe)
    for name, preset in PRESETS.items():
        yield f"preprocessing '{name}'", recipe.normalized_as(preset)


def exchanged(recipe: Preprocess) -> Preprocess:
    """Return the recipe with red and blue exchanged; each colour keeps its mean and deviation.

    Args:
        recipe: Of either order.
    """
    order = {"rgb": "bgr", "bgr": "rgb"}[recipe.channel_order]
    mean, std = (values[::-1] if isinstance(values, tuple) else values for values in (recipe.mean, recipe.std))
    return replace(recipe, channel_order=order, mean=mean, std=std)  # type: ignore[arg-type]


def _of_arrays(data: Dataset) -> Iterator[tuple[str, Dataset]]:
    first = data.source.load(data.indices[:1])
    if isinstance(first, dict) or first.dtype.kind != "f":
        return
    shape = first.shape[1:]
    axis = next((axis for axis in (0, 2) if len(shape) == 3 and shape[axis] == 3), None)
    if axis is not None:
        yield "red and blue exchanged", _mapped(data, lambda x: np.flip(x, axis + 1))
    yield "values times 255 (0..255 instead of 0..1)", _mapped(data, lambda x: x * _PIXEL_RANGE)
    yield "values divided by 255 (0..1 instead of 0..255)", _mapped(data, lambda x: x / _PIXEL_RANGE)


def _mapped(data: Dataset, change: Change) -> Dataset:
    return replace(data, source=MappedSource(data.source, change))
