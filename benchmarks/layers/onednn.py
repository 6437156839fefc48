"""oneDNN's convolution with fused bias and ReLU, the yardstick for our dense algorithm, called through PyTorch."""

from __future__ import annotations

import time
from importlib.util import find_spec

import numpy as np

from ..models.networks.graph import ConvShape, FloatArray


def is_available() -> bool:
    """Whether PyTorch, which carries oneDNN, is installed."""
    return find_spec("torch") is not None


class OneDnnLayer:
    """One convolution, float32, channels last, weights reordered beforehand, on one thread.

    One thread only: PyTorch's OpenMP workers spin after every call and would take the cores from our own.

    Args:
        shape: The convolution.
    """

    def __init__(self, shape: ConvShape) -> None:
        import torch

        torch.set_num_threads(1)
        self._torch = torch
        strides, padding, dilation = [shape.stride] * 2, [shape.padding] * 2, [1, 1]
        kernel = (shape.outputs, shape.inputs // shape.groups, shape.kernel, shape.kernel)
        weight = torch.from_numpy(np.random.default_rng(0).standard_normal(kernel, np.float32))
        size = [1, shape.inputs, shape.height, shape.width]
        packed = torch.ops.mkldnn._reorder_convolution_weight(weight, padding, strides, dilation, shape.groups, size)
        bias = torch.zeros(shape.outputs)
        self._rest = (packed, bias, padding, strides, dilation, shape.groups, "relu", [], "")

    @property
    def version(self) -> str:
        """Version of PyTorch, which fixes that of oneDNN."""
        return str(self._torch.__version__)

    def time_ms(self, x: FloatArray, iterations: int) -> float:
        """Return the median time of the convolution.

        Args:
            x: float32 ``[1, C, H, W]``.
            iterations: Runs.
        """
        torch = self._torch
        value = torch.from_numpy(x).to(memory_format=torch.channels_last)
        times = []
        with torch.inference_mode():
            for _ in range(iterations + 1):  # the first warms up
                start = time.perf_counter()
                torch.ops.mkldnn._convolution_pointwise(value, *self._rest)
                times.append(1e3 * (time.perf_counter() - start))
        return float(np.median(times[1:]))
