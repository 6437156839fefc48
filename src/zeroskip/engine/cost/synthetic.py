"""Synthetic plans: single steps with random weights, side by side in one plan, to be timed.

No step reads what another one computes, except that steps of one input shape share the input; so any can be
made to use any algorithm and sees exactly the density it is fed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from ..data_types import FLOAT32, MASK_WORD_BYTES
from ..plan.types import ALIGNMENT_BYTES, CHANNEL_BLOCK, FloatArray, Layout, Plan, Step, TensorSpec, round_up

Algorithm = Literal["dense", "sparse", "winograd", "auto"]


@dataclass
class SyntheticPlan:
    """Collects steps; every tensor has memory of its own.

    Constants go by their shape: steps, and plans, of the same shapes have the same and can share packed weights.
    """

    tensors: list[TensorSpec] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    constants: dict[str, FloatArray] = field(default_factory=dict)
    inputs: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)
    arena_bytes: int = 0
    maps: dict[tuple[int, ...], int] = field(default_factory=dict)

    def source(self, *shape: int) -> int:
        """Add a graph input and return its index."""
        self.inputs.append(self._add(shape, "row"))
        return self.inputs[-1]

    def result(self, *shape: int) -> int:
        """Add a graph output and return its index."""
        self.outputs.append(self._add(shape, "row"))
        return self.outputs[-1]

    def map(self, *shape: int) -> int:
        """Return a masked activation that is fed by a graph input; one shape has one."""
        if shape not in self.maps:
            source = self.source(*shape)
            self.maps[shape] = self._add(shape, "nhwc")
            self.step("to_nhwc", (source,), self.maps[shape])
        return self.maps[shape]

    def convolution(
        self, x: int, outputs: int, kernel: int, stride: int, *, groups: int = 1, algorithm: Algorithm | None
    ) -> None:
        """Add a square convolution with bias and FATReLU, padded by half its kernel.

        Args:
            x: Input.
            outputs: Output channels.
            kernel: Height and width.
            stride: In both directions.
            groups: Groups.
            algorithm: None for a depthwise convolution.
        """
        channels = self.tensors[x].shape[1]
        weight = self._weight(outputs, channels // groups, kernel, kernel)
        bias = self._weight(outputs)
        constants = {"weight": weight, "bias": bias, "thresholds": bias}
        attributes = _window(kernel, stride) | {"groups": groups, "activation": "fatrelu"}
        if algorithm is not None:
            attributes["algorithm"] = algorithm
        y = self._windowed(x, outputs, kernel, stride)
        macs = self.tensors[y].elements * channels // groups * kernel * kernel
        op = "depthwise" if algorithm is None else "conv"
        self.step(op, (x,), y, constants=constants, macs=macs, **attributes)

    def pool(self, x: int, kernel: int, stride: int) -> None:
        """Add a max-pool, padded by half its kernel if that is odd."""
        y = self._windowed(x, self.tensors[x].shape[1], kernel, stride)
        self.step("max_pool", (x,), y, **_window(kernel, stride))

    def add(self, x: int) -> None:
        """Add a sum of two maps."""
        self.step("add", (x, x), self._add(self.tensors[x].shape, "nhwc"))

    def linear(self, inputs: int, outputs: int) -> None:
        """Add a fully connected layer of one input row."""
        constants = {"weight": self._weight(outputs, inputs), "bias": self._weight(outputs)}
        x, y = self.source(1, inputs), self.result(1, outputs)
        self.step("linear", (x,), y, constants=constants, macs=inputs * outputs)

    def step(
        self,
        op: str,
        inputs: tuple[int, ...],
        output: int,
        *,
        constants: dict[str, str] | None = None,
        macs: int = 0,
        **attributes: Any,
    ) -> None:
        """Add any step."""
        name = f"{op}{len(self.steps)}"
        self.steps.append(Step(op, name, inputs, (output,), attributes, constants or {}, macs=macs))

    def freeze(self) -> Plan:
        """Return the plan; the last map becomes an output too, since a plan needs one."""
        last = self.steps[-1].outputs[0]
        if self.tensors[last].layout == "nhwc":
            self.step("to_row", (last,), self.result(*self.tensors[last].shape))
        return Plan(
            tensors=tuple(self.tensors),
            steps=tuple(self.steps),
            constants=self.constants,
            inputs=tuple(self.inputs),
            outputs=tuple(self.outputs),
            arena_bytes=self.arena_bytes,
        )

    def _weight(self, *shape: int) -> str:
        name = "x".join(map(str, shape))
        if name not in self.constants:
            self.constants[name] = np.random.default_rng(1).random(shape, np.float32)
        return name

    def _windowed(self, x: int, channels: int, kernel: int, stride: int) -> int:
        n, _, *sizes = self.tensors[x].shape
        pad = _pad(kernel)
        return self._add((n, channels, *((size + 2 * pad - kernel) // stride + 1 for size in sizes)), "nhwc")

    def _add(self, shape: tuple[int, ...], layout: Layout) -> int:
        place: dict[str, Any] = {}
        if layout == "nhwc":
            stride = round_up(shape[1], CHANNEL_BLOCK)
            elements = math.prod(shape) // shape[1] * stride
            place = {"masked": True, "pixel_stride": stride, "offset": self._reserve(FLOAT32.bytes * elements)}
            place["mask_offset"] = self._reserve(MASK_WORD_BYTES * elements // CHANNEL_BLOCK)
        self.tensors.append(TensorSpec(f"t{len(self.tensors)}", shape, layout, **place))
        return len(self.tensors) - 1

    def _reserve(self, size: int) -> int:
        offset = self.arena_bytes
        self.arena_bytes += round_up(size, ALIGNMENT_BYTES)
        return offset


def sparse_values(shape: tuple[int, ...], density: float) -> FloatArray:
    """Return float32 values of which a fraction of about ``density`` is 0.5 to 1.5 and the others are zero."""
    values = np.random.default_rng(0).random(shape, np.float32)
    return np.asarray(np.where(values < density, np.float32(0.5) + values, np.float32(0)), np.float32)


def _pad(kernel: int) -> int:
    return kernel // 2 if kernel % 2 else 0


def _window(kernel: int, stride: int) -> dict[str, Any]:
    pads = (_pad(kernel),) * 4
    return {"kernel": (kernel,) * 2, "strides": (stride,) * 2, "pads": pads, "dilations": (1, 1)}
