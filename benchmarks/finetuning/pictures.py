"""CIFAR-10 in memory: pictures to train on, 1,000 to judge epochs and calibrate by, 10,000 to report on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zeroskip import data
from zeroskip.torch import picture_loader
from zeroskip.torch.data import PictureLoader

VALIDATION = 1000


@dataclass(frozen=True)
class Cifar:
    """The three parts, uint8 ``[N, 32, 32, 3]`` with labels."""

    train: tuple[NDArray[np.uint8], NDArray[np.uint8]]
    valid: tuple[NDArray[np.uint8], NDArray[np.uint8]]
    test: tuple[NDArray[np.uint8], NDArray[np.uint8]]

    @classmethod
    def load(cls, folder: Path, training: int | None = None) -> Cifar:
        """Read ``train20k.npz`` and ``test.npz``; use the first ``training`` pictures to train on, or all."""
        train, test = (np.load(folder / name, allow_pickle=False) for name in ("train20k.npz", "test.npz"))
        x, y = train["x"], train["y"]
        return cls(
            (x[:-VALIDATION][:training], y[:-VALIDATION][:training]),
            (x[-VALIDATION:], y[-VALIDATION:]),
            (test["x"], test["y"]),
        )

    def dataset(self, part: str) -> data.Dataset:
        """Return ``"valid"`` or ``"test"`` for zeroskip's own functions."""
        x, y = getattr(self, part)
        return data.arrays(x, y, "cifar", description=f"CIFAR-10 {part}")

    def loader(self, part: str, batch_size: int, *, augments: bool = False) -> PictureLoader:
        """Return batches for torch, preprocessed once and kept."""
        x, y = getattr(self, part)
        ready = np.concatenate([batch for batch, _ in data.arrays(x, None, "cifar").batches(1000)])
        return picture_loader(data.arrays(ready, y), batch_size, shuffle=augments, augment=augments)
