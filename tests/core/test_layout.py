"""Operators that only move values: to_nhwc, to_row, copy, concat, slice, pad, transpose."""

from __future__ import annotations

import numpy as np
import pytest

from .builder import PlanBuilder, mask_words, run_nhwc, run_row, sparse_array

SHAPES = [(1, 3, 5, 7), (2, 16, 4, 4), (3, 33, 1, 1), (1, 1, 1, 1), (1, 70, 9, 13)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("slack", [0, 16])
def test_round_trip_through_nhwc(isa: str, shape: tuple[int, ...], slack: int) -> None:
    x = sparse_array(shape, 0.5)
    np.testing.assert_array_equal(run_nhwc("copy", [x], shape, isa, slack=slack), x)


@pytest.mark.parametrize("shape", SHAPES)
def test_nhwc_rows_in_and_out(isa: str, shape: tuple[int, ...]) -> None:
    n, c, h, w = shape
    x = sparse_array((n, h, w, c), 0.5)
    builder = PlanBuilder()
    source, result = builder.graph_input(x.shape), builder.graph_output(x.shape)
    middle = builder.nhwc(shape, masked=True)
    builder.step("to_nhwc", [source], [middle], input_layout="nhwc")
    builder.step("to_row", [middle], [result], output_layout="nhwc")
    builder.expose_values(middle)
    builder.expose_mask(middle)
    feeds = [x] + [np.zeros((1, 16, 1, 1), np.float32)] * (len(builder.inputs) - 1)
    rows, values, mask = builder.build(isa).run(feeds)
    np.testing.assert_array_equal(rows, x)
    expected = mask_words(values)
    np.testing.assert_array_equal(mask.view(np.uint16)[: expected.size], expected)


def test_the_row_side_may_have_any_rank(isa: str) -> None:
    builder = PlanBuilder()
    source, result = builder.graph_input((2, 5, 6)), builder.graph_output((2, 30))
    middle = builder.nhwc((2, 5, 1, 6))
    builder.step("to_nhwc", [source], [middle])
    builder.step("to_row", [middle], [result])
    x = sparse_array((2, 5, 6), 0.5)
    np.testing.assert_array_equal(builder.build(isa).run([x])[0], x.reshape(2, 30))


@pytest.mark.parametrize("channels", [(3, 5), (16, 16), (20, 1, 40), (7,)])
def test_concat_of_pixels(isa: str, channels: tuple[int, ...]) -> None:
    xs = [sparse_array((2, c, 3, 5), 0.5, seed) for seed, c in enumerate(channels)]
    expected = np.concatenate(xs, axis=1)
    np.testing.assert_array_equal(run_nhwc("concat", xs, expected.shape, isa, axis=1), expected)


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_concat_of_rows(isa: str, axis: int) -> None:
    shapes = [[2, 3, 4], [2, 3, 4], [2, 3, 4]]
    for i, shape in enumerate(shapes):
        shape[axis] += i
    xs = [sparse_array(tuple(shape), 0.5) for shape in shapes]
    expected = np.concatenate(xs, axis=axis)
    np.testing.assert_array_equal(run_row("concat", xs, expected.shape, isa, axis=axis), expected)


def test_producers_write_into_slices_of_a_concat_buffer(isa: str) -> None:
    builder = PlanBuilder()
    whole = builder.nhwc((1, 48, 3, 4), masked=True)
    fields = builder.tensors[whole]
    sources = [builder.load((1, 16, 3, 4)), builder.load((1, 32, 3, 4))]
    for source, block in zip(sources, (0, 1), strict=True):
        part = builder.tensor(
            **{
                **fields,
                "name": f"part{block}",
                "shape": builder.tensors[source]["shape"],
                "offset": fields["offset"] + 64 * block,
                "mask_offset": fields["mask_offset"] + 2 * block,
            }
        )
        builder.step("copy", [source], [part])
    builder.expose_values(whole)
    builder.expose_mask(whole)
    xs = [sparse_array((1, 16, 3, 4), 0.5, 1), sparse_array((1, 32, 3, 4), 0.5, 2)]
    values, mask = builder.build(isa).run(xs)
    np.testing.assert_array_equal(values, np.concatenate(xs, axis=1))
    np.testing.assert_array_equal(mask.view(np.uint16), mask_words(values))


def test_copy_reshapes_rows(isa: str) -> None:
    x = sparse_array((3, 4, 5), 0.5)
    np.testing.assert_array_equal(run_row("copy", [x], (2, 30), isa), x.reshape(2, 30))


@pytest.mark.parametrize(
    ("starts", "ends", "steps"),
    [
        ((0, 0, 0, 0), (2, 20, 7, 9), (1, 1, 1, 1)),
        ((1, 3, 2, 1), (2, 19, 6, 8), (1, 1, 2, 3)),
        ((0, 16, 6, 8), (2, 20, -1, 0), (1, 1, -1, -2)),
    ],
)
def test_slice(isa: str, starts: tuple[int, ...], ends: tuple[int, ...], steps: tuple[int, ...]) -> None:
    x = sparse_array((2, 20, 7, 9), 0.5)
    index = tuple(
        slice(start, None if end < 0 else end, step) for start, end, step in zip(starts, ends, steps, strict=True)
    )
    expected = x[index]
    attributes = {"starts": starts, "ends": ends, "steps": steps}
    np.testing.assert_array_equal(run_nhwc("slice", [x], expected.shape, isa, **attributes), expected)
    np.testing.assert_array_equal(run_row("slice", [x], expected.shape, isa, **attributes), expected)


@pytest.mark.parametrize("pads", [(0, 0, 1, 2, 0, 0, 0, 3), (0, 5, 0, 0, 0, 12, 0, 0), (0,) * 8])
@pytest.mark.parametrize("value", [0.0, -1.5])
def test_pad_with_a_constant(isa: str, pads: tuple[int, ...], value: float) -> None:
    x = sparse_array((2, 18, 4, 5), 0.5)
    expected = np.pad(x, list(zip(pads[:4], pads[4:], strict=True)), constant_values=value)
    np.testing.assert_array_equal(run_nhwc("pad", [x], expected.shape, isa, pads=pads, value=value), expected)
    np.testing.assert_array_equal(run_row("pad", [x], expected.shape, isa, pads=pads, value=value), expected)


@pytest.mark.parametrize("mode", ["edge", "reflect"])
def test_pad_from_the_image(isa: str, mode: str) -> None:
    x = sparse_array((1, 5, 4, 5), 0.5)
    expected = np.pad(x, [(0, 0), (0, 0), (3, 1), (2, 4)], mode=mode)
    pads = (0, 0, 3, 2, 0, 0, 1, 4)
    np.testing.assert_array_equal(run_nhwc("pad", [x], expected.shape, isa, pads=pads, mode=mode), expected)


@pytest.mark.parametrize("perm", [(0, 1, 2, 3), (0, 2, 3, 1), (0, 3, 1, 2), (3, 2, 1, 0), (1, 0, 3, 2)])
def test_transpose(isa: str, perm: tuple[int, ...]) -> None:
    x = sparse_array((2, 9, 5, 70), 0.5)
    expected = x.transpose(perm)
    np.testing.assert_array_equal(run_row("transpose", [x], expected.shape, isa, perm=perm), expected)
