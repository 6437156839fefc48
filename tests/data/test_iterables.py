"""Data sets of whatever yields inputs: what is input, what is target, what is a batch, what is said of the rest."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zeroskip.data import arrays, from_iterable
from zeroskip.errors import DataError

X = np.arange(24, dtype=np.float32).reshape(6, 4)


def inputs_of(data: Any, name: str | None = None) -> list[list[float]]:
    batches = [batch for batch, _ in data.batches(4)]
    return [row.tolist() for batch in batches for row in (batch if name is None else batch[name])]


class Loader:
    """What torch's DataLoader looks like from outside."""

    batch_size = 4
    batch_sampler = object()

    def __iter__(self) -> Iterator[Any]:
        yield X[:4], np.arange(4)
        yield X[4:], np.arange(4, 6)


class MapStyle:
    """What torch's Dataset looks like; indexing beyond the end does not end it."""

    def __len__(self) -> int:
        return 6

    def __getitem__(self, place: int) -> Any:
        return X[place % 6], place % 6


@pytest.mark.parametrize(
    "items",
    [Loader(), MapStyle(), list(zip(X, range(6), strict=True)), ((x, y) for y, x in enumerate(X)), {"x": X}],
    ids=["loader", "map style", "list", "generator", "columns"],
)
def test_inputs_and_labels_of_every_kind_of_iterable(items: Any) -> None:
    if isinstance(items, dict):
        items = {"x": X, "y": np.arange(6)}
    data = from_iterable(items)
    name = "x" if isinstance(items, dict) else None
    assert inputs_of(data, name) == X.tolist()
    assert data.labels is not None
    assert data.labels.tolist() == list(range(6))


def test_a_generator_is_read_once_and_for_all() -> None:
    data = from_iterable(x for x in X)
    assert inputs_of(data) == inputs_of(data) == X.tolist()
    first, second = data.split(0.5)
    assert len(first) == len(second) == 3


def test_an_array_is_its_rows_and_torch_tensors_are_taken() -> None:
    assert inputs_of(from_iterable(X)) == X.tolist()
    torch = pytest.importorskip("torch")
    data = from_iterable([(torch.tensor(x, dtype=torch.bfloat16), torch.tensor(1)) for x in X])
    assert data.array().dtype == np.float32
    assert data.labels.tolist() == [1] * 6


def test_size_ends_an_endless_iterable_and_transform_replaces_items() -> None:
    def endless() -> Iterator[np.ndarray]:
        while True:
            yield from X

    data = from_iterable(endless(), size=7, transform=lambda x: (x[None] * 2, {"boxes": np.zeros((2, 4))}))
    assert len(data) == 7
    assert data.sample_shape == (1, 4)
    assert data.labels is None
    assert data.targets[6]["boxes"].shape == (2, 4)


def test_types_stay_and_targets_have_any_shape() -> None:
    items = [
        {"ids": np.arange(3), "mask": np.array([True, False, True]), "target": np.full((2, 5), place, np.float64)}
        for place in range(5)
    ]
    data = from_iterable(items)
    batch, targets = next(data.batches(2))
    assert {name: array.dtype.kind for name, array in batch.items()} == {"ids": "i", "mask": "b"}
    assert targets.shape == (2, 2, 5)
    assert data.subset(2).targets[1, 0, 0] == data.targets[data.subset(2).indices[1], 0, 0]


def test_inputs_of_different_sizes_come_one_by_one() -> None:
    data = from_iterable([np.zeros((2, width), np.float32) for width in (3, 4, 3)])
    assert not data.is_uniform
    assert [batch.shape for batch, _ in data.batches(1)] == [(1, 2, 3), (1, 2, 4), (1, 2, 3)]
    with pytest.raises(DataError, match=r"differ in shape: \[2, 3\] at 0 and \[2, 4\] at 1; use batch_size 1"):
        list(data.batches(2))


def test_parts_of_a_tuple_are_inputs_by_number_or_by_nesting() -> None:
    flat = from_iterable([(x, x + 1, 3) for x in X], inputs=2)
    nested = from_iterable([((x, x + 1), 3) for x in X])
    for data in (flat, nested):
        assert inputs_of(data, "1") == (X + 1).tolist()
        assert data.labels.tolist() == [3] * 6


def used_up() -> Iterator[Any]:
    items = (x for x in X)
    list(items)
    return items


def failing() -> Iterator[np.ndarray]:
    yield X[0]
    raise OSError("disk gone")


@pytest.mark.parametrize(
    ("items", "options", "message"),
    [
        (used_up(), {}, r"a generator yielded nothing: was a generator or iterator used up before\?"),
        ([], {}, "a list yielded nothing"),
        (failing(), {}, "raised OSError at item 1: disk gone"),
        ("photos/", {}, "the data are the text 'photos/'"),
        (17, {}, "the data are a int, expected a data set"),
        (X, {"size": 0}, "size is 0"),
        (X, {"transform": lambda x: x["image"]}, "raised IndexError on item 0"),
        ([{"label": 1}], {}, "item 0 holds no inputs"),
        ([{"a": X[0]}, {"b": X[0]}], {}, r"item 1 has the inputs \['b'\], those before it \['a'\]"),
        ([(X[0], 1), X[1]], {}, "item 1 has no target, unlike those before it"),
        ([("text", 1)], {}, "expected numbers"),
        ([{"a": X[0], "b": X[0]}], {"inputs": ["a", "c"]}, r"item 0 lacks the inputs \['c'\]; it holds \['a', 'b'\]"),
        ([np.array([1.0, np.nan])], {}, r"x\[0\] holds NaN"),
        ([(X[:3], np.arange(2))], {"batched": True}, "batch 0 has 3 inputs and 2 targets"),
        ({"a": X, "b": X[:2]}, {}, "the columns differ in length"),
        ([np.array([object()])], {}, "expected numbers"),
    ],
)
def test_what_cannot_be_read_is_named(items: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        from_iterable(items, **options)


def test_more_than_memory_is_refused_while_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    from zeroskip.data import iterables

    monkeypatch.setattr(iterables, "available_memory_bytes", lambda: 1000)
    monkeypatch.setattr(iterables, "_CHECKED_FROM_BYTES", 0)
    with pytest.raises(DataError, match="give size="):
        from_iterable(np.zeros(100) for _ in range(10**9))


def test_arrays_take_inputs_by_name_and_targets_of_any_shape() -> None:
    data = arrays({"a": X, "b": np.arange(6)}, targets=["one"] * 6)
    assert data.targets == ["one"] * 6
    assert arrays({"a": X}, np.arange(6)).labels is not None
    assert arrays(X, targets=np.zeros((6, 3))).targets.shape == (6, 3)
    with pytest.raises(DataError, match="there are 6 inputs and 2 targets"):
        arrays(X, targets=np.zeros((2, 3)))
    with pytest.raises(DataError, match="both y and targets"):
        arrays(X, np.arange(6), targets=[1] * 6)


@pytest.mark.parametrize("targets", [np.arange(6), np.eye(3)[[0, 1, 2, 0, 1, 2]][:, :3]])
def test_inputs_and_labels_as_two_arrays_are_a_table(targets: np.ndarray) -> None:
    """As Keras has them; two inputs of as many axes stay two inputs."""
    images = X.reshape(6, 1, 2, 2)
    data = from_iterable((images, targets))
    assert len(data) == 6
    assert inputs_of(data) == images.tolist()
    if targets.ndim == 1:
        assert data.labels.tolist() == targets.tolist()
    assert len(from_iterable((X[0], X[1]))) == 2


def test_what_does_not_end_is_told_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zeroskip.data.iterables._MOST_UNCOUNTED", 50)
    with pytest.raises(DataError, match="more than 50 inputs and does not say how many there are: give size="):
        from_iterable(itertools.cycle(X))
    assert len(from_iterable(itertools.cycle(X), size=60)) == 60
    assert len(from_iterable(list(X) * 10)) == 60


def test_two_arrays_of_different_length_and_a_size_that_is_none_are_named() -> None:
    with pytest.raises(DataError, match="the columns differ in length"):
        from_iterable((X.reshape(6, 1, 2, 2), np.arange(4)))
    for size in ("3", 0, 2.5):
        with pytest.raises(DataError, match="expected an integer of at least 1"):
            from_iterable(X, size=size)


class Torn:
    """A data set by places, as PyTorch's, of which one item cannot be read."""

    def __len__(self) -> int:
        return 5

    def __getitem__(self, place: int) -> np.ndarray:
        if place == 3:
            raise OSError("disk gone")
        return np.zeros(3)


@pytest.mark.parametrize(
    ("items", "options", "message"),
    [
        (Torn(), {}, "a Torn raised OSError at item 3: disk gone"),
        ([np.zeros(3)], {"size": True}, "size is True"),
        ([np.zeros(3)], {"inputs": 0}, "inputs is 0"),
        ([np.zeros(3)], {"inputs": -1}, "inputs is -1"),
        ([np.zeros(3)], {"inputs": "image"}, "inputs is 'image', expected a list of names"),
        ([np.zeros(3)], {"inputs": []}, r"inputs is \[\]"),
        ([np.zeros(3)], {"batched": "yes"}, "batched is 'yes'"),
        (Path("some/folder"), {}, "the data are the text 'some/folder'.*zeroskip.data.load"),
    ],
)
def test_mistakes_of_a_call_are_named(items: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        from_iterable(items, **options)


def test_tensors_without_data_are_named() -> None:
    torch = pytest.importorskip("torch")
    with pytest.raises(DataError, match=r"item 0 cannot be made an array of: .*meta tensor"):
        from_iterable([torch.empty(3, device="meta")] * 2)


def test_targets_that_are_all_none_are_none() -> None:
    assert from_iterable([(np.zeros(3), None)] * 4).targets is None
    assert from_iterable([(np.zeros(3), None if place else 1) for place in range(4)]).targets == [1, None, None, None]
