"""Class scores and embeddings are told apart; argmax is never taken over an embedding."""

from __future__ import annotations

import numpy as np
import pytest

from zeroskip.calibration.judging.kinds import kind_of

RNG = np.random.default_rng(0)


def confident(count: int, classes: int) -> np.ndarray:
    """Return logits as trained classifiers give them: noise, and one that stands out."""
    scores = RNG.normal(size=(count, classes))
    scores[np.arange(count), RNG.integers(0, classes, count)] += 8.0
    return scores.astype(np.float32)


def faces(width: int = 130, *, is_unit: bool = False) -> np.ndarray:
    """Return embeddings that share a mean whose largest coordinate is the same for all."""
    rows = RNG.normal(size=(40, width)) + 6.0 * np.eye(1, width, 9)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True) if is_unit else rows).astype(np.float32)


@pytest.mark.parametrize(
    ("name", "column", "kind"),
    [
        ("output", confident(40, 1000), "classes"),
        ("output", confident(40, 1000)[:, :, None, None], "classes"),
        ("output", RNG.normal(size=(40, 10)).astype(np.float32), "classes"),
        ("output", RNG.dirichlet(np.ones(128), 40).astype(np.float32), "classes"),
        ("logits", faces(512), "classes"),
        ("output", faces(is_unit=True), "embedding"),
        ("output", faces(), "embedding"),
        ("output", RNG.normal(size=(40, 300)).astype(np.float32), "embedding"),
        ("output", confident(40, 512), "embedding"),
        ("features", confident(40, 1000), "embedding"),
        ("output", RNG.normal(size=(40, 5, 7)).astype(np.float32), "values"),
        ("output", RNG.normal(size=(40, 1)).astype(np.float32), "values"),
        ("output", RNG.integers(0, 5, (40, 7)), "values"),
        ("output", -np.sort(-confident(40, 10), axis=1)[:, :5], "values"),
        ("output", -np.sort(-RNG.dirichlet(np.ones(10), 40), axis=1).astype(np.float32), "values"),
        ("output", -np.sort(-RNG.normal(size=(40, 2)), axis=1), "classes"),
    ],
)
def test_outputs_tell_what_they_are(name: str, column: np.ndarray, kind: str) -> None:
    assert kind_of(name, column).kind == kind


def test_labels_that_fit_and_names_of_classes_are_proof_of_classes() -> None:
    scores = confident(40, 512)
    assert kind_of("output", scores, scores.argmax(axis=1)).kind == "classes"
    assert kind_of("output", scores, RNG.integers(0, 512, 40)).kind == "embedding"
    assert kind_of("output", scores, class_count=512).kind == "classes"


def test_outputs_that_hardly_differ_are_no_embedding_of_one_length() -> None:
    scores = (0.5 + 1e-4 * RNG.normal(size=(40, 5))).astype(np.float32)
    assert kind_of("output", scores).kind == "classes"
