"""A calibration of the tiny network, made once."""

from __future__ import annotations

import pytest

import zeroskip as zs
from tiny_network import tiny_data, tiny_network
from zeroskip.calibration import CalibrationResult, calibrate

COUNT = 32


def dense_labels() -> list[int]:
    """What the network itself predicts, so that its top-1 is 1."""
    session = zs.InferenceSession(tiny_network())
    (logits,) = session.run(None, {"image": tiny_data(COUNT).array()})
    return logits.argmax(axis=1).tolist()


@pytest.fixture(scope="session")
def result() -> CalibrationResult:
    return calibrate(tiny_network(), tiny_data(COUNT), 0.05, threads=1)
