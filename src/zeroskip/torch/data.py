"""zeroskip's data sets as loaders for training."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from torch import Tensor

from ..data import Dataset
from ..errors import DataError
from .processes import Processes


def picture_loader(
    data: Dataset, batch_size: int = 32, *, shuffle: bool = False, augment: bool = False, padding: int = 4
) -> PictureLoader:
    """Make a loader of a data set, decoded as it goes.

    Args:
        data: Labelled or not.
        batch_size: The last batch may be smaller.
        shuffle: Whether each pass has another order.
        augment: Whether pictures are mirrored and shifted at random; for inputs ``[3, H, W]``.
        padding: Largest shift in pixels.

    Raises:
        DataError: If ``batch_size`` is below 1, or pictures to augment are not ``[C, H, W]``.
    """
    if batch_size < 1:
        raise DataError(f"batch_size is {batch_size}, expected >= 1")
    if augment and len(data.sample_shape) != 3:
        raise DataError(f"only pictures [C, H, W] can be augmented, the inputs are {list(data.sample_shape)}")
    return PictureLoader(data, batch_size, shuffle, padding if augment else None)


class PictureLoader:
    """Batches of a data set. Order and augmentation come from torch's global generator.

    Args:
        data: The data set.
        batch_size: Inputs per batch.
        shuffle: Whether each pass has another order.
        padding: Largest shift of a picture; None for no augmentation.
    """

    def __init__(self, data: Dataset, batch_size: int, shuffle: bool, padding: int | None) -> None:
        self._data, self._size, self._shuffle, self._padding = data, batch_size, shuffle, padding

    def __len__(self) -> int:
        return -(-len(self._data) // self._size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor | None]]:
        return ((x, y) for x, y, _ in self.parts(Processes()))

    def parts(self, processes: Processes) -> Iterator[tuple[Tensor, Tensor | None, float]]:
        """Yield this process's inputs and labels of each batch, and their weight; no others are read.

        Order and augmentation are drawn for whole batches, so they do not depend on the number of processes.
        """
        count = len(self._data)
        order = torch.randperm(count) if self._shuffle else torch.arange(count)
        labels = self._data.labels
        for part in torch.split(order, self._size):
            own, weight = processes.part_of(len(part))
            places = part[own].numpy()
            x = torch.from_numpy(self._data.source.load(self._data.indices[places]))
            y = None if labels is None else torch.from_numpy(np.ascontiguousarray(labels[places]))
            yield (x if self._padding is None else _augmented(x, self._padding, len(part), own)), y, weight


def _augmented(x: Tensor, padding: int, drawn: int, own: slice) -> Tensor:
    """Shift each picture by up to ``padding`` pixels and mirror every second, as drawn for a batch they are part of."""
    count, channels, height, width = x.shape
    padded = F.pad(x, (padding,) * 4)
    top, left = torch.randint(0, 2 * padding + 1, (2, drawn))[:, own]
    rows = (top[:, None] + torch.arange(height))[:, None, :, None]
    columns = (left[:, None] + torch.arange(width))[:, None, None, :]
    samples, planes = torch.arange(count)[:, None, None, None], torch.arange(channels)[None, :, None, None]
    shifted = padded[samples, planes, rows, columns]
    is_mirrored = torch.rand(drawn)[own, None, None, None] < 0.5
    return torch.where(is_mirrored, shifted.flip(3), shifted)
