"""Synthetic plans: single steps with random weights, side by side in one plan, to be timed.

No step reads what another one computes, except that steps of one input shape share the input; so any can be
made to use any algorithm and sees exactly the density it is fed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from ..data_types import DATA_TYPES, MASK_WORD_BYTES
from ..plan.types import ALIGNMENT_BYTES, FloatArray, Layout, Plan, Step, TensorSpec, round_up
from .work import ElementType

Algorithm = Literal["dense", "sparse", "winograd", "auto"]
_PREFIXES: dict[ElementType, str] = {"float32": "", "bf16": "bf16_", "u8": "quantized_"}
"""Of the operators that multiply elements of a type."""
_WEIGHT_STEPS = 22.0
"""Standard deviation of weights of 8 bits, as in trained networks: large ones are multiplied in another way."""


@dataclass
class SyntheticPlan:
    """Collects steps; every tensor has memory of its own.

    Constants go by their shape: steps, and plans, of the same shapes have the same and can share packed weights.

    Args:
        dtype: What the steps compute in. Inputs of bf16 are converted from float32, those of u8 are fed as they are.
    """

    dtype: ElementType = "float32"
    tensors: list[TensorSpec] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    constants: dict[str, FloatArray] = field(default_factory=dict)
    inputs: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)
    arena_bytes: int = 0
    maps: dict[tuple[int, ...], int] = field(default_factory=dict)

    def source(self, *shape: int) -> int:
        """Add a graph input and return its index."""
        self.inputs.append(self._add(shape, "row", "u8" if self.dtype == "u8" else "float32"))
        return self.inputs[-1]

    def result(self, *shape: int) -> int:
        """Add a graph output and return its index."""
        self.outputs.append(self._add(shape, "row", "u8" if self.dtype == "u8" else "float32"))
        return self.outputs[-1]

    def map(self, *shape: int) -> int:
        """Return an activation, of float32 a masked one, that is fed by a graph input; one shape has one."""
        if shape not in self.maps:
            source = self.source(*shape)
            laid_out = self._add(shape, "nhwc", self.tensors[source].dtype)
            self.step("to_nhwc", (source,), laid_out)
            self.maps[shape] = self._narrowed(laid_out)
        return self.maps[shape]

    def convolution(
        self,
        x: int,
        outputs: int,
        kernel: int,
        stride: int,
        *,
        groups: int = 1,
        algorithm: Algorithm | None,
        adds: bool = False,
    ) -> None:
        """Add a square convolution with bias and a rectifier, padded by half its kernel.

        Args:
            x: Input.
            outputs: Output channels.
            kernel: Height and width.
            stride: In both directions.
            groups: Groups.
            algorithm: None for a depthwise convolution.
            adds: Whether it adds another map to its sums.
        """
        channels = self.tensors[x].shape[1]
        constants = self._parameters(outputs, channels // groups, kernel, kernel)
        attributes = _window(kernel, stride) | {"groups": groups}
        if algorithm is not None:
            attributes["algorithm"] = algorithm
        y = self._windowed(x, outputs, kernel, stride)
        inputs = (x, self.map(*self.tensors[y].shape)) if adds else (x,)
        if self.dtype == "u8":
            attributes |= {"residual_scale": 0.5, "sum_scale": 0.5} if adds else {}
        else:
            attributes["activation"] = "fatrelu"
            constants["thresholds"] = constants["bias"]
        macs = self.tensors[y].elements * channels // groups * kernel * kernel
        op = "depthwise" if algorithm is None else "conv"
        self.step(_PREFIXES[self.dtype] + op, inputs, y, constants=constants, macs=macs, **attributes)

    def pool(self, x: int, kernel: int, stride: int) -> None:
        """Add a max-pool, padded by half its kernel if that is odd."""
        y = self._windowed(x, self.tensors[x].shape[1], kernel, stride)
        self.step("max_pool", (x,), y, **_window(kernel, stride))

    def add(self, x: int) -> None:
        """Add a sum of two maps."""
        y = self._add(self.tensors[x].shape, "nhwc", self.tensors[x].dtype)
        if self.dtype == "u8":
            constants = {"multipliers": self._multipliers(self.tensors[x].shape[1])}
            self.step("quantized_add", (x, x), y, constants=constants, residual_scale=0.5)
        else:
            self.step("add", (x, x), y)

    def linear(self, inputs: int, outputs: int) -> None:
        """Add a fully connected layer of one input row."""
        x, y = self._narrowed(self.source(1, inputs)), self.result(1, outputs)
        op = f"{_PREFIXES[self.dtype]}linear"
        attributes = {} if self.dtype == "float32" else {"algorithm": "auto"}
        constants = self._parameters(outputs, inputs)
        self.step(op, (x,), y, constants=constants, macs=inputs * outputs, **attributes)

    def quantize(self, *shape: int) -> None:
        """Add the rounding of a graph input of float32 to u8, and the way back."""
        self.inputs.append(self._add(shape, "row", "float32"))
        integers, floats = self._add(shape, "row", "u8", is_external=False), self._add(shape, "row", "float32")
        self.outputs.append(floats)
        self.step("quantize", self.inputs[-1:], integers, scale=0.01, zero_point=0)
        self.step("dequantize", (integers,), floats, scale=0.01, zero_point=0)

    def step(
        self,
        op: str,
        inputs: Sequence[int],
        output: int,
        *,
        constants: dict[str, str] | None = None,
        macs: int = 0,
        **attributes: Any,
    ) -> None:
        """Add any step."""
        name = f"{op}{len(self.steps)}"
        self.steps.append(Step(op, name, tuple(inputs), (output,), attributes, constants or {}, macs=macs))

    def freeze(self) -> Plan:
        """Return the plan; the last map becomes an output too, since a plan needs one."""
        last = self.steps[-1].outputs[0]
        if self.tensors[last].dtype == "bf16":
            narrow, last = last, self._add(self.tensors[last].shape, self.tensors[last].layout, "float32")
            self.step("convert", (narrow,), last)
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

    def _parameters(self, *shape: int) -> dict[str, str]:
        """Return the constants of a layer: weight of this shape, outputs first, and bias; of integers multipliers."""
        if self.dtype != "u8":
            return {"weight": self._weight(*shape), "bias": self._weight(shape[0])}
        return {
            "weight": self._integers("s8", *shape),
            "bias": self._integers("s32", shape[0]),
            "multipliers": self._multipliers(shape[0]),
        }

    def _weight(self, *shape: int) -> str:
        name = "x".join(map(str, shape))
        if name not in self.constants:
            self.constants[name] = np.random.default_rng(1).random(shape, np.float32)
        return name

    def _integers(self, dtype: str, *shape: int) -> str:
        name = f"{dtype}:{'x'.join(map(str, shape))}"
        if name not in self.constants:
            values = np.clip(np.random.default_rng(1).normal(0.0, _WEIGHT_STEPS, shape), -127, 127)
            self.constants[name] = np.asarray(np.rint(values), DATA_TYPES[dtype].numpy_type)
        return name

    def _multipliers(self, outputs: int) -> str:
        name = f"multipliers:{outputs}"
        self.constants.setdefault(name, np.full(outputs, 1e-3, np.float32))
        return name

    def _narrowed(self, index: int) -> int:
        """Return the same values in bf16 where that is computed in."""
        if self.dtype != "bf16":
            return index
        source = self.tensors[index]
        narrow = self._add(source.shape, source.layout, "bf16", is_external=False)
        self.step("convert", (index,), narrow)
        return narrow

    def _windowed(self, x: int, channels: int, kernel: int, stride: int) -> int:
        n, _, *sizes = self.tensors[x].shape
        pad = _pad(kernel)
        shape = (n, channels, *((size + 2 * pad - kernel) // stride + 1 for size in sizes))
        return self._add(shape, "nhwc", self.dtype)

    def _add(self, shape: tuple[int, ...], layout: Layout, dtype: str, *, is_external: bool = True) -> int:
        """Add a tensor; of row layout it lives in the caller's memory, unless ``is_external`` is False."""
        place: dict[str, Any] = {}
        kind, elements = DATA_TYPES[dtype], math.prod(shape)
        if layout == "nhwc":
            stride = round_up(shape[1], kind.channel_block)
            elements = elements // shape[1] * stride
            place = {"pixel_stride": stride, "offset": self._reserve(kind.bytes * elements)}
            if dtype == "float32":
                place["masked"] = True
                place["mask_offset"] = self._reserve(MASK_WORD_BYTES * elements // kind.channel_block)
        elif not is_external:
            place = {"offset": self._reserve(kind.bytes * elements)}
        self.tensors.append(TensorSpec(f"t{len(self.tensors)}", shape, layout, dtype=dtype, **place))
        return len(self.tensors) - 1

    def _reserve(self, size: int) -> int:
        offset = self.arena_bytes
        self.arena_bytes += round_up(size, ALIGNMENT_BYTES)
        return offset


def _pad(kernel: int) -> int:
    return kernel // 2 if kernel % 2 else 0


def _window(kernel: int, stride: int) -> dict[str, Any]:
    pads = (_pad(kernel),) * 4
    return {"kernel": (kernel,) * 2, "strides": (stride,) * 2, "pads": pads, "dilations": (1, 1)}
