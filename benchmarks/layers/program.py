"""A program of one convolution, built by hand for the native core, to time one algorithm alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from zeroskip import _core

from ..models.networks.graph import ConvShape, FloatArray

Algorithm = Literal["sparse", "dense", "auto"]
_CHANNEL_BLOCK, _ALIGNMENT_BYTES = 16, 64
_TIMED = "conv"


def _round_up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple


@dataclass
class _Plan:
    tensors: list[dict[str, Any]] = field(default_factory=list)
    steps: list[dict[str, Any]] = field(default_factory=list)
    arena_bytes: int = 0

    def row(self, shape: tuple[int, ...]) -> int:
        """Add a tensor in the caller's memory."""
        return self._add(shape, "row", 0, -1, -1)

    def nhwc(self, channels: int, height: int, width: int) -> int:
        """Add a masked activation."""
        stride = _round_up(channels, _CHANNEL_BLOCK)
        elements = height * width * stride
        offset = self._reserve(4 * elements)
        mask_offset = self._reserve(2 * elements // _CHANNEL_BLOCK)
        return self._add((1, channels, height, width), "nhwc", stride, offset, mask_offset)

    def step(self, op: str, source: int, result: int, arrays: dict[str, FloatArray], **attributes: Any) -> None:
        self.steps.append(
            {
                "op": op,
                "name": op,
                "inputs": (source,),
                "outputs": (result,),
                "attributes": attributes,
                "arrays": arrays,
            }
        )

    def _reserve(self, size: int) -> int:
        offset = self.arena_bytes
        self.arena_bytes += _round_up(size, _ALIGNMENT_BYTES)
        return offset

    def _add(self, shape: tuple[int, ...], layout: str, stride: int, offset: int, mask_offset: int) -> int:
        self.tensors.append(
            {
                "name": f"t{len(self.tensors)}",
                "shape": shape,
                "layout": layout,
                "masked": layout == "nhwc",
                "pixel_stride": stride,
                "offset": offset,
                "mask_offset": mask_offset,
            }
        )
        return len(self.tensors) - 1


class LayerProgram:
    """One convolution with bias and ReLU on a masked input, as a network runs it.

    Args:
        shape: The convolution.
        algorithm: What is forced; ``"auto"`` chooses per tile.
        threads: Threads.
        weights: Store that several programs of the same layer share.
    """

    def __init__(self, shape: ConvShape, algorithm: Algorithm, threads: int, weights: _core.WeightStore) -> None:
        random = np.random.default_rng(0)
        kernel = (shape.outputs, shape.inputs // shape.groups, shape.kernel, shape.kernel)
        arrays = {
            "weight": random.standard_normal(kernel, np.float32),
            "bias": np.zeros(shape.outputs, np.float32),
            "thresholds": np.zeros(shape.outputs, np.float32),
        }
        plan = _Plan()
        source = plan.row((1, shape.inputs, shape.height, shape.width))
        x = plan.nhwc(shape.inputs, shape.height, shape.width)
        y = plan.nhwc(shape.outputs, *shape.output_size)
        pooled = plan.nhwc(shape.outputs, 1, 1)
        result = plan.row((1, shape.outputs, 1, 1))
        plan.step("to_nhwc", source, x, {})
        plan.step(
            _TIMED,
            x,
            y,
            arrays,
            kernel=(shape.kernel,) * 2,
            strides=(shape.stride,) * 2,
            pads=(shape.padding,) * 4,
            dilations=(1, 1),
            groups=shape.groups,
            activation="fatrelu",
            algorithm=algorithm,
        )
        plan.step("global_avg_pool", y, pooled, {})
        plan.step("to_row", pooled, result, {})
        self._program = _core.Program(
            tensors=plan.tensors,
            steps=plan.steps,
            inputs=[source],
            outputs=[result],
            arena_bytes=plan.arena_bytes,
            num_threads=threads,
            weights=weights,
        )

    @property
    def isa(self) -> str:
        """Instruction set in use."""
        return self._program.isa

    @property
    def kernel(self) -> str:
        """Microkernel of the convolution."""
        return self._program.kernel_names[1]

    def time_ms(self, x: FloatArray, iterations: int) -> float:
        """Return the median time of the convolution alone, its input in the cache.

        Args:
            x: float32 ``[1, C, H, W]``.
            iterations: Runs.
        """
        steps = self._program.profile([x], iterations)
        return float(next(step["median_ms"] for step in steps if step["name"] == _TIMED))
