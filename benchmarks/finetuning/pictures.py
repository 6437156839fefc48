"""CIFAR-10 in memory: pictures to train on, 1,000 to judge epochs and calibrate by, 10,000 to report on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from numpy.typing import NDArray
from torch import Tensor

from zeroskip import data

VALIDATION = 1000
_PADDING = 4


@dataclass(frozen=True)
class Cifar:
    """The three parts, uint8 ``[N, 32, 32, 3]`` with labels."""

    train: tuple[NDArray[np.uint8], NDArray[np.uint8]]
    valid: tuple[NDArray[np.uint8], NDArray[np.uint8]]
    test: tuple[NDArray[np.uint8], NDArray[np.uint8]]

    @classmethod
    def load(cls, folder: Path, training: int | None = None) -> Cifar:
        """Read ``train20k.npz`` and ``test.npz``; use the first ``training`` pictures to train on, or all."""
        train, test = np.load(folder / "train20k.npz"), np.load(folder / "test.npz")
        x, y = train["x"], train["y"]
        return cls(
            (x[:-VALIDATION][:training], y[:-VALIDATION][:training]), (x[-VALIDATION:], y[-VALIDATION:]), (test["x"], test["y"])
        )

    def dataset(self, part: str) -> data.Dataset:
        """Return ``"valid"`` or ``"test"`` for zeroskip's own functions."""
        x, y = getattr(self, part)
        return data.arrays(x, y, "cifar", description=f"CIFAR-10 {part}")

    def loader(self, part: str, batch_size: int, *, augments: bool = False) -> PictureLoader:
        """Return batches for torch."""
        x = np.concatenate([batch for batch, _ in data.arrays(getattr(self, part)[0], None, "cifar").batches(1000)])
        return PictureLoader(
            torch.from_numpy(x), torch.from_numpy(getattr(self, part)[1].astype(np.int64)), batch_size, augments
        )


class PictureLoader:
    """Batches of preprocessed pictures; shuffled, shifted and mirrored by torch's global generator for training.

    Args:
        x: float32 ``[N, 3, 32, 32]``.
        y: int64 ``[N]``.
        batch_size: The last batch may be smaller.
        augments: Whether this is training data.
    """

    def __init__(self, x: Tensor, y: Tensor, batch_size: int, augments: bool) -> None:
        self._x, self._y, self._size, self._augments = x, y, batch_size, augments

    def __len__(self) -> int:
        return -(-len(self._x) // self._size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        count = len(self._x)
        order = torch.randperm(count) if self._augments else torch.arange(count)
        for part in order.split(self._size):
            x = self._x[part]
            yield (_augmented(x) if self._augments else x), self._y[part]


def _augmented(x: Tensor) -> Tensor:
    """Shift each picture by up to four pixels and mirror every second."""
    count, _, height, width = x.shape
    padded = F.pad(x, (_PADDING,) * 4)
    top, left = torch.randint(0, 2 * _PADDING + 1, (2, count))
    rows = (top[:, None] + torch.arange(height))[:, None, :, None]
    columns = (left[:, None] + torch.arange(width))[:, None, None, :]
    shifted = padded[torch.arange(count)[:, None, None, None], torch.arange(3)[None, :, None, None], rows, columns]
    is_mirrored = torch.rand(count)[:, None, None, None] < 0.5
    return torch.where(is_mirrored, shifted.flip(3), shifted)
