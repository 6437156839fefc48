"""The Winograd algorithm of the convolution operator against numpy, where tiles end at the image's edges."""

from __future__ import annotations

import numpy as np
import pytest

from zeroskip import _core

from .builder import PlanBuilder, fatrelu, mask_words, run_nhwc, sparse_array
from .test_conv import SAME3, Case, convolve
from .windows import Window

TOLERANCE = 1e-5
"""Of the largest output; 2e-6 is usual."""


def run(isa: str, case: Case, arrays: list[np.ndarray], constants: dict[str, np.ndarray], **more: object) -> np.ndarray:
    size = tuple(case.window.output_extent(extent, axis) for axis, extent in enumerate(case.size))
    attributes = {"algorithm": "winograd", "groups": 1, "masked_inputs": True} | more
    shape = (case.batch, case.channels[1], *size)
    return run_nhwc("conv", arrays, shape, isa, constants, **attributes, **case.window.attributes())


def assert_near(result: np.ndarray, expected: np.ndarray, sums: np.ndarray | None = None) -> None:
    """Compare within the tolerance for ``sums``, what came out before activation and clip."""
    largest = np.abs(expected if sums is None else sums).max()
    np.testing.assert_allclose(result, expected, rtol=0, atol=TOLERANCE * largest)


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


@pytest.mark.parametrize("with_residual", [False, True])
@pytest.mark.parametrize("max_value", [np.inf, 3.0])
def test_epilogue(isa: str, with_residual: bool, max_value: float) -> None:
    """Thresholds per channel, residual, clip and mask (``run_nhwc`` checks it), at tiles cut by the edge."""
    case = Case(SAME3, (48, 72), (9, 10), batch=2)
    x, weight, bias = case.operands(0.3)
    sums = convolve(x, weight, bias, case)
    arrays = [x]
    if with_residual:
        arrays.append(sparse_array(sums.shape, 0.2, 4))
        sums = sums + arrays[1]
    thresholds = np.abs(sparse_array((72,), 0.3, 3))
    constants = {"weight": weight, "bias": bias, "thresholds": thresholds}
    result = run(isa, case, arrays, constants, activation="fatrelu", max_value=max_value)
    near = np.abs(sums - thresholds[:, None, None]) < TOLERANCE * np.abs(sums).max()
    assert_near(result, np.where(near, result, fatrelu(sums, thresholds, max_value)), sums)


def test_input_and_output_may_be_slices_of_wider_buffers(isa: str) -> None:
    case = Case(SAME3, (32, 48), (7, 9))
    x, weight, bias = case.operands(0.3)
    constants = {"weight": weight, "bias": bias}
    assert_near(run(isa, case, [x], constants, slack=16), convolve(x, weight, bias, case))


def program(isa: str, case: Case, threads: int = 2, **attributes: object) -> _core.Program:
    """A masked input, one convolution, its values and its mask."""
    _, weight, bias = case.operands(0.0)
    builder = PlanBuilder()
    source = builder.load((case.batch, case.channels[0], *case.size), masked=True)
    target = builder.nhwc((case.batch, case.channels[1], *case.size), masked=True)
    arrays = {"weight": weight, "bias": bias}
    builder.step("conv", [source], [target], arrays, groups=1, **case.window.attributes(), **attributes)
    builder.expose_values(target)
    builder.expose_mask(target)
    return builder.build(isa, threads=threads)


LARGE = Case(SAME3, (64, 64), (28, 28))
"""Large enough for Winograd to pay on every instruction set."""


@pytest.mark.parametrize(("density", "takes"), [(0.02, False), (0.9, True)])
def test_the_density_of_the_input_decides(isa: str, density: float, takes: bool) -> None:
    x = sparse_array((1, 64, 28, 28), 1 - density)
    attributes = {"algorithm": "auto", "winograd_density": 0.5}
    chosen = program(isa, LARGE, winograd="auto", **attributes)
    assert "winograd" in chosen.kernel_names[1]
    assert [step["steady_density"] for step in chosen.profile([x], 1)[:3]] == [None, 0.5, None]
    values, mask = chosen.run([x])
    direct, _ = program(isa, LARGE, **attributes).run([x])
    winograd, _ = program(isa, LARGE, algorithm="winograd").run([x])
    assert np.array_equal(values, winograd if takes else direct)
    assert not np.array_equal(winograd, direct), "the two can be told apart by their rounding"
    np.testing.assert_array_equal(mask.view(np.uint16), mask_words(values))


def test_without_permission_it_is_not_taken(isa: str) -> None:
    for choice in ({}, {"winograd": "off"}, {"winograd": "auto", "algorithm": "sparse"}):
        chosen = program(isa, LARGE, **choice)
        assert "winograd" not in chosen.kernel_names[1]
        assert chosen.profile([sparse_array((1, 64, 28, 28), 0.5)], 1)[1]["steady_density"] is None


def test_an_unmasked_input_is_decided_when_planned(isa: str) -> None:
    builder = PlanBuilder()
    source, target = builder.load((1, 64, 28, 28)), builder.nhwc((1, 64, 28, 28))
    weight = np.ones((64, 64, 3, 3), np.float32)
    builder.step("conv", [source], [target], {"weight": weight}, groups=1, winograd="auto", **SAME3.attributes())
    assert builder.build(isa).kernel_names[1] == "f32_winograd4"


def test_it_is_not_taken_where_tiles_would_be_mostly_padding(isa: str) -> None:
    case = Case(SAME3, (64, 64), (1, 1))
    assert "winograd" not in program(isa, case, winograd="auto").kernel_names[1]


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_runs_repeat_bit_for_bit(isa: str, threads: int) -> None:
    x = sparse_array((1, 64, 28, 28), 0.3)
    results = [program(isa, LARGE, threads, algorithm="winograd").run([x])[0] for _ in range(2)]
    again = program(isa, LARGE, threads, algorithm="winograd")
    results += [again.run([x])[0] for _ in range(3)]
    assert all(np.array_equal(results[0], other) for other in results[1:])


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"winograd": "on"}, "winograd must be off or auto, got 'on'"),
        ({"algorithm": "winograd", "strides": (2, 2)}, "takes ungrouped 3x3 convolutions of stride 1"),
    ],
)
def test_refuses(attributes: dict[str, object], message: str) -> None:
    builder = PlanBuilder()
    size = 2 if "strides" in attributes else 4
    source, target = builder.load((1, 16, 4, 4)), builder.nhwc((1, 16, size, size))
    arrays = {"weight": np.ones((16, 16, 3, 3), np.float32)}
    builder.step("conv", [source], [target], arrays, groups=1, **(SAME3.attributes() | attributes))
    with pytest.raises(_core.Error, match=message):
        builder.build()
