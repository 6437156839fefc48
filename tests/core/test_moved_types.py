"""Operators that move values, and max pooling, on tensors of every element type, against the numpy executor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from engine.numpy_executor import NumpyExecutor, encode
from zeroskip import _core
from zeroskip.engine.data_types import DATA_TYPES
from zeroskip.engine.native import core
from zeroskip.engine.plan.build import _freeze
from zeroskip.engine.plan.draft import Draft, DraftStep
from zeroskip.engine.plan.memory import assign_addresses
from zeroskip.engine.plan.types import Layout, Plan

from .builder import PlanBuilder
from .windows import Window

TYPES = ["float32", "bf16", "u8"]
Shape = tuple[int, ...]


class Writer:
    """Writes plans whose tensors are of one element type; the planner's own passes place them."""

    def __init__(self, dtype: str) -> None:
        self.draft, self.dtype = Draft(), dtype

    def tensor(self, shape: Shape, layout: Layout, *, is_external: bool = False, masked: bool = False) -> int:
        index = self.draft.add_tensor(f"t{len(self.draft.tensors)}", shape, layout, is_external=is_external)
        self.draft.tensors[index].dtype = self.dtype
        self.draft.tensors[index].masked = masked
        return index

    def step(self, op: str, inputs: Sequence[int], output: int, **attributes: Any) -> int:
        name = f"{op}{len(self.draft.steps)}"
        self.draft.steps.append(DraftStep(op, name, list(inputs), [output], attributes))
        return output

    def row_input(self, shape: Shape) -> int:
        self.draft.inputs.append(self.tensor(shape, "row", is_external=True))
        return self.draft.inputs[-1]

    def load(self, shape: Shape, order: str = "nchw") -> int:
        n, c, h, w = shape
        source = self.row_input(shape if order == "nchw" else (n, h, w, c))
        return self.step("to_nhwc", [source], self.tensor(shape, "nhwc", masked=True), input_layout=order)

    def store(self, tensor: int, order: str = "nchw") -> None:
        n, c, h, w = self.draft.tensors[tensor].shape
        result = self.tensor((n, c, h, w) if order == "nchw" else (n, h, w, c), "row", is_external=True)
        self.draft.outputs.append(self.step("to_row", [tensor], result, output_layout=order))

    def plan(self) -> Plan:
        return _freeze(self.draft, assign_addresses(self.draft))


def values(shape: Shape, dtype: str, seed: int = 0) -> np.ndarray:
    """Return stored values, half of them zero; exact in the type."""
    random = np.random.default_rng(seed)
    numbers = random.integers(0, 256, shape) if dtype == "u8" else random.integers(-128, 128, shape) / 16
    return encode(np.where(random.random(shape) < 0.5, 0, numbers).astype(np.float32), DATA_TYPES[dtype])


def check(plan: Plan, isa: str, threads: int = 2) -> None:
    """Compare the core with the executor, which looks at every step's padding channels and masks bit by bit."""
    dtype = plan.tensors[plan.inputs[0]].dtype
    feeds = [values(plan.tensors[index].shape, dtype, seed) for seed, index in enumerate(plan.inputs)]
    expected = NumpyExecutor(plan).run(feeds)
    tensors = [vars(tensor) | {"shape": list(tensor.shape)} for tensor in plan.tensors]
    steps = [vars(step) | {"arrays": {}} for step in plan.steps]
    program = _core.Program(tensors, steps, list(plan.inputs), list(plan.outputs), plan.arena_bytes, threads, isa)
    for result, want in zip(program.run(feeds), expected, strict=True):
        assert result.dtype == want.dtype == DATA_TYPES[dtype].numpy_type
        np.testing.assert_array_equal(result, want)


def run_nhwc(writer: Writer, op: str, shapes: Sequence[Shape], shape: Shape, isa: str, **attributes: Any) -> None:
    """One nhwc operator between layout changes; its mask is read back by a copy of all its words."""
    sources = [writer.load(item) for item in shapes]
    result = writer.step(op, sources, writer.tensor(shape, "nhwc", masked=True), **attributes)
    writer.store(result)
    check(writer.plan(), isa)
    check_mask(writer.dtype, op, shapes, shape, isa, **attributes)


def check_mask(dtype: str, op: str, shapes: Sequence[Shape], shape: Shape, isa: str, **attributes: Any) -> None:
    """Compare the words of a result's mask, read as the row of u8 that lies in their place, with the executor's."""
    writer = Writer(dtype)
    sources = [writer.load(item) for item in shapes]
    writer.step(op, sources, writer.tensor(shape, "nhwc", masked=True), **attributes)
    plan = writer.plan()
    masked = plan.tensors[plan.steps[-1].outputs[0]]
    size = 2 * masked.pixels * masked.pixel_stride // masked.data_type.channel_block
    feeds = [values(plan.tensors[index].shape, dtype, seed) for seed, index in enumerate(plan.inputs)]
    executor = NumpyExecutor(plan)
    executor.run(feeds)
    want = executor.arena[masked.mask_offset : masked.mask_offset + size]
    tensors = [vars(tensor) | {"shape": list(tensor.shape)} for tensor in plan.tensors]
    words = {"name": "words", "shape": [size], "layout": "row", "masked": False, "pixel_stride": 0, "dtype": "u8"}
    tensors += [
        words | {"offset": masked.mask_offset, "mask_offset": -1},
        words | {"offset": -1, "mask_offset": -1},
    ]
    copy = {"op": "copy", "name": "words", "inputs": [len(tensors) - 2], "outputs": [len(tensors) - 1]}
    steps = [vars(step) | {"arrays": {}} for step in plan.steps] + [copy | {"attributes": {}, "arrays": {}}]
    program = _core.Program(tensors, steps, list(plan.inputs), [len(tensors) - 1], plan.arena_bytes, 2, isa)
    np.testing.assert_array_equal(program.run(feeds)[0], want)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("order", ["nchw", "nhwc"])
@pytest.mark.parametrize(
    "shape", [(1, 3, 5, 7), (2, 64, 4, 4), (3, 65, 1, 1), (1, 1, 1, 1), (1, 130, 9, 13), (2, 49, 3, 11)]
)
def test_layout_steps(isa: str, shape: Shape, order: str, dtype: str) -> None:
    writer = Writer(dtype)
    writer.store(writer.load(shape, order), order)
    check(writer.plan(), isa)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("channels", [(3, 5), (64, 64), (20, 1, 100), (7,)])
def test_concat_and_copy_of_pixels(isa: str, channels: tuple[int, ...], dtype: str) -> None:
    shapes = [(2, c, 3, 5) for c in channels]
    run_nhwc(Writer(dtype), "concat", shapes, (2, sum(channels), 3, 5), isa, axis=1)
    run_nhwc(Writer(dtype), "copy", shapes[:1], shapes[0], isa)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_concat_of_rows(isa: str, axis: int, dtype: str) -> None:
    writer = Writer(dtype)
    shapes = [tuple(extent + seed * (i == axis) for i, extent in enumerate((2, 3, 5))) for seed in range(3)]
    result = tuple(sum(shape[i] for shape in shapes) if i == axis else shapes[0][i] for i in range(3))
    sources = [writer.row_input(shape) for shape in shapes]
    target = writer.tensor(result, "row", is_external=True)
    writer.draft.outputs.append(writer.step("concat", sources, target, axis=axis))
    check(writer.plan(), isa)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize(
    ("starts", "ends", "steps"),
    [((0, 0, 0, 0), (2, 70, 7, 9), (1, 1, 1, 1)), ((1, 3, 6, 1), (2, 69, -1, 8), (1, 1, -2, 3))],
)
def test_slice(isa: str, starts: Shape, ends: Shape, steps: Shape, dtype: str) -> None:
    bounds = [slice(a, None if b < 0 else b, s) for a, b, s in zip(starts, ends, steps, strict=True)]
    shape = np.empty((2, 70, 7, 9))[tuple(bounds)].shape
    attributes = {"starts": starts, "ends": ends, "steps": steps}
    run_nhwc(Writer(dtype), "slice", [(2, 70, 7, 9)], shape, isa, **attributes)
    run_row("slice", dtype, (2, 70, 7, 9), shape, isa, **attributes)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("pads", [(0, 0, 1, 2, 0, 0, 0, 3), (0, 5, 0, 0, 0, 60, 0, 0)])
@pytest.mark.parametrize("value", [0.0, 3.0])
def test_pad(isa: str, pads: Shape, value: float, dtype: str) -> None:
    before = (2, 18, 4, 5)
    shape = tuple(extent + pads[i] + pads[i + 4] for i, extent in enumerate(before))
    run_nhwc(Writer(dtype), "pad", [before], shape, isa, pads=pads, value=value, mode="constant")
    run_row("pad", dtype, before, shape, isa, pads=pads, value=value, mode="constant")


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("perm", [(0, 1, 2, 3), (0, 2, 3, 1), (0, 3, 1, 2), (3, 2, 1, 0), (1, 0, 3, 2)])
def test_transpose(isa: str, perm: Shape, dtype: str) -> None:
    before = (2, 9, 5, 70)
    run_row("transpose", dtype, before, tuple(before[axis] for axis in perm), isa, perm=perm)


def run_row(op: str, dtype: str, before: Shape, after: Shape, isa: str, **attributes: Any) -> None:
    writer = Writer(dtype)
    target = writer.tensor(after, "row", is_external=True)
    writer.draft.outputs.append(writer.step(op, [writer.row_input(before)], target, **attributes))
    check(writer.plan(), isa)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize(
    "window",
    [Window((2, 2), (2, 2)), Window((3, 3), (2, 2), (1, 1, 1, 1)), Window((3, 3), (1, 1), (2, 2, 2, 2), (2, 2))],
)
@pytest.mark.parametrize("shape", [(1, 64, 8, 8), (3, 35, 7, 9), (1, 1, 5, 5), (2, 130, 6, 11)])
def test_max_pool(isa: str, shape: Shape, window: Window, dtype: str) -> None:
    after = (*shape[:2], *(window.output_extent(shape[2 + axis], axis) for axis in (0, 1)))
    run_nhwc(Writer(dtype), "max_pool", [shape], after, isa, **window.attributes())


@pytest.mark.parametrize("dtype", TYPES)
def test_memory_is_recycled_by_bytes(isa: str, dtype: str) -> None:
    """A chain of steps needs two buffers, each as large as its type makes it."""
    writer = Writer(dtype)
    tensor = writer.load((1, 64, 16, 16))
    window = Window((3, 3), (1, 1), (1, 1, 1, 1)).attributes()
    for _ in range(4):
        tensor = writer.step("max_pool", [tensor], writer.tensor((1, 64, 16, 16), "nhwc"), **window)
    writer.store(tensor)
    plan = writer.plan()
    check(plan, isa)
    words = 2 * 256 * 64 // DATA_TYPES[dtype].channel_block
    assert plan.arena_bytes <= 2 * 256 * 64 * DATA_TYPES[dtype].bytes + words


def test_bf16_counts_minus_zero_as_zero_and_nan_as_value(isa: str) -> None:
    writer = Writer("bf16")
    writer.store(writer.load((1, 2, 1, 3)))
    plan = writer.plan()
    bits = np.array([0x8000, 0x0001, 0x7FC0, 0x0000, 0x0000, 0x8000], np.uint16).reshape(1, 2, 1, 3)
    builder = PlanBuilder()
    builder.tensors = [vars(tensor) | {"shape": list(tensor.shape)} for tensor in plan.tensors]
    masked = plan.tensors[plan.steps[0].outputs[0]]
    words = {"shape": (6,), "layout": "row", "masked": False, "pixel_stride": 0, "mask_offset": -1, "dtype": "u8"}
    builder.tensors += [
        {"name": "words", "offset": masked.mask_offset} | words,
        {"name": "result", "offset": -1} | words,
    ]
    builder.steps = [vars(step) | {"arrays": {}} for step in plan.steps]
    last = len(builder.tensors) - 1
    builder.step("copy", [last - 1], [last])
    program = builder.build(isa, inputs=list(plan.inputs), outputs=[last, *plan.outputs], arena_bytes=plan.arena_bytes)
    assert program.run([bits])[0].view(np.uint16).tolist() == [0, 1, 1]


def refuse(builder: PlanBuilder, message: str) -> None:
    with pytest.raises(_core.Error, match=message):
        builder.build()


@pytest.mark.parametrize("op", ["add", "avg_pool", "global_max_pool", "softmax", "linear", "conv", "resize"])
def test_what_computes_refuses_other_types(op: str) -> None:
    builder = PlanBuilder()
    source = builder.tensor(shape=(1, 4), dtype="u8")
    target = builder.tensor(shape=(1, 4), dtype="u8")
    builder.inputs, builder.outputs = [source], [target]
    builder.step(op, [source], [target])
    refuse(builder, f"step 0 '{op}0' .{op}.: does not take u8, the type of 't0'")


def test_types_are_not_mixed() -> None:
    builder = PlanBuilder()
    source, target = builder.tensor(shape=(1, 4), dtype="u8"), builder.tensor(shape=(1, 4), dtype="bf16")
    builder.inputs, builder.outputs = [source], [target]
    builder.step("copy", [source], [target])
    refuse(builder, "'t1' holds bf16, needs u8 for inputs of u8")


@pytest.mark.parametrize(
    ("dtype", "value", "message"),
    [
        ("u8", -1.0, "value -1 is no whole number from 0 to 255"),
        ("u8", 0.5, "value 0.5 is no whole number"),
        ("u8", 256.0, "value 256 is no whole number"),
        ("u8", float("nan"), "value nan is no whole number"),
        ("bf16", 1.001, "value 1.001 is not exact in bf16"),
    ],
)
def test_padding_must_be_exact(dtype: str, value: float, message: str) -> None:
    builder = PlanBuilder()
    source, target = builder.tensor(shape=(1, 4), dtype=dtype), builder.tensor(shape=(1, 6), dtype=dtype)
    builder.inputs, builder.outputs = [source], [target]
    builder.step("pad", [source], [target], pads=(0, 1, 0, 1), value=value)
    refuse(builder, message)


@pytest.mark.parametrize("dtype", ["fp16", "s8", "float64"])
def test_unknown_types_are_refused(dtype: str) -> None:
    builder = PlanBuilder()
    builder.inputs = [builder.tensor(shape=(1, 4), dtype=dtype)]
    refuse(builder, f"dtype is '{dtype}', needs 'float32', 'bf16' or 'u8'")


@pytest.mark.parametrize("dtype", TYPES)
def test_inputs_must_hold_the_type(dtype: str) -> None:
    writer = Writer(dtype)
    writer.store(writer.load((1, 2, 1, 3)))
    plan = writer.plan()
    tensors = [vars(tensor) | {"shape": list(tensor.shape)} for tensor in plan.tensors]
    steps = [vars(step) | {"arrays": {}} for step in plan.steps]
    program = core().Program(tensors, steps, list(plan.inputs), list(plan.outputs), plan.arena_bytes)
    with pytest.raises(_core.Error, match=f"expected dtype {dtype}"):
        program.run([np.zeros((1, 2, 1, 3), np.int32)])


@pytest.mark.parametrize(("dtype", "block"), [("bf16", 32), ("u8", 64)])
def test_strides_are_whole_channel_blocks(dtype: str, block: int) -> None:
    builder = PlanBuilder()
    source = builder.tensor(shape=(1, 16, 1, 1), dtype=dtype)
    offset = builder.reserve(1024)
    target = builder.tensor(shape=(1, 16, 1, 1), layout="nhwc", pixel_stride=16, offset=offset, dtype=dtype)
    builder.inputs = [source]
    builder.step("to_nhwc", [source], [target])
    refuse(builder, f"pixel_stride 16 is not a multiple of {block} that holds 16 channels")
