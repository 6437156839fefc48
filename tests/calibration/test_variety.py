"""Inputs from which nothing can be learnt are refused; copies and blank ones are told."""

from __future__ import annotations

import logging

import numpy as np
import pytest

import zeroskip as zs
from tiny_network import SIDE, pictures, tiny_network
from zeroskip.calibration import CalibrationResult, calibrate
from zeroskip.calibration.variety import check_variety
from zeroskip.errors import DataError

COUNT = 24


def calibrated(some: np.ndarray) -> CalibrationResult:
    data = zs.data.arrays(some, None, "unit", description="blobs")
    return calibrate(tiny_network(), data, 0.05, threads=1, measure_seconds=0.0)


@pytest.mark.parametrize("value", [0, 128, 255])
def test_black_pictures_are_refused(value: int) -> None:
    with pytest.raises(DataError, match=r"all 24 inputs are blank: check how they are read and preprocessed"):
        calibrated(np.full((COUNT, SIDE, SIDE, 3), value, np.uint8))


def test_pictures_of_one_colour_each_are_refused() -> None:
    colours = np.random.default_rng(0).integers(0, 256, (COUNT, 1, 1, 3)).astype(np.uint8)
    with pytest.raises(DataError, match=r"all 24 inputs are blank, one colour each"):
        calibrated(np.broadcast_to(colours, (COUNT, SIDE, SIDE, 3)))


def test_one_picture_over_and_over_is_refused() -> None:
    with pytest.raises(DataError, match=r"all 24 inputs are the same"):
        calibrated(np.repeat(pictures(1), COUNT, axis=0))


def test_a_few_are_told(caplog: pytest.LogCaptureFixture) -> None:
    some = pictures(COUNT)
    some[3], some[10], some[11] = 0, some[12], some[12]
    with caplog.at_level(logging.WARNING, "zeroskip"):
        result = calibrated(some)
    blank, copies = result.notes
    assert blank == "1 of 24 inputs is blank, one colour each: thresholds are chosen by these as well"
    assert copies.startswith("2 of 24 inputs are copies of others: the interval is narrower than it should be")
    assert all(note in caplog.text for note in result.notes)


def test_ordinary_pictures_need_no_words() -> None:
    assert calibrated(pictures(COUNT)).notes == ()


def batches(samples: np.ndarray) -> list[tuple[np.ndarray, int]]:
    return [(samples.astype(np.float32), len(samples))]


def test_copies_that_are_on_both_sides_are_told() -> None:
    rows = np.arange(12.0).reshape(4, 3)
    (note,) = check_variety([batches(rows[:3]), batches(rows[2:])])
    assert "1 of 5 inputs is a copy of another" in note
    assert "1 of the held-out inputs guided the search too" in note


def test_padding_of_the_last_batch_is_no_copy() -> None:
    rows = np.arange(12.0).reshape(4, 3).astype(np.float32)
    assert check_variety([[(np.concatenate([rows, rows[-1:]]), 4)], batches(rows[:0])]) == ()


@pytest.mark.parametrize("axes", [(3, 8, 8), (8, 8, 3), (1, 8, 8), (8,), (5, 8, 8)])
def test_stripes_and_gradients_are_not_blank(axes: tuple[int, ...]) -> None:
    grey = np.broadcast_to(np.arange(8.0), axes) if axes[-1] == 8 else np.arange(8.0)[:, None, None] * np.ones(axes)
    assert check_variety([batches(np.stack([grey, grey + 1])), batches(grey[None] + 2)]) == ()
