"""The Winograd algorithm of the convolution operator against numpy, where tiles end at the image's edges."""

from __future__ import annotations

import numpy as np
import pytest

from zeroskip import _core

from .builder import PlanBuilder, fatrelu, run_nhwc, sparse_array
from .test_conv import SAME3, Case, convolve
from .windows import Window

TOLERANCE = 1e-5
"""Of the largest output; 2e-6 is usual."""


def run(isa: str, case: Case, arrays: list[np.ndarray], constants: dict[str, np.ndarray], **more: object) -> np.ndarray:
    size = tuple(case.window.output_extent(extent, axis) for axis, extent in enumerate(case.size))
    attributes = {"algorithm": "winograd", "groups": 1, "masked_inputs": True} | more
    shape = (case.batch, case.channels[1], *size)
    return run_nhwc("conv", arrays, shape, isa, constants, **attributes, **case.window.attributes())


def assert_near(result: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_allclose(result, expected, rtol=0, atol=TOLERANCE * np.abs(expected).max())


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 14, 20])
def test_every_map_size(isa: str, size: int) -> None:
    case = Case(SAME3, (24, 40), (size, 21 - size))
    x, weight, bias = case.operands(0.3)
    assert_near(run(isa, case, [x], {"weight": weight, "bias": bias}), convolve(x, weight, bias, case))


@pytest.mark.parametrize("pads", [(0, 0, 0, 0), (2, 2, 2, 2), (0, 1, 2, 0), (1, 0, 0, 2), (2, 1, 0, 1)])
def test_every_pad(isa: str, pads: tuple[int, int, int, int]) -> None:
    case = Case(Window((3, 3), pads=pads), (16, 33), (9, 6), batch=2)
    x, weight, bias = case.operands(0.3)
    assert_near(run(isa, case, [x], {"weight": weight, "bias": bias}), convolve(x, weight, bias, case))


@pytest.mark.parametrize("channels", [(16, 16), (17, 80), (48, 64), (80, 65), (130, 200)], ids=str)
@pytest.mark.parametrize("threads", [1, 2, 5])
def test_channels_and_threads(isa: str, channels: tuple[int, int], threads: int) -> None:
    case = Case(SAME3, channels, (10, 11), batch=3)
    x, weight, bias = case.operands(0.3)
    expected = convolve(x, weight, bias, case)
    builder = PlanBuilder()
    source, target = builder.load(x.shape), builder.nhwc(expected.shape, slack=32)
    arrays = {"weight": weight, "bias": bias}
    builder.step("conv", [source], [target], arrays, algorithm="winograd", groups=1, **SAME3.attributes())
    builder.expose_values(target)
    (values,) = builder.build(isa, threads=threads).run([x])
    assert_near(values[:, : channels[1]], expected)
    assert not values[:, channels[1] :].any(), "padding channels must be zero"
