"""What was learnt survives a journal, whatever layers and activations are called."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from zeroskip.journal import Journal, digest
from zeroskip.learning.learnt import Learnt
from zeroskip.onnx import LayerWeights


@pytest.mark.parametrize("name", ["conv1", "weight bias", "a/b.c \u00e9", "price", ""])
def test_it_comes_back_as_it_was(name: str, tmp_path: Path) -> None:
    layer = LayerWeights(np.arange(12, dtype=np.float32).reshape(3, 4), np.ones(3, np.float32))
    learnt = Learnt(0.25, {name: np.array([0.5, 0.0], np.float32), "other": 0.125}, {name: layer}, {name: 0.1}, 7)
    with Journal(tmp_path / "work") as journal:
        journal.is_kept = True
        journal.recall(digest("key"), learnt.to_arrays)
    with Journal(tmp_path / "work") as journal:
        again = Learnt.from_arrays(journal.recall(digest("key"), lambda: pytest.fail("was not kept")))
    assert (again.price, again.inputs, again.errors) == (0.25, 7, {name: 0.1})
    assert again.thresholds["other"] == 0.125
    assert np.array_equal(again.thresholds[name], learnt.thresholds[name])
    assert again.thresholds[name].dtype == np.float32
    assert np.array_equal(again.layers[name].weight, layer.weight)
    assert np.array_equal(again.layers[name].bias, layer.bias)


def test_nothing_learnt_comes_back_as_nothing() -> None:
    empty = Learnt(1.0, {}, {}, {}, 0)
    assert Learnt.from_arrays(empty.to_arrays()) == empty
