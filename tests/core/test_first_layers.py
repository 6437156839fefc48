"""First layers, few channels and stride 2, by Winograd's algorithm on the rearranged image, against numpy."""

from __future__ import annotations

import numpy as np
import pytest

from .builder import PlanBuilder, fatrelu, mask_words, sparse_array
from .test_conv import Case, convolve
from .test_winograd import TOLERANCE, assert_near
from .windows import Window

RESNET = Window((7, 7), (2, 2), (3, 3, 3, 3))
WINDOWS = [
    RESNET,
    Window((5, 5), (2, 2), (2, 2, 2, 2)),
    Window((6, 6), (2, 2), (2, 2, 2, 2)),
    Window((8, 8), (2, 2), (4, 2, 2, 4)),
    Window((7, 7), (2, 2), (2, 2, 3, 3)),  # as TensorFlow pads
    Window((7, 7), (2, 2)),
    Window((7, 8), (2, 2), (1, 4, 0, 2)),
    Window((5, 6), (2, 2), (0, 2, 4, 1)),
]
LAYOUTS = ("nchw", "nhwc rows", "nhwc")


def plan(case: Case, constants: dict[str, np.ndarray], layout: str = "nchw", **attributes: object) -> PlanBuilder:
    """One convolution of an image that is given in one of the layouts, its values and its mask."""
    builder = PlanBuilder()
    shape = (case.batch, case.channels[0], *case.size)
    more: dict[str, object] = {"algorithm": "winograd", "groups": 1} | case.window.attributes() | attributes
    if layout == "nhwc":
        source = builder.load(shape)
    elif layout == "nchw":
        source = builder.graph_input(shape)
    else:
        source = builder.graph_input((shape[0], *shape[2:], shape[1]))
        more["input_layout"] = "nhwc"
    size = tuple(case.window.output_extent(extent, axis) for axis, extent in enumerate(case.size))
    target = builder.nhwc((case.batch, case.channels[1], *size), masked=True)
    builder.step("conv", [source], [target], constants, **more)
    builder.expose_values(target)
    builder.expose_mask(target)
    return builder


def run(isa: str, plan: PlanBuilder, x: np.ndarray, layout: str = "nchw", threads: int = 2) -> np.ndarray:
    """Return values, after a look at their mask."""
    feeds = [np.ascontiguousarray(x.transpose(0, 2, 3, 1)) if layout == "nhwc rows" else x]
    feeds += [np.zeros((1, 16, 1, 1), np.float32)] * (len(plan.inputs) - 1)
    values, mask = plan.build(isa, threads).run(feeds)
    expected = mask_words(values)
    np.testing.assert_array_equal(mask.view(np.uint16)[: expected.size], expected)
    return values


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("window", WINDOWS, ids=str)
@pytest.mark.parametrize("size", [(9, 8), (20, 31)], ids=str)
def test_every_window_and_layout(isa: str, window: Window, layout: str, size: tuple[int, int]) -> None:
    case = Case(window, (3, 40), size, batch=2)
    x, weight, bias = case.operands(0.0)
    values = run(isa, plan(case, {"weight": weight, "bias": bias}, layout), x, layout)
    assert_near(values[:, :40], convolve(x, weight, bias, case))


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 6, 7, 11, 12, 13])
@pytest.mark.parametrize("channels", [(1, 16), (2, 17), (3, 64), (4, 130)], ids=str)
@pytest.mark.parametrize("threads", [1, 3])
def test_every_map_size(isa: str, size: int, channels: tuple[int, int], threads: int) -> None:
    case = Case(RESNET, channels, (size, 14 - size))
    x, weight, bias = case.operands(0.0)
    values = run(isa, plan(case, {"weight": weight, "bias": bias}), x, threads=threads)
    assert_near(values[:, : channels[1]], convolve(x, weight, bias, case))


def test_epilogue(isa: str) -> None:
    case = Case(RESNET, (3, 72), (17, 22))
    x, weight, bias = case.operands(0.0)
    sums = convolve(x, weight, bias, case)
    thresholds = np.abs(sparse_array((72,), 0.3, 3))
    constants = {"weight": weight, "bias": bias, "thresholds": thresholds}
    values = run(isa, plan(case, constants, activation="fatrelu", max_value=3.0), x)
    near = np.abs(sums - thresholds[:, None, None]) < TOLERANCE * np.abs(sums).max()
    result = values[:, :72]
    assert_near(result, np.where(near, result, fatrelu(sums, thresholds, 3.0)), sums)


def kernel(isa: str, case: Case, **attributes: object) -> str:
    _, weight, _ = case.operands(0.0)
    allowed = {"algorithm": "auto", "winograd": "auto"} | attributes
    return plan(case, {"weight": weight}, **allowed).build(isa).kernel_names[0]


def test_it_is_taken_where_it_pays_and_is_allowed(isa: str) -> None:
    large = Case(RESNET, (3, 64), (112, 112))
    assert kernel(isa, large) == "f32_winograd3"
    assert "winograd" not in kernel(isa, large, winograd="off")
    assert "winograd" not in kernel(isa, Case(RESNET, (3, 64), (2, 2)))  # tiles would be mostly padding
    assert "winograd" not in kernel(isa, Case(Window((3, 3), (2, 2), (1, 1, 1, 1)), (3, 64), (112, 112)))
    assert "winograd" not in kernel(isa, Case(RESNET, (5, 64), (112, 112)))


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_runs_repeat_bit_for_bit(isa: str, threads: int) -> None:
    case = Case(RESNET, (3, 64), (56, 60))
    x, weight, bias = case.operands(0.0)
    constants = {"weight": weight, "bias": bias}
    results = [run(isa, plan(case, constants), x, threads=threads) for _ in range(2)]
    assert np.array_equal(*results)
