"""Dataset: batches, splits that keep crops together, thinning."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zeroskip import DataError
from zeroskip.data import Dataset, arrays
from zeroskip.data.loader import ArraySource


def numbered(count: int, labels: list[int] | None = None, per_group: int = 1) -> Dataset:
    """Return a data set whose input i holds the number i, with ``per_group`` inputs per picture."""
    x = np.arange(count, dtype=np.float32)[:, None]
    places = np.arange(count)
    values = None if labels is None else np.array(labels)
    names = tuple(map(str, range(count)))
    return Dataset(ArraySource(x), places, names, values, places // per_group, "numbers")


def numbers(data: Dataset) -> list[int]:
    return [int(value) for value in data.array()[:, 0]]


@given(count=st.integers(1, 30), batch_size=st.integers(1, 40))
def test_batches_join_to_the_whole(count: int, batch_size: int) -> None:
    data = numbered(count, labels=list(range(count)))
    batches = list(data.batches(batch_size))
    assert [len(x) for x, _ in batches[:-1]] == [batch_size] * (len(batches) - 1)
    assert np.array_equal(np.concatenate([x for x, _ in batches]), data.array())
    assert np.array_equal(np.concatenate([y for _, y in batches if y is not None]), np.arange(count))


@given(
    groups=st.integers(2, 25),
    per_group=st.integers(1, 4),
    fraction=st.floats(0.2, 0.8),
    seed=st.integers(0, 9),
)
def test_split_is_complete_disjoint_and_keeps_pictures_together(
    groups: int, per_group: int, fraction: float, seed: int
) -> None:
    data = numbered(groups * per_group, per_group=per_group)
    taken = round(groups * fraction)
    if taken in (0, groups):
        return
    calibration, holdout = data.split(fraction, seed=seed)
    assert sorted(numbers(calibration) + numbers(holdout)) == list(range(len(data)))
    assert not set(calibration.groups) & set(holdout.groups)
    assert len(calibration) == taken * per_group
    assert numbers(data.split(fraction, seed=seed)[0]) == numbers(calibration)


def test_split_depends_on_the_seed() -> None:
    data = numbered(40)
    assert numbers(data.split(seed=0)[0]) != numbers(data.split(seed=1)[0])


@given(sizes=st.lists(st.integers(1, 9), min_size=2, max_size=8), fraction=st.floats(0.2, 0.8))
def test_each_class_is_divided_in_proportion(sizes: list[int], fraction: float) -> None:
    labels = [label for label, size in enumerate(sizes) for _ in range(size)]
    if round(len(labels) * fraction) in (0, len(labels)):
        return
    calibration, _ = numbered(len(labels), labels).split(fraction)
    assert calibration.labels is not None
    share = round(len(labels) * fraction) / len(labels)
    for label, size in enumerate(sizes):
        assert abs(int(np.sum(calibration.labels == label)) - share * size) < 1.0


def test_split_by_counts_takes_whole_pictures() -> None:
    data = numbered(40, per_group=4)
    calibration, holdout = data.split(counts=(10, 5))
    assert (len(calibration), len(holdout)) == (10, 5)
    assert not set(calibration.groups) & set(holdout.groups)


def test_split_of_a_split_works() -> None:
    calibration, _ = numbered(20).split()
    first, second = calibration.split()
    assert sorted(numbers(first) + numbers(second)) == numbers(calibration)


@pytest.mark.parametrize("fraction", [0.0, 1.0, -1.0, 2.0, float("nan")])
def test_wrong_fraction_is_named(fraction: float) -> None:
    with pytest.raises(DataError, match=f"split fraction is {fraction}"):
        numbered(4).split(fraction)


def test_split_needs_enough_pictures() -> None:
    with pytest.raises(DataError, match=r"cannot split 1 pictures.*both sides need at least one"):
        numbered(4, per_group=4).split()
    with pytest.raises(DataError, match=r"40 inputs of 10 pictures into 30 for calibration and 12 .* 11 pictures"):
        numbered(40, per_group=4).split(counts=(30, 12))
    with pytest.raises(DataError, match=r"counts are \(0, 3\)"):
        numbered(4).split(counts=(0, 3))


def test_subset_is_spread_evenly() -> None:
    data = numbered(10)
    assert numbers(data.subset(3)) == [0, 3, 6]
    assert data.subset(10) is data
    assert data.subset(3).description == "3 of numbers"
    with pytest.raises(DataError, match="subset of 0 inputs"):
        data.subset(0)


def test_parts_say_where_they_come_from() -> None:
    calibration, holdout = numbered(5).split(0.4)
    assert calibration.description == "calibration part, 2 of numbers"
    assert holdout.description == "holdout, 3 of numbers"
    assert repr(holdout) == "Dataset(3 inputs, no labels: 'holdout, 3 of numbers')"


def test_names_and_labels_follow_the_part() -> None:
    part = numbered(6, labels=[9, 8, 7, 6, 5, 4]).subset(2)
    assert part.names == ("0", "3")
    assert part.labels is not None
    assert part.labels.tolist() == [9, 6]


def test_wrong_batch_size_is_named() -> None:
    with pytest.raises(DataError, match="batch_size is 0"):
        next(numbered(3).batches(0))


def test_sample_shape_needs_no_batch() -> None:
    assert arrays(np.zeros((2, 5, 7), np.float32)).sample_shape == (5, 7)
