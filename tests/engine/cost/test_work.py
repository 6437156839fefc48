"""What is counted of a step, and to which family it belongs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from zeroskip.engine import Plan
from zeroskip.engine.cost.synthetic import SyntheticPlan
from zeroskip.engine.cost.work import (
    DENSE_AMOUNTS,
    SPARSE_AMOUNTS,
    WINOGRAD_AMOUNTS,
    ElementType,
    can_skip,
    dense_amounts,
    element_type,
    family_of,
    sparse_amounts,
    winograd_amounts,
)


def plan_of(channels: int, outputs: int, kernel: int, stride: int, groups: int = 1, size: int = 8) -> Plan:
    builder = SyntheticPlan()
    x = builder.map(1, channels, size, size)
    builder.convolution(x, outputs, kernel, stride, groups=groups, algorithm="auto")
    return builder.freeze()


@pytest.mark.parametrize(
    ("channels", "kernel", "stride", "family"),
    [
        (32, 1, 1, "point"),
        (32, 1, 2, "point"),
        (32, 3, 1, "rows"),
        (32, 3, 2, "taps"),
        (32, 5, 1, "taps"),
        (3, 7, 2, "stem"),
    ],
)
def test_families_of_convolutions(channels: int, kernel: int, stride: int, family: str) -> None:
    plan = plan_of(channels, 32, kernel, stride)
    assert family_of(plan, plan.steps[1]) == family


@pytest.mark.parametrize(
    ("channels", "height", "width", "kernel", "family"),
    [
        (32, 1, 9, (1, 3), "taps"),
        (32, 9, 1, (3, 1), "taps"),
        (32, 9, 1, (1, 1), "point"),
        (32, 2, 9, (1, 3), "rows"),
        (3, 9, 1, (3, 1), "stem"),
        (3, 9, 2, (3, 1), "taps"),
    ],
)
def test_families_of_single_rows_and_columns(
    channels: int, height: int, width: int, kernel: tuple[int, int], family: str
) -> None:
    plan = plan_of(32, 32, 3, 1)
    tensors, step = list(plan.tensors), plan.steps[1]
    for index, outputs in ((step.inputs[0], channels), (step.outputs[0], 32)):
        tensors[index] = replace(tensors[index], shape=(1, outputs, height, width))
    pads = ((kernel[0] - 1) // 2, (kernel[1] - 1) // 2) * 2
    step = replace(step, attributes={**step.attributes, "kernel": kernel, "pads": pads})
    assert family_of(replace(plan, tensors=tuple(tensors)), step) == family


def test_families_of_other_steps() -> None:
    builder = SyntheticPlan()
    x = builder.map(1, 32, 8, 8)
    builder.convolution(x, 32, 3, 1, groups=32, algorithm=None)
    builder.linear(8, 4)
    builder.pool(x, 2, 2)
    builder.add(x)
    plan = builder.freeze()
    assert [family_of(plan, step) for step in plan.steps] == ["move", "depthwise", "linear", "pool", "move", "move"]


def test_dense_work_of_a_convolution() -> None:
    plan = plan_of(32, 24, 3, 1)
    amounts = dict(zip(DENSE_AMOUNTS, dense_amounts(plan, plan.steps[1]), strict=True))
    padded = 32  # outputs, in blocks of 16
    assert amounts["macs"] == 64 * 9 * 32 * padded
    assert amounts["weight_bytes"] == 4 * 9 * 32 * padded
    assert (amounts["read_bytes"], amounts["written_bytes"]) == (4 * 32 * 64, 4 * 24 * 64)


@pytest.mark.parametrize(
    ("channels", "kernel", "stride", "size", "tiles", "inputs"),
    [(32, 3, 1, 9, 9, 32), (3, 7, 2, 14, 9, 12), (3, 5, 2, 14, 4, 12)],
)
def test_winograd_work(channels: int, kernel: int, stride: int, size: int, tiles: int, inputs: int) -> None:
    plan = plan_of(channels, 96, kernel, stride, size=size)
    amounts = dict(zip(WINOGRAD_AMOUNTS, winograd_amounts(plan, plan.steps[1]), strict=True))
    outputs = 128  # in slabs of 64
    assert amounts["weight_bytes"] == 4 * 36 * inputs * outputs
    assert amounts["products"] == tiles * 36 * inputs * outputs
    assert amounts["transforms"] == tiles * (max(inputs, 16) + outputs)


def test_an_image_of_channels_last_is_the_same_work() -> None:
    first = SyntheticPlan()
    first.convolution(first.source(1, 3, 14, 14), 64, 7, 2, algorithm="winograd")
    plan = first.freeze()
    source, *rest = plan.tensors
    turned = replace(plan, tensors=(replace(source, shape=(1, 14, 14, 3)), *rest))
    step = replace(plan.steps[0], attributes=plan.steps[0].attributes | {"input_layout": "nhwc"})
    for amounts in (dense_amounts, winograd_amounts):
        assert amounts(turned, step) == amounts(plan, plan.steps[0])


def test_sparse_work_grows_with_density_and_its_rest_does_not() -> None:
    plan = plan_of(32, 64, 3, 1)
    empty, half, full = (
        dict(zip(SPARSE_AMOUNTS, sparse_amounts(plan, plan.steps[1], density, 64), strict=True))
        for density in (0.0, 0.5, 1.0)
    )
    assert empty["macs"] == empty["weight_loads"] == empty["nonzeros"] == 0
    assert full["macs"] == 2 * half["macs"] == 64 * 9 * 32 * 64
    assert half["weight_loads"] == 0.625 * full["weight_loads"]  # three eighths of the pairs share a load
    assert all(empty[name] == full[name] for name in ("visits", "sums", "weight_bytes", "written_bytes", "steps"))


@pytest.mark.parametrize(("dtype", "size"), [("float32", 4), ("bf16", 2), ("u8", 1)])
def test_work_of_element_types(dtype: ElementType, size: int) -> None:
    builder = SyntheticPlan(dtype)
    builder.convolution(builder.map(1, 64, 8, 8), 64, 1, 1, algorithm="sparse", adds=True)
    builder.pool(builder.map(1, 64, 8, 8), 2, 2)
    builder.linear(8, 4)
    plan = builder.freeze()
    conv, pool, linear = (
        next(step for step in plan.steps if step.op.endswith(op)) for op in ("conv", "pool", "linear")
    )
    assert {element_type(plan, step) for step in (conv, pool, linear)} == {dtype}
    assert can_skip(conv)
    amounts = dict(zip(DENSE_AMOUNTS, dense_amounts(plan, conv), strict=True))
    assert amounts["weight_bytes"] == size * 64 * 64
    assert amounts["added_bytes"] == amounts["read_bytes"] == size * 64 * 64
    assert dict(zip(DENSE_AMOUNTS, dense_amounts(plan, pool), strict=True))["window_bytes"] == size * 4 * 64 * 16
    assert dict(zip(DENSE_AMOUNTS, dense_amounts(plan, linear), strict=True))["weight_bytes"] == size * 32
    sparse = dict(zip(SPARSE_AMOUNTS, sparse_amounts(plan, conv, 0.5, 64), strict=True))
    assert sparse["macs"] == 0.5 * 64**3


def test_integers_whose_zero_is_not_0_cannot_skip() -> None:
    builder = SyntheticPlan("u8")
    builder.convolution(builder.map(1, 64, 8, 8), 64, 1, 1, algorithm="auto")
    step = next(step for step in builder.steps if step.op == "quantized_conv")
    assert can_skip(step)
    assert can_skip(
        replace(step, attributes={key: step.attributes[key] for key in step.attributes if key != "algorithm"})
    )
    for attribute in ({"x_zero_point": 3}, {"algorithm": "dense"}, {"input_layout": "nchw"}):
        assert not can_skip(replace(step, attributes=step.attributes | attribute))


def test_lists_are_made_once_and_masks_are_walked_by_every_range_of_outputs() -> None:
    found = {}
    for dtype in ("float32", "u8"):
        builder = SyntheticPlan(dtype)
        builder.convolution(builder.map(1, 64, 8, 8), 256, 3, 1, algorithm="sparse")
        plan = builder.freeze()
        step = next(step for step in plan.steps if "conv" in step.op)
        found[dtype] = dict(zip(SPARSE_AMOUNTS, sparse_amounts(plan, step, 1.0, 64), strict=True))["nonzeros"]
    assert found == {"float32": 64 * 64 * 9 * 4, "u8": 64 * 64}


def test_wider_kernels_visit_less() -> None:
    plan = plan_of(64, 128, 1, 1)
    visits = SPARSE_AMOUNTS.index("visits")
    narrow, wide = (sparse_amounts(plan, plan.steps[1], 0.5, width)[visits] for width in (16, 128))
    assert narrow == 8 * wide == 8 * 64


def test_narrow_groups_are_merged_to_whole_blocks() -> None:
    plan = plan_of(64, 64, 3, 1, groups=16)  # 4 channels each: 4 of them fill a block
    assert dense_amounts(plan, plan.steps[1])[0] == 64 * 9 * 4 * 16 * 16
