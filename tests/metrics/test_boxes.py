"""Mean average precision as COCO defines it, computed once more by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("pycocotools")

from zeroskip.metrics import mean_average_precision
from zeroskip.metrics.boxes import overlap

RNG = np.random.default_rng(0)


def scene() -> tuple[dict[str, Any], tuple[Any, Any, Any]]:
    """Return boxes of three classes, and what a middling detector says of them."""
    count = RNG.integers(1, 5)
    corner, side = RNG.random((count, 2)) * 80, 10 + RNG.random((count, 2)) * 30
    boxes, labels = np.concatenate([corner, corner + side], axis=1), RNG.integers(0, 3, count)
    said = np.concatenate([boxes + RNG.normal(size=boxes.shape) * 2, [[5.0, 5, 30, 30]]])
    return {"boxes": boxes, "labels": labels}, (said, RNG.random(count + 1), np.append(labels, 1))


def average_precision(found: list[Any], truth: list[Any], label: int, least: float) -> float:
    """Return the precision at 101 recalls of one class at one overlap: the best boxes first, each box found once."""
    said = [(score, number, box) for number, item in enumerate(found) for box, score, kind in zip(*item, strict=True)
            if kind == label]  # fmt: skip
    free = [item["labels"] == label for item in truth]
    total, hits = sum(int(item.sum()) for item in free), []
    for _, number, box in sorted(said, key=lambda item: -item[0]):
        overlaps = np.where(free[number], overlap(box, truth[number]["boxes"]), -1.0)
        best = int(overlaps.argmax())
        hits.append(overlaps[best] >= least)
        free[number][best] &= not hits[-1]
    recall, precision = np.cumsum(hits) / total, np.cumsum(hits) / np.arange(1, len(hits) + 1)
    best_from = np.append(np.maximum.accumulate(precision[::-1])[::-1], 0.0)
    return float(best_from[np.searchsorted(recall, np.linspace(0, 1, 101))].mean())


def test_mean_average_precision_is_that_of_its_definition() -> None:
    truth, found = map(list, zip(*(scene() for _ in range(12)), strict=True))
    by_hand = [
        [average_precision(found, truth, label, least) for label in range(3)] for least in np.arange(0.5, 1, 0.05)
    ]
    assert mean_average_precision(found, truth) == pytest.approx(np.mean(by_hand), abs=1e-9)
    assert 0.2 < np.mean(by_hand) < 0.8
