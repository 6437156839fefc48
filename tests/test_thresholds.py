"""ThresholdSet: validation, exact JSON, value semantics."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from zeroskip import RecipeError
from zeroskip.thresholds import ThresholdSet

VALUES = st.floats(0, 2.0**100, width=32)
SETS = st.dictionaries(st.text(min_size=1), VALUES | arrays(np.float32, st.integers(1, 5), elements=VALUES), max_size=5)


@given(SETS)
def test_json_gives_an_equal_set_back(thresholds: dict[str, object]) -> None:
    original = ThresholdSet(thresholds, "ab", "10 photos", "top1", {"budget": 0.01})  # type: ignore[arg-type]
    restored = ThresholdSet.from_json(original.to_json())
    assert restored == original
    assert hash(restored) == hash(original)
    for name in thresholds:
        assert np.array_equal(restored[name], original[name])


def test_values_become_float32_and_are_read_only() -> None:
    chosen = ThresholdSet({"a": 0.1, "b": [0.1, 0.2]})  # type: ignore[dict-item]
    assert chosen["a"] == float(np.float32(0.1))
    assert isinstance(chosen["b"], np.ndarray)
    assert chosen["b"].dtype == np.float32
    with pytest.raises(ValueError, match="read-only"):
        chosen["b"][0] = 1.0
    with pytest.raises(TypeError):
        chosen.thresholds["a"] = 1.0  # type: ignore[index]


def test_later_changes_of_the_given_array_do_not_matter() -> None:
    given_array = np.array([0.5, 0.5], np.float32)
    chosen = ThresholdSet({"a": given_array})
    given_array[:] = 9.0
    assert np.array_equal(chosen["a"], [0.5, 0.5])


def test_mapping_protocol() -> None:
    chosen = ThresholdSet({"a": 1.0, "b": 0.0})
    assert (len(chosen), list(chosen), "a" in chosen, "c" in chosen) == (2, ["a", "b"], True, False)
    with pytest.raises(KeyError):
        chosen["c"]


def test_scaling_and_updating_keep_the_rest() -> None:
    chosen = ThresholdSet({"a": 1.0, "b": np.array([0.0, 2.0], np.float32)}, "ab", "photos", "top1", {"k": 1})
    scaled = chosen.scaled(0.5).updated({"c": 3.0})
    assert scaled == ThresholdSet({"a": 0.5, "b": [0.0, 1.0], "c": 3.0}, "ab", "photos", "top1", {"k": 1})  # type: ignore[dict-item]
    assert chosen.scaled(0.0).is_zero
    assert not chosen.is_zero
    assert ThresholdSet({}).is_zero


def test_negative_zero_becomes_zero() -> None:
    assert str(ThresholdSet({"a": -0.0})["a"]) == "0.0"


def test_sets_can_be_pickled_and_copied() -> None:
    chosen = ThresholdSet({"a": 1.0, "b": np.array([1.0], np.float32)}, provenance={"k": [1, 2]})
    assert pickle.loads(pickle.dumps(chosen)) == chosen
    assert copy.deepcopy(chosen) == chosen


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (-0.5, "threshold of 'relu' is -0.5, expected a finite value >= 0"),
        (float("nan"), "threshold of 'relu' is nan"),
        (1e39, "threshold of 'relu' is inf, expected a finite value >= 0 in float32"),
        ([0.5, -1.0], r"threshold of 'relu' \(channel 1\) is -1.0"),
        ([[0.5]], r"shape \(1, 1\), expected a scalar or \[channels\]"),
        ([], r"shape \(0,\)"),
        ("0.5", "is '0.5', expected a number or one number per channel"),
        (None, "is None, expected a number"),
        ([[1.0], [1.0, 2.0]], "expected a number"),
    ],
)
def test_wrong_thresholds_are_named(value: object, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        ThresholdSet({"relu": value})  # type: ignore[dict-item]


@pytest.mark.parametrize("factor", [-1.0, float("nan"), float("inf")])
def test_wrong_factor_is_named(factor: float) -> None:
    with pytest.raises(RecipeError, match=f"scaled by {factor}"):
        ThresholdSet({"a": 1.0}).scaled(factor)


def test_scaling_beyond_float32_is_refused() -> None:
    with pytest.raises(RecipeError, match="threshold of 'a' is inf"):
        ThresholdSet({"a": 1e38}).scaled(100.0)


def test_file_round_trip(tmp_path: Path) -> None:
    chosen = ThresholdSet({"a": 0.1, "b": np.linspace(0, 1, 7, dtype=np.float32)}, data="photos")
    chosen.save(tmp_path / "thresholds.json")
    assert ThresholdSet.load(tmp_path / "thresholds.json") == chosen
    assert json.loads((tmp_path / "thresholds.json").read_text())["schema_version"] == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not JSON"),
        ("[]", "the JSON holds a list, expected an object"),
        ('{"schema_version": 2, "thresholds": {}}', "schema_version 2, this version of zeroskip reads 1"),
        ('{"thresholds": {}}', "schema_version None"),
        ('{"schema_version": 1}', "no key 'thresholds'"),
        ('{"schema_version": 1, "thresholds": [1]}', "'thresholds' is a list"),
        ('{"schema_version": 1, "thresholds": {}, "alpha": 1}', r"unknown keys \['alpha'\]"),
        ('{"schema_version": 1, "thresholds": {"a": NaN}}', "threshold of 'a' is nan"),
    ],
)
def test_wrong_files_are_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "thresholds.json"
    path.write_text(text)
    with pytest.raises(RecipeError, match=rf"cannot read thresholds from '.*thresholds.json'.*{message}"):
        ThresholdSet.load(path)


def test_missing_file_is_a_recipe_error(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"absent\.json"):
        ThresholdSet.load(tmp_path / "absent.json")


def test_failed_save_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="cannot be written as JSON"):
        ThresholdSet({"a": 1.0}, provenance={"k": object()}).save(tmp_path / "thresholds.json")
    assert not list(tmp_path.iterdir())
