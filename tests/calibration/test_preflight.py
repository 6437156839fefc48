"""Questions that make no sense get clear answers before any work."""

from __future__ import annotations

import numpy as np
import pytest

import zeroskip as zs
from tiny_network import CLASSES, SIDE, tiny_data, tiny_network
from zeroskip.calibration import calibrate
from zeroskip.data import random_input
from zeroskip.errors import CalibrationError, DataError

from .conftest import COUNT, dense_labels


def test_contradictory_targets_are_refused() -> None:
    with pytest.raises(CalibrationError, match=r"both max_drop=0\.01 and target_sparsity=0\.8"):
        calibrate(tiny_network(), tiny_data(), 0.01, target_sparsity=0.8)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_drop": -0.1}, r"max_drop is -0\.1, expected a value in \[0, inf\]"),
        ({"max_drop": 5}, r"max_drop is 5: did you mean per cent\? A drop is a share, 0\.05 for 5 of a hundred"),
        ({"max_drop": 1}, r"max_drop is 1: did you mean per cent\? A drop is a share, 0\.01 for 1 of a hundred"),
        ({"max_drop": 0.21}, r"Budgets end at 0\.2"),
        ({"max_drop": float("nan")}, r"max_drop is nan"),
        ({"target_sparsity": 1.5}, r"target_sparsity is 1\.5"),
        ({"strategy": "best"}, r"unknown strategy 'best', known are \['sensitivity', .*'energy', 'greedy'\]"),
        ({"compensation": "all"}, r"unknown compensation 'all', known are"),
        ({"target_speedup": 0.5}, r"target_speedup is 0\.5, expected a value in \[1, inf\]"),
        ({"target_speedup": 2.0, "max_drop": 0.1}, r"both max_drop=0\.1 and target_speedup=2\.0 are given"),
        ({"metric": "f1"}, r"unknown metric 'f1'"),
        ({"metric": "top1"}, r"metric 'top1' needs labels"),
        ({"batch_size": 0}, r"batch_size is 0, expected >= 1"),
    ],
)
def test_bad_options_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(CalibrationError, match=message):
        calibrate(tiny_network(), tiny_data(), threads=1, **options)  # type: ignore[arg-type]


def test_labels_of_another_model_are_refused() -> None:
    labels = [CLASSES] * COUNT
    with pytest.raises(CalibrationError, match=r"the model has 5 classes \(0\.\.4\)"):
        calibrate(tiny_network(), tiny_data(COUNT, labels), threads=1)


def test_labels_that_are_all_wrong_are_refused() -> None:
    labels = [(label + 1) % CLASSES for label in dense_labels()]
    with pytest.raises(CalibrationError, match=r"right on 0 of 32 inputs.*label - 1 the model is right on \d"):
        calibrate(tiny_network(), tiny_data(COUNT, labels), threads=1)
    with pytest.raises(CalibrationError, match=r"the model itself is right on none of 16 inputs"):
        calibrate(tiny_network(), tiny_data(COUNT, labels), threads=1, accept_baseline=True)


def test_no_inputs_are_refused() -> None:
    with pytest.raises(DataError, match="N >= 1"):
        calibrate(tiny_network(), zs.data.arrays(np.zeros((0, 3, SIDE, SIDE), np.float32)))


def test_too_few_inputs_are_refused() -> None:
    with pytest.raises(DataError, match=r"at least 4 inputs, half of them for the check; the data have 1"):
        calibrate(tiny_network(), tiny_data(1))


def test_noise_is_refused() -> None:
    with pytest.raises(DataError, match="noise"):
        calibrate(tiny_network(), random_input((3, SIDE, SIDE), 8))


def test_a_model_whose_own_outputs_are_not_finite_is_refused() -> None:
    with pytest.raises(CalibrationError, match=r"NaN or infinite outputs on 16 of 16 inputs"):
        calibrate(tiny_network(gain=1e38), tiny_data(COUNT), threads=1)
