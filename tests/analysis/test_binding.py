"""A data set is fitted to a model: by names, by places, by types, batch axes or none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from zeroskip.analysis import ModelInput
from zeroskip.data import arrays, from_iterable
from zeroskip.engine import NodeArg
from zeroskip.errors import DataError, ShapeError

IMAGE = NodeArg("image", ["N", 3, 8], "tensor(float)")
SIZE = NodeArg("size", ["N", 2], "tensor(int64)")
RATE = NodeArg("rate", [], "tensor(int64)")
PIXELS = NodeArg("pixels", ["N", 3, 8], "tensor(uint8)")
X = np.random.default_rng(0).random((5, 3, 8)).astype(np.float32)
SIZES = np.ones((5, 2), np.int64)


def first_feed(arguments: tuple[NodeArg, ...], items: Any, size: int = 2) -> dict[str, np.ndarray]:
    model = ModelInput(arguments)
    model.check(model.data(items))
    return next(model.feeds(model.data(items), size))[0]


@pytest.mark.parametrize(
    "items",
    [
        [{"size": s, "image": x, "more": 1} for s, x in zip(SIZES, X, strict=True)],
        list(zip(X, SIZES, strict=True)),
        [((x, s), 3) for s, x in zip(SIZES, X, strict=True)],
        [(X[:2], SIZES[:2]), (X[2:], SIZES[2:])],
        [{"image": X[:1], "size": SIZES[:1]}] * 3,
        {"image": X, "size": SIZES},
        arrays({"image": X, "size": SIZES.astype(np.int32)}),
        arrays({"image": X.astype(np.float64), "size": SIZES.astype(np.float32)}),
    ],
    ids=["dictionaries", "tuples", "nested", "batches", "batches of one", "columns", "int32", "float64"],
)
def test_two_inputs_are_fed_however_they_come(items: Any) -> None:
    feed = first_feed((IMAGE, SIZE), items)
    assert {name: (array.shape, str(array.dtype)) for name, array in feed.items()} == {
        "image": ((2, 3, 8), "float32"),
        "size": ((2, 2), "int64"),
    }


def test_one_input_needs_no_name() -> None:
    for items in (list(X), X, {"pixel_values": X}, [X[:3], X[3:]], arrays(X)):
        np.testing.assert_array_equal(first_feed((IMAGE,), items)["image"], X[:2])


def test_an_input_without_a_batch_axis_makes_items_runs_of_their_own() -> None:
    data = ModelInput((IMAGE, RATE)).data([{"image": x[None], "rate": np.int64(16000)} for x in X])
    assert data.is_whole
    assert len(data) == 5
    feed, count = next(ModelInput((IMAGE, RATE)).feeds(data, 4))
    assert (feed["image"].shape, feed["rate"].shape, count) == ((1, 3, 8), (), 1)


def test_whole_numbers_are_bytes_and_fractions_are_not() -> None:
    assert first_feed((PIXELS,), list(np.full((4, 3, 8), 7.0, np.float32)))["pixels"].dtype == np.uint8
    for wrong in (X, X * 0 + 300):
        with pytest.raises(DataError, match=r"takes uint8, the data are float32, and hold values that it cannot hold"):
            first_feed((PIXELS,), list(wrong))


@pytest.mark.parametrize(
    ("items", "message"),
    [
        (arrays(X), r"has 2 inputs \['image', 'size'\], the data feed one"),
        (from_iterable(X), r"has 2 inputs \['image', 'size'\], the data feed one input: give each input by its name"),
        ([{"image": x} for x in X], r"item 0 lacks the inputs \['size'\]"),
        ([(x,) for x in X], "item 0 has 1 parts, expected 2 inputs"),
        ([(x.astype(np.uint8), SIZES[0]) for x in X], "takes float32, the data are uint8: say how"),
        ([(x, s + 0.5) for x, s in zip(X, SIZES, strict=True)], "takes int64, the data are float64, and hold values"),
        (None, "the data are a NoneType"),
    ],
)
def test_what_does_not_fit_is_named(items: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        first_feed((IMAGE, SIZE), items)


def test_batches_taken_for_single_inputs_are_found_out() -> None:
    """A data set made without the model cannot know; fed to the model its batches are inputs, one by one."""
    model = ModelInput((IMAGE,))
    data = model.data(from_iterable([X[:4], X[4:]]))
    assert (len(data), data.is_uniform) == (5, True)
    np.testing.assert_array_equal(next(model.feeds(data, 5))[0]["image"], X)
    single = model.data(from_iterable([(x[None], 1) for x in X]))
    assert next(model.feeds(single, 3))[0]["image"].shape == (3, 3, 8)
    assert single.labels is not None
    assert single.labels.tolist() == [1] * 5
    with pytest.raises(DataError, match="items are batches: say batched=True"):
        model.data(from_iterable([(X[:4], np.arange(4))] * 3))
    with pytest.raises(ShapeError, match=r"inputs of shape \[2, 4, 3, 8\]"):
        model.check(from_iterable([np.zeros((2, 4, 3, 8), np.float32)] * 3))


def test_sequences_are_refused() -> None:
    with pytest.raises(DataError, match="a data set feeds tensors"):
        ModelInput.of(type("S", (), {"get_inputs": lambda self: [NodeArg("s", [], "seq(tensor(float))")]})())
