"""A model that only guesses by its labels is refused, and the mistake behind it is named."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pytest

from tiny_network import CLASSES, tiny_data, tiny_network
from zeroskip import CalibrationError, InferenceSession
from zeroskip.calibration import calibrate
from zeroskip.calibration.judging.baseline import Baseline, binomial_tail, judge_baseline
from zeroskip.data import Dataset, Preprocess, arrays, images

RANDOM = np.random.default_rng(0)


def outputs_of(truth: np.ndarray, classes: int, accuracy: float) -> np.ndarray:
    """Return outputs of a model that is right on this share of the inputs."""
    random = np.random.default_rng(1)
    guesses = random.integers(0, classes, len(truth))
    answers = np.where(random.random(len(truth)) < accuracy, truth, guesses)
    return np.eye(classes, dtype=np.float32)[answers]


def judged(truth: np.ndarray, labels: np.ndarray, classes: int, accuracy: float = 0.7) -> Baseline:
    return judge_baseline(outputs_of(truth, classes, accuracy), labels.astype(np.int64))


@pytest.mark.parametrize(("successes", "trials", "p"), [(3, 5, 0.5), (1, 250, 0.001), (10, 10, 0.3), (0, 4, 0.2)])
def test_binomial_tail_is_the_sum_of_its_terms(successes: int, trials: int, p: float) -> None:
    exact = sum(math.comb(trials, k) * p**k * (1 - p) ** (trials - k) for k in range(successes, trials + 1))
    assert binomial_tail(successes, trials, p) == pytest.approx(exact)
    assert 0.0 <= binomial_tail(30_000, 60_000, 0.5) <= 1.0


@pytest.mark.parametrize(("classes", "count"), [(2, 40), (2, 4), (10, 30), (1000, 12), (1000, 500)])
def test_a_good_model_passes(classes: int, count: int) -> None:
    truth = RANDOM.integers(0, classes, count)
    baseline = judged(truth, truth, classes, accuracy=1.0)
    assert (baseline.problem, baseline.hint) == (None, None)
    assert baseline.accuracy == 1.0


def test_a_mediocre_model_passes() -> None:
    truth = RANDOM.integers(0, 1000, 500)
    assert judged(truth, truth, 1000, accuracy=0.08).problem is None


@pytest.mark.parametrize("count", [24, 500, 5000])
@pytest.mark.parametrize(("shift", "words"), [(1, "label - 1"), (-1, "label + 1")])
def test_shifted_labels_are_named(count: int, shift: int, words: str) -> None:
    truth = RANDOM.integers(1, 999, count)
    baseline = judged(truth, truth + shift, 1000)
    assert baseline.problem is not None
    assert words in (baseline.hint or "")


def test_neighbouring_classes_alike_hide_no_shift() -> None:
    """With thousands of inputs a shifted ImageNet is significantly better than guessing, and still wrong."""
    truth = RANDOM.integers(0, 999, 5000)
    outputs = outputs_of(truth, 1000, 0.6)
    confused = RANDOM.random(5000) < 0.03
    outputs[confused] = np.eye(1000, dtype=np.float32)[truth[confused] + 1]
    baseline = judge_baseline(outputs, truth + 1)
    assert baseline.p_value < 1e-6
    assert "something else fits far better" in (baseline.problem or "")
    assert "label - 1" in (baseline.hint or "")


def test_labels_from_one_beyond_the_classes_are_named() -> None:
    truth = np.arange(10).repeat(5)
    with pytest.raises(
        CalibrationError, match=r"labels span 1\.\.10, but the model has 10 classes.*label - 1.*100\.0%"
    ):
        judged(truth, truth + 1, 10, accuracy=1.0)
    with pytest.raises(CalibrationError, match=r"labels span 0\.\.99.*belong to another model"):
        judged(truth, np.arange(50) * 99 // 49, 10)


def test_exchanged_classes_of_a_binary_model_are_named() -> None:
    truth = RANDOM.integers(0, 2, 60)
    baseline = judged(truth, 1 - truth, 2, accuracy=0.9)
    assert "0 and 1 exchanged" in (baseline.hint or "")


def test_permuted_classes_are_named() -> None:
    """Folders 0, 1, 10, 11, 2, ... sorted as text where the model counts, or the other way round."""
    truth = np.arange(12).repeat(10)
    as_text = np.argsort(sorted(range(12), key=str))
    baseline = judged(truth, as_text[truth], 12)
    assert "permuted" in (baseline.hint or "")
    given = judge_baseline(outputs_of(truth, 12, 0.7), as_text[truth], [("by number:", truth)])
    assert (given.hint or "").startswith("by number: the model is right on ")


def test_one_class_for_everything_is_refused() -> None:
    truth = RANDOM.integers(0, 1000, 100)
    baseline = judged(truth, np.zeros(100), 1000)
    assert "no better than guessing among 1000 classes" in baseline.message
    assert "likely causes" in baseline.message.lower()
    assert "--accept-baseline" in baseline.message


def test_one_answer_to_everything_is_refused_but_not_where_one_label_is_nearly_all() -> None:
    outputs = np.tile(np.array([[3.0, 0.0]], np.float32), (100, 1))
    assert "answers class 0 to everything" in (judge_baseline(outputs, np.arange(100) % 4 // 3).problem or "")
    assert judge_baseline(outputs, (np.arange(100) > 97).astype(np.int64)).problem is None


def test_alternatives_are_tried_only_where_something_is_wrong() -> None:
    truth = RANDOM.integers(0, 100, 40)
    tried = []

    def compare() -> tuple[np.ndarray, np.ndarray]:
        tried.append(1)
        return np.zeros(40, bool), np.ones(40, bool)

    assert judge_baseline(outputs_of(truth, 100, 0.9), truth, (), [("x", compare)]).problem is None
    assert not tried
    found = judge_baseline(outputs_of(truth, 100, 0.0), truth, (), [("preprocessing 'x'", compare)])
    assert "with preprocessing 'x' the model is right on 100.0%" in (found.hint or "")


def labelled(count: int = 64) -> tuple[np.ndarray, list[int]]:
    """Return what the tiny network answers to 0..255 pixels, where it answers more than one class."""
    data = tiny_data(count)
    (logits,) = InferenceSession(tiny_network()).run(None, {"image": data.array()})
    return logits, logits.argmax(axis=1).tolist()


def test_calibrate_refuses_shifted_labels_and_goes_on_if_told() -> None:
    _, labels = labelled(32)
    wrong = tiny_data(32, [(label + 1) % CLASSES for label in labels])
    with pytest.raises(CalibrationError, match="label - 1"):
        calibrate(tiny_network(), wrong, threads=1, measure_seconds=0.0)
    right = calibrate(tiny_network(), tiny_data(32, labels), 0.1, threads=1, measure_seconds=0.0)
    assert right.baseline is not None
    assert right.baseline.correct == 32
    assert right.holdout.agreement is not None


def test_agreement_needs_no_sane_labels() -> None:
    _, labels = labelled(32)
    wrong = tiny_data(32, [(label + 1) % CLASSES for label in labels])
    assert calibrate(tiny_network(), wrong, metric="agreement", threads=1, measure_seconds=0.0).baseline is None


def photographs(folder: Path, preset: str, shift: int = 0) -> Dataset:
    with open(folder / "labels.csv", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))[::7]
    labels = [int(row["class_index"]) + shift for row in rows]
    return images([folder / row["file"] for row in rows], Preprocess.preset(preset, crop=227), labels=labels)


@pytest.mark.parametrize(
    ("preset", "shift", "hint"),
    [
        ("caffe-bgr", 1, "shifted by one: with label - 1 the model is right on [67]"),
        ("imagenet", 0, "with preprocessing 'caffe-bgr' the model is right on"),
        ("unit", 0, "with preprocessing 'caffe-bgr' the model is right on"),
    ],
)
def test_a_trained_network_with_a_mistake_is_refused(
    squeezenet: Path, imagenet_calib: Path, preset: str, shift: int, hint: str
) -> None:
    """Such a run once ended with "drop 0.00 %" and a ruined model."""
    with pytest.raises(CalibrationError, match=hint):
        calibrate(squeezenet, photographs(imagenet_calib, preset, shift), 0.01, threads=1)


def test_values_of_an_array_in_the_wrong_range_are_named(squeezenet: Path, imagenet_calib: Path) -> None:
    data = photographs(imagenet_calib, "caffe-bgr")
    with pytest.raises(CalibrationError, match=r"values times 255 \(0\.\.255 instead of 0\.\.1\)"):
        calibrate(squeezenet, arrays(data.array() / 255.0, data.labels), 0.01, threads=1)
