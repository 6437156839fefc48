"""Kinds of outputs: class scores, whose largest value means something, or an embedding, whose largest means nothing;
or answers, class indices that the model has chosen itself.

An output ``[N, C]`` tells by itself: probabilities are classes, rows of one length are an embedding. So does its name,
a list of class names in the model, labels that fit, and a width that is a multiple of 64. Else the largest value of
class scores stands out of its row, and that of an embedding is about what the largest of C random numbers would be.
Integers are answers where the graph shows them to be places of largest values, or by their names and values.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ...metrics import is_probability, predictions
from ...onnx.chosen_outputs import Chosen
from .baseline import binomial_tail
from .fidelity import are_labels

Kind = Literal["classes", "answers", "embedding", "values"]

FEW_CLASSES = 32
"""Outputs of fewer values are hardly ever embeddings."""
_EMBEDDING_WIDTH = 64
_SAME_LENGTH = 1e-3
_CONSTANT_INPUTS, _CONSTANT = 8, 0.9
_SORTED_INPUTS, _SORTED_WIDTH = 4, 3
_SURE = 1e-6
_CLASS_NAMES = re.compile(r"logit|prob|softmax|class|score|pred", re.IGNORECASE)
_ANSWER_NAMES = re.compile(r"class|label|pred|ind(ex|ices)|idx|ids?$|top_?k?|rank", re.IGNORECASE)
_COUNT_NAMES = re.compile(r"(^|[^a-z])(num|n|count|len|lengths?|sizes?|total|valid)([^a-z]|$)", re.IGNORECASE)
_EMBEDDING_NAMES = re.compile(r"embed|feat|descriptor|represent|vector|landmark|keypoint|norm", re.IGNORECASE)


@dataclass(frozen=True)
class OutputKind:
    """What an output is, and what says so.

    Args:
        kind: The kind.
        reason: In words.
        is_ranked: Whether its rows are sorted, so that the first value is the largest for every input.
    """

    kind: Kind
    reason: str
    is_ranked: bool = False


def kind_of(
    name: str,
    column: Any,
    labels: NDArray[np.int64] | None = None,
    class_count: int | None = None,
    origin: Chosen | None = None,
) -> OutputKind:
    """Return what an output of the model is.

    Args:
        name: Its name.
        column: Its values for N inputs.
        labels: Class indices of the inputs, if there are any that may be this output's.
        class_count: How many class names the model states.
        origin: What it is to the TopK, ArgMax or ArgMin that makes it, if one does.
    """
    if are_labels(column) and _are_answers(name, column, origin):
        return OutputKind("answers", "it is what the model chose")
    is_array = isinstance(column, np.ndarray) and column.dtype.kind == "f"
    if is_array and origin == "values":
        return OutputKind("values", "its rows are sorted, so its largest value says nothing", is_ranked=True)
    if not is_array or sum(side != 1 for side in column.shape[1:]) != 1:
        return OutputKind("values", "it is no row of numbers for each input")
    rows = column.reshape(len(column), -1).astype(np.float64)
    width = rows.shape[1]
    if not np.isfinite(rows).all():
        return OutputKind("classes", "it is not finite")
    if _are_sorted(rows):
        return OutputKind("values", "its rows are sorted, so its largest value says nothing", is_ranked=True)
    if is_probability(rows):
        return OutputKind("classes", "its rows are probabilities")
    if class_count == width:
        return OutputKind("classes", "the model names as many classes")
    lengths, spread = np.linalg.norm(rows, axis=1), np.linalg.norm(rows - rows.mean(axis=0), axis=1).max()
    if len(rows) > 1 and width > 2 and np.ptp(lengths) <= min(_SAME_LENGTH * spread, _SAME_LENGTH * lengths.max()):
        return OutputKind("embedding", "its rows have one length")
    return _by_names_and_values(name, rows, labels)


def _are_answers(name: str, column: Any, origin: Chosen | None) -> bool:
    """Tell whether labels are one choice for each input, or several, best first: none of these comes twice."""
    if sum(side != 1 for side in column.shape[1:]) > 1:
        return False
    if origin == "places":
        return True
    rows = column.reshape(len(column), -1)
    if rows.shape[1] == 1:
        return not _COUNT_NAMES.search(name)
    if rows.dtype.kind not in "iu" or rows.shape[1] == 0 or not _ANSWER_NAMES.search(name) or rows.min() < 0:
        return False
    return bool((np.diff(np.sort(rows, axis=1), axis=1) > 0).all())


def _are_sorted(rows: NDArray[np.float64]) -> bool:
    """Tell whether all rows fall, as those of TopK do; a few of two or three values may by chance."""
    if len(rows) < _SORTED_INPUTS or rows.shape[1] < _SORTED_WIDTH:
        return False
    return bool((np.diff(rows, axis=1) <= 0.0).all()) and bool((rows[:, 0] > rows[:, -1]).any())


def _by_names_and_values(name: str, rows: NDArray[np.float64], labels: NDArray[np.int64] | None) -> OutputKind:
    width = rows.shape[1]
    if _EMBEDDING_NAMES.search(name) and not _CLASS_NAMES.search(name):
        return OutputKind("embedding", f"it is called '{name}'")
    if width < FEW_CLASSES or (_CLASS_NAMES.search(name) and not _EMBEDDING_NAMES.search(name)):
        return OutputKind("classes", "it is a row of scores")
    found = predictions(rows)
    if labels is not None and binomial_tail(int((found == labels).sum()), len(labels), 1.0 / width) < _SURE:
        return OutputKind("classes", "its largest values are the labels")
    if width % _EMBEDDING_WIDTH == 0:
        return OutputKind("embedding", f"it has {width} values, as embeddings have and hardly any list of classes")
    counts = np.unique(found, return_counts=True)[1]
    if len(rows) >= _CONSTANT_INPUTS and counts.max() >= _CONSTANT * len(rows):
        return OutputKind("embedding", "its largest value is at the same place for nearly all inputs")
    spread = np.maximum(rows.std(axis=1), np.finfo(np.float64).tiny)
    stands_out = float(np.median((rows.max(axis=1) - rows.mean(axis=1)) / spread))
    if stands_out <= np.sqrt(2.0 * np.log(width)):
        return OutputKind("embedding", f"none of its {width} values stands out")
    return OutputKind("classes", "its largest value stands out")
