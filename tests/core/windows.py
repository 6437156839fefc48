"""Numpy oracle of everything that slides a window over an image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Window:
    kernel: tuple[int, int]
    strides: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilations: tuple[int, int] = (1, 1)

    def attributes(self) -> dict[str, tuple[int, ...]]:
        return {
            "kernel": self.kernel,
            "strides": self.strides,
            "pads": self.pads,
            "dilations": self.dilations,
        }

    def output_extent(self, size: int, axis: int, ceil: bool = False) -> int:
        span = (self.kernel[axis] - 1) * self.dilations[axis] + 1
        room = size + self.pads[axis] + self.pads[axis + 2] - span
        return (-(-room // self.strides[axis]) if ceil else room // self.strides[axis]) + 1

    def patches(self, x: np.ndarray, fill: float, ceil: bool = False) -> np.ndarray:
        """Taps of every window as (N, C, OH, OW, KH, KW); `fill` outside the image."""
        top, left, bottom, right = self.pads
        beyond = (self.strides[0], self.strides[1]) if ceil else (0, 0)
        widths = [(0, 0), (0, 0), (top, bottom + beyond[0]), (left, right + beyond[1])]
        padded = np.pad(x, widths, constant_values=fill)
        out_h, out_w = (self.output_extent(x.shape[2 + axis], axis, ceil) for axis in (0, 1))
        rows = np.arange(out_h)[:, None] * self.strides[0] + np.arange(self.kernel[0]) * self.dilations[0]
        columns = np.arange(out_w)[:, None] * self.strides[1] + np.arange(self.kernel[1]) * self.dilations[1]
        return padded[:, :, rows[:, None, :, None], columns[None, :, None, :]]
