"""What a convolution says it is going to do: the plan is data, printed by ``Program.plan_texts``."""

from __future__ import annotations

import numpy as np

from .builder import PlanBuilder
from .windows import Window

SAME3 = Window((3, 3), pads=(1, 1, 1, 1))


def plan_text(
    window: Window, channels: tuple[int, int], size: int | tuple[int, int], threads: int = 1, **attributes: object
) -> str:
    builder = PlanBuilder()
    sizes = size if isinstance(size, tuple) else (size, size)
    out = [window.output_extent(sizes[axis], axis) for axis in (0, 1)]
    source, target = builder.load((1, channels[0], *sizes), masked=True), builder.nhwc((1, channels[1], *out))
    groups = int(str(attributes.get("groups", 1)))
    weight = np.ones((channels[1], channels[0] // groups, *window.kernel), np.float32)
    builder.step("conv", [source], [target], {"weight": weight}, **window.attributes(), **attributes)
    first, text = builder.build("generic", threads).plan_texts
    assert first == "", "moving values needs no plan"
    return text


def test_a_layer_of_a_residual_network() -> None:
    text = plan_text(SAME3, (64, 64), 56, crossover_density=0.75)
    assert text.splitlines()[:4] == [
        "1x64x56x56 -> 64x56x56: kernel 3x3, strides 1x1, pads 1 1 1 1, dilations 1x1, groups 1 (1 of 64 -> 64)",
        "input: pixels",
        "algorithm: auto, sparse up to density 0.75",
        "weights: float32",
    ]
    assert "sparse: row pairs, 1 blocks" in text
    assert "dense: 1 blocks, 9 taps of 64 channels, 9 at once" in text
    assert "tiles of 8x56 pixels, 1 groups, 1 ranges of 4 blocks; 1 threads" in text
    assert "winograd" not in text


def test_winograd_beside_it() -> None:
    text = plan_text(SAME3, (64, 64), 56, winograd="auto", winograd_density=0.25)
    assert "winograd above 0.25" in text
    assert "winograd: 4x4 outputs, 196 tiles, " in text


def test_a_pointwise_layer_is_one_long_row() -> None:
    text = plan_text(Window((1, 1)), (64, 256), 14)
    assert text.startswith("1x64x1x196 -> 256x1x196")
    assert "sparse: points" in text
    assert "full tap 0" in text


def test_a_column_is_laid_down_as_a_row() -> None:
    text = plan_text(Window((64, 1), (2, 1), (31, 0, 32, 0)), (96, 128), (40, 1))
    assert text.startswith("1x96x1x40 -> 128x1x20: kernel 1x64, strides 1x2, pads 0 31 0 32")
    assert "1 tiles of 1x20 pixels" in text


def test_three_taps_of_a_single_row_go_by_points() -> None:
    assert "sparse: points" in plan_text(Window((1, 3), pads=(0, 1, 0, 1)), (64, 64), (1, 40))
    assert "sparse: points" in plan_text(Window((3, 1), pads=(1, 0, 1, 0)), (64, 64), (40, 1))
    assert "sparse: row pairs" in plan_text(Window((1, 3), pads=(0, 1, 0, 1)), (64, 64), (2, 40))


def test_a_first_layer() -> None:
    first = Window((7, 7), (2, 2), (3, 3, 3, 3))
    assert "input: pixels, gathered\nalgorithm: dense\n" in plan_text(first, (3, 64), 64)
    text = plan_text(first, (3, 64), 64, algorithm="winograd")
    assert "algorithm: winograd, computed by winograd" in text
    assert "winograd: 3x3 outputs, 121 tiles of phases" in text


def test_weights_in_16_bits() -> None:
    text = plan_text(Window((1, 1)), (64, 64), 7, weight_storage="fp16")
    assert "weights: fp16" in text
    assert "channels, expanded, full tap 0" in text


def test_narrow_groups_are_merged() -> None:
    assert "groups 8 (2 of 16 -> 32)" in plan_text(SAME3, (32, 64), 6, groups=8)


def test_the_same_step_has_the_same_plan() -> None:
    assert plan_text(SAME3, (96, 80), 19, threads=3) == plan_text(SAME3, (96, 80), 19, threads=3)
