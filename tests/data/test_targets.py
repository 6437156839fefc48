"""Targets of any shape are counted, taken and joined alike."""

from __future__ import annotations

import numpy as np
import pytest

from zeroskip.data.targets import collect, count_of, join, take
from zeroskip.errors import DataError


def test_parts_joined_are_the_whole() -> None:
    whole = {"boxes": [np.zeros((n, 4)) for n in range(5)], "size": np.arange(10).reshape(5, 2)}
    parts = [take(whole, [0, 1]), take(whole, [2, 3, 4])]
    again = join(parts)
    assert count_of(again) == 5
    np.testing.assert_array_equal(again["size"], whole["size"])
    assert [len(item) for item in again["boxes"]] == [0, 1, 2, 3, 4]
    assert take(None, [0]) is None
    assert join([None, whole]) is None


def test_values_of_one_shape_become_an_array_others_a_list() -> None:
    assert collect([np.zeros(2), np.ones(2)]).shape == (2, 2)
    assert isinstance(collect([np.zeros(2), np.ones(3)]), list)
    assert collect(["a", "b"]) == ["a", "b"]


def test_what_is_no_targets_is_named() -> None:
    with pytest.raises(DataError, match=r"differ in number: \{'a': 1, 'b': 2\}"):
        count_of({"a": [1], "b": [1, 2]})
    with pytest.raises(DataError, match="are a str"):
        count_of("abc")
    with pytest.raises(DataError, match="one number"):
        count_of(np.array(3))
