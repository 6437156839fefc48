"""Metrics of other tasks that are means over inputs: labels, embeddings, numbers, sequences."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...errors import CalibrationError, ShapeError
from ...metrics import cosines, decode_ctc, edits, nearest_kept, partner_hits, verification_rates
from .fidelity import FidelityMetric, columns_of
from .losses import Losses, LossKind
from .protocol import Labels, pick

Weighted: TypeAlias = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Of N inputs: value times weight, and weight. Inputs of weight 0 count for nothing."""
Scorer = Callable[[Any, Any, Labels, str], Weighted]
"""Of the dense model's outputs, those to judge, targets, and the name of the output."""


@dataclass(frozen=True)
class MeanMetric:
    """A mean over inputs, or a ratio of two sums over them.

    Args:
        name: What it is called.
        scorer: Returns what each input contributes.
        kind: What one contributes: right answers, changes, or any amounts.
        needs: What targets it needs, in words; empty where it needs none.
        output: Name of the output that is judged; the only one by default.
    """

    name: str
    scorer: Scorer
    kind: LossKind
    needs: str = ""
    output: str = ""

    def value(self, reference: Any, outputs: Any, labels: Labels) -> float:
        """See :class:`Metric`.

        Raises:
            CalibrationError: If the targets do not fit the outputs.
        """
        values, weights = self._scored(reference, outputs, labels)
        return float(values.sum() / max(float(weights.sum()), 1e-12))

    def likely_drop(self, reference: Any, outputs: Any, counted: float) -> float | None:
        """See :class:`Metric`."""
        return None

    def losses(self, reference: Any, outputs: Any, labels: Labels) -> Losses:
        """See :class:`Metric`; inputs that count for nothing are left out."""
        before, weights = self._scored(reference, reference, labels)
        after, _ = self._scored(reference, outputs, labels)
        counts = weights > 0.0
        counted = (before - after)[counts]
        changed = counted != 0.0 if self.kind != "amounts" else _changed(reference, outputs, self.output)[counts]
        scale = weights[counts].astype(np.float32)
        return Losses(self.kind, counted.astype(np.float32), changed, None, scale)

    def information_loss(self, reference: Any, outputs: Any) -> float:
        """See :class:`Metric`."""
        return FidelityMetric(output=self.output).information_loss(reference, outputs)

    def _scored(self, reference: Any, outputs: Any, labels: Labels) -> Weighted:
        if self.needs and labels is None:
            raise CalibrationError(f"metric '{self.name}' needs {self.needs}, and the data have none")
        try:
            return self.scorer(reference, outputs, labels, self.output)
        except ShapeError as error:
            raise CalibrationError(f"metric '{self.name}': {error}") from error


def _changed(reference: Any, outputs: Any, name: str) -> NDArray[np.bool_]:
    first, second = columns_of(reference, name), columns_of(outputs, name)
    return np.array([not np.array_equal(*pair) for pair in zip(first, second, strict=True)])


def _weighted(values: Any) -> Weighted:
    found = np.asarray(values, np.float64)
    return found, np.ones(len(found))


def _decisions(rows: NDArray[Any], boundary: float) -> NDArray[np.bool_]:
    return np.asarray(rows > boundary)


def _boundary(reference: Any) -> float:
    """Return where "yes" begins: 0.5 where the dense model's outputs are all shares, else 0, for logits."""
    return 0.5 if reference.min() >= 0.0 and reference.max() <= 1.0 else 0.0


def _flat(outputs: Any, name: str) -> NDArray[Any]:
    rows = pick(outputs, name)
    return rows.reshape(len(rows), -1)


def _truth(labels: Any, shape: tuple[int, ...]) -> NDArray[Any]:
    try:
        truth = np.asarray(labels)
        truth = truth.reshape(len(truth), -1)
    except (ValueError, TypeError) as error:
        raise ShapeError(f"targets of {_shape_of(labels)} for outputs of shape {list(shape)}") from error
    if truth.shape != shape or truth.dtype.kind not in "fiub":
        raise ShapeError(f"targets of {_shape_of(labels)} for outputs of shape {list(shape)}: expected the same")
    if truth.dtype.kind == "f" and not np.isfinite(truth).all():
        raise ShapeError("the targets hold NaN or infinities")
    return truth


def _shape_of(labels: Any) -> str:
    return f"shape {list(labels.shape)}" if isinstance(labels, np.ndarray) else f"kind {type(labels).__name__}"


def _yes_no(labels: Any, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    truth = _truth(labels, shape)
    if not np.isin(truth, (0, 1)).all():
        raise ShapeError("the targets hold other values than 0 and 1")
    return truth.astype(bool)


def binary_hits(reference: Any, outputs: Any, labels: Labels, name: str) -> Weighted:
    """Return whether each decision yes or no is right; without targets whether it is the original's."""
    dense, rows = _flat(reference, name), _flat(outputs, name)
    if rows.shape[1] != 1:
        raise ShapeError(f"outputs have shape {list(rows.shape)}, expected one number for each input")
    boundary = _boundary(dense)
    truth = _decisions(dense, boundary) if labels is None else _yes_no(labels, rows.shape)
    hits = (_decisions(rows, boundary) == truth) & np.isfinite(rows)
    return _weighted(hits[:, 0])


def multilabel_scores(reference: Any, outputs: Any, labels: Labels, name: str) -> Weighted:
    """Return each input's F1 over its labels; 1 where none is there and none is said."""
    dense, rows = _flat(reference, name), _flat(outputs, name)
    boundary = _boundary(dense)
    truth = _decisions(dense, boundary) if labels is None else _yes_no(labels, rows.shape)
    said = _decisions(rows, boundary)
    both, total = (said & truth).sum(axis=1), said.sum(axis=1) + truth.sum(axis=1)
    return _weighted(np.where(total > 0, 2.0 * both / np.maximum(total, 1), 1.0))


def cosine_scores(reference: Any, outputs: Any, labels: Labels, name: str) -> Weighted:
    """Return the cosine of each embedding with the original's."""
    return _weighted(cosines(pick(reference, name), pick(outputs, name)))


def neighbour_hits(reference: Any, outputs: Any, labels: Labels, name: str) -> Weighted:
    """Return whether each input's nearest neighbour among the inputs is the same as in the original."""
    return _weighted(nearest_kept(pick(reference, name), pick(outputs, name)))


def recall_hits(reference: Any, outputs: Any, labels: Labels, name: str) -> Weighted:
    """Return whether each input's nearest neighbour has the same identity; those without a partner do not count."""
    hits, has_partner = partner_hits(pick(outputs, name), labels)
    if not has_partner.any():
        raise ShapeError("no two inputs have the same identity: nothing can be found")
    return (hits & has_partner).astype(np.float64), has_partner.astype(np.float64)


def verification_scores(reference: Any, outputs: Any, labels: Labels, name: str) -> Weighted:
    """Return the share of right decisions of each input, at the threshold that is best for the original."""
    _, threshold = verification_rates(pick(reference, name), labels)
    rates, _ = verification_rates(pick(outputs, name), labels, threshold)
    known = np.isfinite(rates)
    if not known.any():
        raise ShapeError("no input has a partner of the same identity and a stranger: nothing can be verified")
    return np.where(known, rates, 0.0), known.astype(np.float64)


def absolute_errors(reference: Any, outputs: Any, labels: Labels, name: str) -> Weighted:
    """Return the negative of each input's mean absolute error."""
    rows = _flat(outputs, name)
    return _weighted(-np.abs(rows.astype(np.float64) - _truth(labels, rows.shape)).mean(axis=1))


@dataclass(frozen=True)
class SequenceAccuracy:
    """Makes the metric of recognisers with CTC outputs: one minus the error rate of what is read.

    Edits over all inputs are divided by the lengths of the targets together. Without targets what the original reads
    takes their place.

    Args:
        blank: Class of the blank; negative counts from the end.
        alphabet: Characters of the classes in order, blank left out, where targets are texts; else they are sequences
            of classes.
        output: Name of the output; the only one by default.
    """

    blank: int = 0
    alphabet: str | None = None
    output: str = ""

    def __post_init__(self) -> None:
        """Refuse what says nothing; raises CalibrationError."""
        if not isinstance(self.blank, int | np.integer) or isinstance(self.blank, bool):
            raise CalibrationError(f"blank is {self.blank!r}, expected the number of a class")
        letters = [] if self.alphabet is None else list(self.alphabet)
        if twice := sorted({letter for letter in letters if letters.count(letter) > 1}):
            raise CalibrationError(f"the alphabet has {twice} more than once: which class is it?")

    @property
    def metric(self) -> MeanMetric:
        """The metric."""
        return MeanMetric("sequence", self._score, "amounts", output=self.output)

    def _score(self, reference: Any, outputs: Any, labels: Labels, name: str) -> Weighted:
        said = [decode_ctc(row, self.blank) for row in columns_of(outputs, name)]
        if labels is None:
            truth = [decode_ctc(row, self.blank) for row in columns_of(reference, name)]
        else:
            truth = [self._classes(target) for target in labels]
        if len(truth) != len(said):
            raise ShapeError(f"{len(truth)} targets for {len(said)} inputs")
        lengths = np.array([max(1, len(item)) for item in truth], np.float64)
        wrong = np.array([edits(*pair) for pair in zip(said, truth, strict=True)], np.float64)
        return lengths - wrong, lengths

    def _classes(self, target: Any) -> list[int]:
        if isinstance(target, str):
            if self.alphabet is None:
                raise ShapeError("targets are texts: say which characters the classes are by alphabet=")
            blank_first = self.blank == 0
            if unknown := sorted(set(target) - set(self.alphabet)):
                raise ShapeError(f"targets hold the characters {unknown}, which the alphabet has not")
            return [self.alphabet.index(item) + blank_first for item in target]
        values = np.asarray(target).reshape(-1)
        if values.size == 0:
            return []
        if values.dtype.kind not in "iu":
            raise ShapeError(f"a target of {values.dtype}, expected a text or a sequence of classes")
        return [int(item) for item in values if item >= 0]  # shorter ones are filled up with -1


TASKS: dict[str, MeanMetric] = {
    "binary": MeanMetric("binary", binary_hits, "answers"),
    "multilabel": MeanMetric("multilabel", multilabel_scores, "amounts"),
    "cosine": MeanMetric("cosine", cosine_scores, "amounts"),
    "neighbours": MeanMetric("neighbours", neighbour_hits, "changes"),
    "recall1": MeanMetric("recall1", recall_hits, "answers", "identities: an integer for each input"),
    "verification": MeanMetric("verification", verification_scores, "amounts", "identities: an integer for each input"),
    "mae": MeanMetric("mae", absolute_errors, "amounts", "the right values as targets"),
    "sequence": SequenceAccuracy().metric,
}
"""Metrics by name."""

IDENTITY_METRICS = ("recall1", "verification")


def task_metric(name: str, output: str) -> MeanMetric:
    """Return a metric by its name, for one output."""
    return replace(TASKS[name], output=output)
