"""The sources behind a :class:`Dataset`: picture files with a bounded cache, arrays in memory, noise."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..errors import DataError
from ..progress import Progress, Steps
from ..system import physical_cores
from .class_names import printable
from .dataset import Indices, Source
from .decoder import decode
from .pictures import View, cut
from .preprocessing import Preprocess

DEFAULT_CACHE_BYTES = 2 << 30
_CHECKED_TOGETHER = 32

Change = Callable[[NDArray[np.float32]], NDArray[np.float32]]


class FileSource:
    """Picture files, decoded when asked for; item ``i`` is view ``i % views`` of file ``i // views``.

    Args:
        files: The pictures.
        views: The crops taken from each.
        preprocess: The recipe.
        cache_bytes: Pixels kept in memory at most, as uint8 after resizing and cropping. The first that
            come are kept: passes over a data set run in the same order, where dropping the oldest would
            never hit.
    """

    def __init__(self, files: Sequence[Path], views: Sequence[View], preprocess: Preprocess, cache_bytes: int) -> None:
        self._files = tuple(files)
        self._views = tuple(views)
        self._preprocess = preprocess
        self._cache: dict[int, NDArray[np.uint8]] = {}
        self._sound: set[int] = set()
        self._cache_left_bytes = cache_bytes
        self._last: tuple[int, Image.Image] | None = None  # views of one file come one after another

    def load(self, indices: Indices) -> NDArray[np.float32]:
        """Return the inputs at ``indices``, see :class:`Source`."""
        names = [printable(self._files[int(index) // len(self._views)].name) for index in indices]
        return self._preprocess.normalize(_stack((self._pixels(int(index)) for index in indices), names))

    def reprocessed(self, preprocess: Preprocess) -> FileSource:
        """Return the same pictures with another recipe; what was decoded is shared where the pixels are the same."""
        other = FileSource(self._files, self._views, preprocess, self._cache_left_bytes)
        if other._preprocess.has_geometry_of(self._preprocess):
            other._cache, other._cache_left_bytes = dict(self._cache), 0
        return other

    def unreadable(self, indices: Indices, progress: Progress | None = None) -> dict[int, str]:
        """Decode what was not decoded yet, in several threads, and return the reason for each file that fails.

        Args:
            indices: What is asked for; each file is decoded once for all its views. What fits is left in the cache.
            progress: Told of each file.

        Returns:
            The reason by the file's number.
        """
        wanted: dict[int, list[int]] = {}
        for index in indices.tolist():
            if index not in self._cache and index not in self._sound:
                wanted.setdefault(index // len(self._views), []).append(index)
        reasons: dict[int, str] = {}
        steps = Steps(progress, "checking the pictures", len(wanted))
        with ThreadPoolExecutor(physical_cores()) as pool:
            for group in _groups(sorted(wanted.items()), _CHECKED_TOGETHER):
                for (number, asked), views in zip(group, pool.map(self._views_of, group), strict=True):
                    if isinstance(views, DataError):
                        reasons[number] = str(views)
                        continue
                    self._sound.update(asked)
                    for index, pixels in zip(asked, views, strict=True):
                        self._keep(index, pixels)
                steps.advance(len(group))
        return reasons

    def _views_of(self, item: tuple[int, list[int]]) -> list[NDArray[np.uint8]] | DataError:
        number, indices = item
        try:
            image = decode(self._files[number])
            return [self._cut(image, index) for index in indices]
        except DataError as error:
            return error

    def _pixels(self, index: int) -> NDArray[np.uint8]:
        if index in self._cache:
            return self._cache[index]
        number = index // len(self._views)
        if self._last is None or self._last[0] != number:
            self._last = number, decode(self._files[number])
        pixels = self._cut(self._last[1], index)
        self._keep(index, pixels)
        return pixels

    def _cut(self, image: Image.Image, index: int) -> NDArray[np.uint8]:
        number, view = divmod(index, len(self._views))
        try:
            return cut(image, self._preprocess, self._views[view])
        except DataError as error:
            raise DataError(f"{printable(self._files[number].name)}: {error}") from error

    def _keep(self, index: int, pixels: NDArray[np.uint8]) -> None:
        if pixels.nbytes <= self._cache_left_bytes:
            self._cache[index] = pixels
            self._cache_left_bytes -= pixels.nbytes


class PixelSource:
    """Pictures in memory, uint8 ``[N, H, W, 3]`` RGB or ``[N, H, W]`` grey.

    Args:
        pixels: The pictures.
        preprocess: The recipe.
    """

    is_uniform = True

    def __init__(self, pixels: NDArray[np.uint8], preprocess: Preprocess) -> None:
        self._pixels = pixels if pixels.ndim == 4 else np.repeat(pixels[..., None], 3, axis=3)
        self._preprocess = preprocess
        keeps_size = preprocess.size == pixels.shape[1:3] and preprocess.crop is None
        self._is_cut = not (preprocess.keeps_geometry or keeps_size)

    def reprocessed(self, preprocess: Preprocess) -> PixelSource:
        """Return the same pictures with another recipe."""
        return PixelSource(self._pixels, preprocess)

    def unreadable(self, indices: Indices, progress: Progress | None = None) -> dict[int, str]:
        """Return nothing: the pictures are decoded already."""
        return {}

    def load(self, indices: Indices) -> NDArray[np.float32]:
        """Return the inputs at ``indices``, see :class:`Source`."""
        pixels = self._pixels[indices]
        if self._is_cut:
            names = [f"x[{index}]" for index in indices]
            pixels = _stack((cut(Image.fromarray(picture), self._preprocess) for picture in pixels), names)
        return self._preprocess.normalize(pixels)


class ArraySource:
    """Inputs in memory, floating point ``[N, ...]``, ready for the model.

    Args:
        x: The inputs, finite.

    Raises:
        DataError: If a value is not finite.
    """

    def __init__(self, x: NDArray[Any]) -> None:
        for index, sample in enumerate(x):
            if not np.isfinite(sample).all():
                raise DataError(f"x[{index}] holds NaN or infinities")
        self._x = x

    def load(self, indices: Indices) -> NDArray[np.float32]:
        """Return the inputs at ``indices``, see :class:`Source`."""
        return np.ascontiguousarray(self._x[indices], np.float32)


@dataclass(frozen=True)
class MappedSource:
    """Inputs of another source, changed.

    Args:
        source: The other source.
        change: Takes and returns float32 ``[N, ...]``.
    """

    source: Source
    change: Change

    def load(self, indices: Indices) -> NDArray[np.float32]:
        """Return the inputs at ``indices``, see :class:`Source`."""
        return np.ascontiguousarray(self.change(self.source.load(indices)))


class NoiseSource:
    """Standard normal noise; each input depends on its index and the seed only.

    Args:
        sample_shape: Shape of one input.
        seed: Seed of the noise.
    """

    def __init__(self, sample_shape: tuple[int, ...], seed: int) -> None:
        self._sample_shape = sample_shape
        self._seed = seed

    def load(self, indices: Indices) -> NDArray[np.float32]:
        """Return the inputs at ``indices``, see :class:`Source`."""
        return np.stack([self._noise(int(index)) for index in indices])

    def _noise(self, index: int) -> NDArray[np.float32]:
        return np.random.default_rng((self._seed, index)).standard_normal(self._sample_shape, np.float32)


def _groups(items: Sequence[tuple[int, list[int]]], size: int) -> Iterable[Sequence[tuple[int, list[int]]]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def _stack(pictures: Iterable[NDArray[np.uint8]], names: Sequence[str]) -> NDArray[np.uint8]:
    stacked = list(pictures)
    for picture, name in zip(stacked, names, strict=True):
        if picture.shape != stacked[0].shape:
            raise DataError(
                f"images differ in size after preprocessing ({stacked[0].shape[:2]} of {names[0]} and "
                f"{picture.shape[:2]} of {name}): set crop or size in the recipe, or use batch_size 1"
            )
    return np.stack(stacked)
