"""Small pictures with known pixels for the tests of this folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def gradient(height: int = 40, width: int = 60) -> np.ndarray:
    """Return uint8 ``[H, W, 3]``: red grows downwards, green to the right, blue is constant."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[..., 0] = np.arange(height)[:, None] * 4
    pixels[..., 1] = np.arange(width)[None, :] * 4
    pixels[..., 2] = 77
    return pixels


def write_png(path: Path, pixels: np.ndarray | None = None) -> Path:
    """Write a picture without loss and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(gradient() if pixels is None else pixels).save(path)
    return path


def plain(value: int, height: int = 8, width: int = 8) -> np.ndarray:
    """Return a picture of one grey level, by which it can be told from others."""
    return np.full((height, width, 3), value, np.uint8)
