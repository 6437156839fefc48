"""Embeddings: blocks, rows that are not finite, ties."""

from __future__ import annotations

import numpy as np
import pytest

from zeroskip.errors import ShapeError
from zeroskip.metrics import cosines, nearest, nearest_kept, verification_rates
from zeroskip.metrics import embeddings as module


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.random.default_rng(0).normal(size=(37, 5))
    whole = nearest(rows)
    monkeypatch.setattr(module, "_BLOCK", 4)
    np.testing.assert_array_equal(nearest(rows), whole)
    assert (whole != np.arange(37)).all()


def test_rows_that_are_not_finite_are_nobodys_neighbour() -> None:
    rows = np.array([[1.0, 0.0], [np.nan, 0.0], [0.9, 0.1]])
    assert nearest(rows).tolist() == [2, -1, 0]
    assert cosines(rows, rows).tolist() == [1.0, -1.0, pytest.approx(1.0)]
    assert nearest_kept(rows, rows).tolist() == [True, False, True]


def test_one_embedding_has_no_neighbour() -> None:
    with pytest.raises(ShapeError, match="two embeddings or more"):
        nearest([[1.0, 2.0]])


def test_the_best_threshold_parts_what_can_be_parted() -> None:
    rows = np.array([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0], [-0.6, 0.8]])
    rates, threshold = verification_rates(rows, [0, 0, 1, 1])
    assert rates.tolist() == [1.0] * 4
    assert 0.6 < threshold < 0.8
