"""broadcast, constant, expand, gather, matmul and pixel_shuffle."""

from __future__ import annotations

import numpy as np
import pytest

from .builder import run_nhwc, run_row, sparse_array

PAIRS = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "max": np.maximum,
    "min": np.minimum,
    "pow": np.power,
    "prelu": lambda a, b: np.where(a > 0, a, a * b),
    "greater": np.greater,
    "greater_equal": np.greater_equal,
    "equal": np.equal,
    "quotient": lambda a, b: np.trunc(a / b),
}


@pytest.mark.parametrize("kind", PAIRS)
@pytest.mark.parametrize(("first", "second"), [((3, 5, 7), (7,)), ((4, 1, 9), (3, 1)), ((50,), (50,)), ((1,), (2, 21))])
def test_pairs_of_rows(isa: str, kind: str, first: tuple[int, ...], second: tuple[int, ...]) -> None:
    a, b = sparse_array(first, 0.3), sparse_array(second, 0.3, seed=1)
    with np.errstate(all="ignore"):
        expected = PAIRS[kind](a, b)
    result = run_row("broadcast", [a, b], expected.shape, isa, kind=kind)
    np.testing.assert_allclose(result, expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(
    "shapes", [((3, 5, 7), (7,), (5, 1)), ((1,), (50,), (50,)), ((2, 1, 9), (3, 1), (1,)), ((40,), (1,), (1,))], ids=str
)
def test_one_of_two_rows_is_chosen(isa: str, shapes: tuple[tuple[int, ...], ...]) -> None:
    a, b, condition = (sparse_array(shape, 0.5, seed=seed) for seed, shape in enumerate(shapes))
    b, condition = np.where(b < 0, np.nan, b), np.where(condition < 0, np.nan, condition).astype(np.float32)
    expected = np.where(condition != 0, a, b)
    result = run_row("broadcast", [a, b.astype(np.float32), condition], expected.shape, isa, kind="select")
    np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("channels", [3, 16, 40])
def test_one_of_two_maps_is_chosen(isa: str, channels: int) -> None:
    shapes = ((2, channels, 3, 5), (1, channels, 1, 1), (2, 1, 3, 5))
    a, b, condition = (sparse_array(shape, 0.5, seed=seed) for seed, shape in enumerate(shapes))
    result = run_nhwc("broadcast", [a, b, condition], a.shape, isa, kind="select")
    np.testing.assert_array_equal(result, np.where(condition != 0, a, b))


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("repeated", [(), (0,), (2,), (0, 1)])
def test_elements_are_gathered(isa: str, axis: int, repeated: tuple[int, ...]) -> None:
    x, shape = sparse_array((4, 5, 6), 0.0), [3, 4, 5]
    shape[axis] = 7
    given = [1 if each in repeated and each != axis else size for each, size in enumerate(shape)]
    places = np.random.default_rng(0).integers(-x.shape[axis], x.shape[axis], given)
    region = x[tuple(slice(None) if each == axis else slice(size) for each, size in enumerate(shape))]
    expected = np.take_along_axis(region, np.broadcast_to(places, shape), axis)
    result = run_row("gather_elements", [x, places.astype(np.float32)], expected.shape, isa, axis=axis)
    np.testing.assert_array_equal(result, expected)


def test_places_outside_are_the_nearest_inside(isa: str) -> None:
    x = np.arange(5, dtype=np.float32)
    places = np.array([7, 5, 4.9, -5, -6, -1e30, np.inf, -np.inf, np.nan, 1e30], np.float32)
    result = run_row("gather_elements", [x, places], places.shape, isa, axis=0)
    np.testing.assert_array_equal(result, [4, 4, 4, 0, 0, 0, 4, 0, 0, 4])


@pytest.mark.parametrize("channels", [3, 16, 40])
@pytest.mark.parametrize("kind", ["add", "div", "max"])
@pytest.mark.parametrize("other", [(1, 1, 1, 1), (2, 1, 3, 5), (1, -1, 1, 5), (2, -1, 3, 5), (1, -1, 1, 1)])
def test_pairs_of_maps(isa: str, channels: int, kind: str, other: tuple[int, ...]) -> None:
    a = sparse_array((2, channels, 3, 5), 0.3)
    b = np.abs(sparse_array(tuple(channels if size < 0 else size for size in other), 0.0, seed=1))
    for operands in ((a, b), (b, a)) if kind == "max" else ((a, b),):
        result = run_nhwc("broadcast", list(operands), a.shape, isa, kind=kind)
        np.testing.assert_allclose(result, PAIRS[kind](*operands), rtol=1e-6)


def test_the_larger_of_a_number_and_nan_is_nan(isa: str) -> None:
    a, b = np.array([np.nan, 1, np.inf, -0.0], np.float32), np.array([1, np.nan, 2, 0.0], np.float32)
    for kind in ("max", "min"):
        np.testing.assert_array_equal(run_row("broadcast", [a, b], a.shape, isa, kind=kind), PAIRS[kind](a, b))


@pytest.mark.parametrize("batches", [((), ()), ((2, 3), (2, 3)), ((2, 1), (3,)), ((), (4,))])
@pytest.mark.parametrize(("rows", "depth", "columns"), [(1, 1, 1), (7, 130, 33), (100, 5, 300)])
def test_products_of_matrices(isa: str, batches: tuple, rows: int, depth: int, columns: int) -> None:
    a = sparse_array((*batches[0], rows, depth), 0.2)
    b = sparse_array((*batches[1], depth, columns), 0.0, seed=1)
    expected = a.astype(np.float64) @ b.astype(np.float64)
    result = run_row("matmul", [a, b], expected.shape, isa)
    np.testing.assert_allclose(result, expected, rtol=0, atol=1e-5 * max(1, np.abs(expected).max()))


def test_a_row_is_repeated_and_picked(isa: str) -> None:
    x = sparse_array((3, 1, 5), 0.2)
    np.testing.assert_array_equal(run_row("expand", [x], (2, 3, 4, 5), isa), np.broadcast_to(x, (2, 3, 4, 5)))
    y = run_row("gather", [x], (3, 1, 4), isa, axis=2, indices=[4, 0, 0, 2])
    np.testing.assert_array_equal(y, x[..., [4, 0, 0, 2]])


@pytest.mark.parametrize(("groups", "width"), [(1, 16), (1, 3), (4, 1), (2, 24)])
def test_pixels_are_shuffled(isa: str, groups: int, width: int) -> None:
    x = sparse_array((2, groups * 6 * width, 3, 4), 0.4)
    turned = x.reshape(2, groups, 2, 3, width, 3, 4).transpose(0, 1, 4, 5, 2, 6, 3)
    expected = turned.reshape(2, groups * width, 6, 12)[:, :, 1:, 2:11]
    shape = (2, groups * width, 5, 9)
    result = run_nhwc("pixel_shuffle", [x], shape, isa, blocks=[2, 3], crops=[1, 2, 0, 1], groups=groups)
    np.testing.assert_array_equal(result, expected)
    arrays = {"thresholds": np.full(groups * width, 0.5, np.float32)}
    options = {"blocks": [2, 3], "crops": [1, 2, 0, 1], "groups": groups, "activation": "fatrelu"}
    rectified = run_nhwc("pixel_shuffle", [x], shape, isa, arrays, **options)
    np.testing.assert_array_equal(rectified, np.where(expected > 0.5, expected, 0))


@pytest.mark.parametrize("channels", [3, 16, 40])
def test_a_constant_is_written(isa: str, channels: int) -> None:
    value = sparse_array((1, channels, 3, 2), 0.5)
    np.testing.assert_array_equal(run_nhwc("constant", [], value.shape, isa, {"value": value}), value)
    np.testing.assert_array_equal(run_row("constant", [], value.shape, isa, {"value": value}), value)
