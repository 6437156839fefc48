"""Baseline: whether the model as it is answers anything right, before thresholds are judged by what they take from it.

A budget on top-1 promises nothing where labels or preprocessing are wrong: a model that guesses has nothing to lose.
So accuracy must stand out from guessing, by an exact binomial test against one in ``classes``, and no other reading of
the labels or pixels may fit far better. Where something is wrong, the usual mistakes are tried and what fits is named.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from ...data import Dataset
from ...data.neighbours import neighbours
from ...errors import CalibrationError

Outputs = NDArray[Any]
Truth = NDArray[np.int64]
Hits = NDArray[np.bool_]
Reading = tuple[str, Truth]
"""Words for another reading of the labels, and the class indices it gives."""
Alternative = tuple[str, Callable[[], tuple[Hits, Hits]]]
"""Words for another preprocessing, and what says where the model is right on the same inputs now and then."""
Better = Callable[[Hits, Hits], bool]

_GUESS_P = 0.01
"""Accuracy that guessing reaches with more than this probability is near chance."""
_NAMED_P = 1e-3
"""What is named as the cause is reached by guessing with less than this probability."""
_BETTER_P = 1e-3
"""Where the model does not guess, another reading is far better if luck explains it less often than this."""
_MORE, _FAR_MORE = 0.1, 0.2
"""Shares of the inputs that another reading must be right on beyond what the present one is."""
_FEWEST_HITS = 3
_CONSTANT_INPUTS = 8
_MAJORITY = 0.9
_PER_CLASS = 4
_COMPARED_INPUTS = 32
"""Inputs to try other preprocessings on."""
_NO_CLASS = -2

CAUSES = (
    "likely causes: class indices that start at 1 where the model's start at 0, classes in another order than the "
    "model's, or another preprocessing than it was trained with"
)


class Baseline(BaseModel):
    """How often the model as it is was right, and whether that is more than guessing.

    Attributes:
        samples: Inputs with labels.
        classes: Classes of the model.
        correct: Inputs it is right on.
        p_value: Probability that guessing one in ``classes`` is right as often or more.
        problem: What is wrong, in words; None where nothing is.
        hint: What fits clearly better, in words; None where nothing does.
    """

    model_config = ConfigDict(frozen=True)

    samples: int
    classes: int
    correct: int
    p_value: float
    problem: str | None = None
    hint: str | None = None

    @property
    def accuracy(self) -> float:
        """Share of inputs the model is right on."""
        return self.correct / self.samples

    @property
    def message(self) -> str:
        """What is wrong and what to do, for an error; what was found where nothing is wrong."""
        found = f"the unchanged model is right on {self.correct} of {self.samples} inputs ({self.accuracy:.1%})"
        if self.problem is None:
            return found
        cause = self.hint or CAUSES
        return (
            f"{found}: {self.problem}. {cause[0].upper()}{cause[1:]}. No drop of such an accuracy means anything: mend "
            "labels or preprocessing, give more inputs if they are few, use metric 'agreement', which needs no labels, "
            "or insist with accept_baseline=True (--accept-baseline)"
        )


def judge_baseline(
    outputs: Outputs, labels: Truth, readings: Iterable[Reading] = (), alternatives: Iterable[Alternative] = ()
) -> Baseline:
    """Return how good the model as it is is, and what is wrong if it is near chance.

    Args:
        outputs: float32 ``[N, classes]`` (further axes of length 1), of the model as it is; or integers ``[N, k]``, its
            answers, best first.
        labels: int64 ``[N]``, class indices.
        readings: Further readings of the labels to try, besides shifted, exchanged and permuted ones.
        alternatives: Other preprocessings to try where the model is not good and no reading of the labels fits.

    Raises:
        CalibrationError: If labels lie outside the classes of the model.
    """
    predictions = predicted(outputs)
    classes = _class_count(outputs, predictions, labels)
    readings = [*_shifted(labels, classes), *readings]
    _check_range(predictions, labels, classes, readings)
    hits = predictions == labels
    problem = _problem(hits, predictions, labels, classes)
    better = _is_clear if problem is not None else _is_far_better
    hint = _fitting_reading(hits, predictions, readings, partial(better, classes=classes))
    if hint is None and hits.mean() < (1.0 + 1.0 / classes) / 2.0:
        hint = _permutation(predictions, labels, classes)
        hint = hint or _fitting_alternative(alternatives, partial(better, classes=classes))
    if hint is not None and problem is None:
        problem = "something else fits far better"
    return Baseline(
        samples=len(labels),
        classes=classes,
        correct=int(hits.sum()),
        p_value=binomial_tail(int(hits.sum()), len(labels), 1.0 / classes),
        problem=problem,
        hint=hint,
    )


def judge_data(outputs: Outputs, parts: Sequence[Dataset], run: Callable[[Dataset], Outputs] | None = None) -> Baseline:
    """Return the same for data sets with labels.

    Args:
        outputs: Of the model as it is on all inputs of the parts.
        parts: At least one; what else the labels and pixels of the first might mean is tried.
        run: Returns the model's outputs on other inputs; without it no other preprocessing is tried.

    Raises:
        CalibrationError: If labels lie outside the classes of the model.
    """
    labels = np.concatenate([part.labels for part in parts if part.labels is not None])
    folders = parts[0].classes
    readings = () if folders is None else folders.readings(labels)
    alternatives = () if run is None else _preprocessings(parts[0].subset(_COMPARED_INPUTS), run)
    baseline = judge_baseline(outputs, labels, readings, alternatives)
    if baseline.problem is None or baseline.hint is not None or folders is None or folders.is_stated:
        return baseline
    if len(folders.index_of) == baseline.classes:
        return baseline
    hint = (
        f"the data have {len(folders.index_of)} class folders and the model {baseline.classes} classes, so "
        f"{folders.rule} says little: name the model's classes by classes=FILE (--classes)"
    )
    return baseline.model_copy(update={"hint": hint})


def _preprocessings(few: Dataset, run: Callable[[Dataset], Outputs]) -> Iterator[Alternative]:
    """Yield what compares other preprocessings with the present one."""
    now = predicted(run(few)) == few.labels
    for words, other in neighbours(few):
        yield words, lambda other=other: (now, predicted(run(other)) == other.labels)  # type: ignore[misc]


def _class_count(outputs: Outputs, predictions: Truth, labels: Truth) -> int:
    """Return how many classes there are; of answers as many as are seen."""
    if outputs.dtype.kind == "f":
        return outputs.reshape(len(outputs), -1).shape[1]
    return 1 + max(1, int(predictions.max()), int(labels.max()))


def predicted(outputs: Outputs) -> Truth:
    """Return the class with the largest output per input, and what is no class in any reading where there is NaN.

    Of answers it is the first.
    """
    rows = outputs.reshape(len(outputs), -1)
    if rows.dtype.kind != "f":
        return rows[:, 0].astype(np.int64)
    return np.where(np.isnan(rows).any(axis=1), _NO_CLASS, rows.argmax(axis=1)).astype(np.int64)


def binomial_tail(successes: int, trials: int, probability: float) -> float:
    """Return the exact probability of at least so many successes.

    Example:
        >>> round(binomial_tail(2, 3, 0.5), 4), binomial_tail(0, 3, 0.5)
        (0.5, 1.0)
    """
    if successes <= 0 or probability >= 1.0:
        return 1.0
    counts = np.arange(successes, trials + 1)
    logs = np.array([math.lgamma(trials + 1) - math.lgamma(k + 1) - math.lgamma(trials - k + 1) for k in counts])
    logs += counts * math.log(probability) + (trials - counts) * math.log1p(-probability)
    return min(1.0, float(np.exp(logs).sum()))


def _problem(hits: Hits, predictions: Truth, labels: Truth, classes: int) -> str | None:
    count, chance = len(hits), 1.0 / classes
    is_constant = count >= _CONSTANT_INPUTS and len(np.unique(predictions)) == 1
    if is_constant and np.unique(labels, return_counts=True)[1].max() < _MAJORITY * count:
        return f"it answers class {predictions[0]} to everything"
    is_likely_guess = binomial_tail(int(hits.sum()), count, chance) > _GUESS_P
    # On a handful of inputs even a perfect model cannot be told from guessing between two classes; it is believed.
    if is_likely_guess and hits.mean() < (1.0 + chance) / 2.0:
        return f"that is no better than guessing among {classes} classes ({chance:.2%})"
    return None


def _shifted(labels: Truth, classes: int) -> Iterator[Reading]:
    yield "labels look shifted by one: with label - 1", labels - 1
    yield "labels look shifted by one (has the model a background class in front?): with label + 1", labels + 1
    if classes == 2:
        yield "the two classes look exchanged: with 0 and 1 exchanged", 1 - labels


def _check_range(predictions: Truth, labels: Truth, classes: int, readings: Iterable[Reading]) -> None:
    low, high = int(labels.min()), int(labels.max())
    if low >= 0 and high < classes:
        return
    hint = _fitting_reading(predictions == labels, predictions, readings, partial(_is_clear, classes=classes))
    raise CalibrationError(
        f"labels span {low}..{high}, but the model has {classes} classes (0..{classes - 1}): "
        + (hint or "the labels belong to another model or start at 1")
    )


def _fitting_reading(hits: Hits, predictions: Truth, readings: Iterable[Reading], is_better: Better) -> str | None:
    """Return words for the reading of the labels that fits best, if one does so clearly."""
    tried = [(words, predictions == labels) for words, labels in readings]
    words, others = max(tried, key=lambda item: int(item[1].sum()))
    return f"{words} the model is right on {others.mean():.1%}" if is_better(hits, others) else None


def _fitting_alternative(alternatives: Iterable[Alternative], is_better: Better) -> str | None:
    """Return words for the preprocessing that fits best, if one does so clearly."""
    best, share, before = None, 0.0, 0.0
    for words, compare in alternatives:
        hits, others = compare()
        if others.mean() > share and is_better(hits, others):
            best, share, before = words, float(others.mean()), float(hits.mean())
    if best is None:
        return None
    found = f"the model is right on {share:.1%} of a few inputs, now on {before:.1%}"
    return f"the preprocessing looks wrong: with {best} {found}"


def _is_clear(hits: Hits, others: Hits, classes: int) -> bool:
    """Say whether the model does not guess by another reading, and is right clearly more often."""
    before, after = int(hits.sum()), int(others.sum())
    is_more = after >= max(_FEWEST_HITS, 1.5 * before) and after >= before + _MORE * len(others)
    return is_more and binomial_tail(after, len(others), 1.0 / classes) < _NAMED_P


def _is_far_better(hits: Hits, others: Hits, classes: int) -> bool:
    """Say the same where the model does not guess by the present reading either."""
    lost, won = int((hits & ~others).sum()), int((others & ~hits).sum())
    is_luck = binomial_tail(won, lost + won, 0.5) > _BETTER_P
    return not is_luck and won - lost > _FAR_MORE * len(hits) and _is_clear(hits, others, classes)


def _permutation(predictions: Truth, labels: Truth, classes: int) -> str | None:
    """Say whether labels are right under other names: what half of the inputs says of each must hold for the others."""
    known = np.unique(labels)
    if len(labels) < _PER_CLASS * len(known) or len(known) < 2:
        return None
    order = np.argsort(labels, kind="stable")
    first, second = order[::2], order[1::2]
    names = {label: int(np.bincount(predictions[first][labels[first] == label].clip(0)).argmax()) for label in known}
    if len(set(names.values())) < len(known):  # the same answer to several classes is no order of them
        return None
    renamed = np.array([names[label] for label in labels[second]])
    hits, others = predictions[second] == labels[second], predictions[second] == renamed
    if not _is_clear(hits, others, classes):
        return None
    example = next(label for label in known if names[label] != label)
    return (
        f"the classes look permuted: what the data call {example} the model calls {names[example]}, and with each "
        f"class renamed so it is right on {others.mean():.1%}"
    )
