"""Models that choose classes themselves: ArgMax and TopK in the graph, masks and flags beside scores."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from zeroskip.calibration.judging.answers import AnswerMetric
from zeroskip.calibration.judging.baseline import judge_baseline
from zeroskip.calibration.judging.kinds import kind_of
from zeroskip.calibration.judging.metric import Outputs, choose_metric, is_top1
from zeroskip.calibration.judging.statistics import drop_interval
from zeroskip.errors import CalibrationError

RNG = np.random.default_rng(0)
LABELS = np.arange(12) % 3
OTHERS = np.where(np.arange(12) < 3, 7, LABELS)
SCORES = RNG.normal(size=(40, 10)).astype(np.float32)
ORDER = np.argsort(-SCORES, axis=1)[:, :5]
RANKED = Outputs({"values": np.take_along_axis(SCORES, ORDER, axis=1), "indices": ORDER})
PLACES: Any = {"values": "values", "indices": "places"}


@pytest.mark.parametrize(
    ("wanted", "targets", "name", "expected"),
    [
        ("auto", None, "agreement", 0.75),
        ("auto", np.where(np.arange(12) < 6, LABELS, 5), "top1", 0.25),
        ("top1", LABELS, "top1", 0.75),
        ("agreement", None, "agreement", 0.75),
        ("fidelity", None, "fidelity", 0.75),
    ],
)
@pytest.mark.parametrize("shape", [(12,), (12, 1)])
def test_labels_that_a_model_chooses_itself_are_compared(
    wanted: str, targets: Any, name: str, expected: float, shape: tuple[int, ...]
) -> None:
    """Between the numbers of classes there is no distance; always saying the commonest is right on 4 of 12."""
    dense, now = LABELS.reshape(shape), OTHERS.reshape(shape)
    judge = choose_metric(wanted, dense, targets)
    assert judge.name == name
    assert judge.value(dense, now, targets) == pytest.approx(expected)
    assert judge.information_loss(dense, now) == pytest.approx(3 / 8)
    assert judge.agreement(dense, now) == (None if name == "fidelity" and shape == (12, 2) else 0.75)


def test_a_model_that_always_says_the_commonest_label_has_lost_everything() -> None:
    labels = np.where(np.arange(100) < 90, 4, 2)
    blind = np.full_like(labels, 4)
    judge = choose_metric("auto", labels, None)
    assert judge.value(labels, blind, None) == 0.9
    assert judge.information_loss(labels, blind) == 1.0
    texts = np.array(["cat", "dog"], object)[(labels == 2).astype(int)]
    judge = choose_metric("fidelity", texts, None)
    assert judge.information_loss(texts, np.full_like(texts, "cat")) == 1.0


def test_a_mask_whose_foreground_is_lost_has_lost_everything() -> None:
    """One pixel in a hundred: the share of equal pixels alone would not tell."""
    masks = np.zeros((8, 20, 20), np.int64)
    masks[:, 3:5, 3:5] = 1
    judge = choose_metric("auto", masks, None)
    assert judge.value(masks, np.zeros_like(masks), None) == pytest.approx(0.99)
    assert judge.information_loss(masks, np.zeros_like(masks)) == 1.0
    assert judge.information_loss(masks, masks) == 0.0


@pytest.mark.parametrize("dtype", [np.int64, np.int32, bool])
def test_labels_beside_scores_count(dtype: Any) -> None:
    """Whatever is bounded, masks, flags and indices beside it may not change unseen."""
    beside = (RNG.random((40, 6, 6)) < 0.3).astype(dtype)
    outputs = Outputs({"scores": SCORES, "mask": beside})
    judge = choose_metric("auto", outputs, None)
    assert (judge.name, judge.output, list(judge.guards)) == ("agreement", "scores", ["scores", "mask"])
    spoilt = Outputs({"scores": SCORES, "mask": np.zeros_like(beside)})
    assert judge.losses_by_output(outputs, spoilt) == pytest.approx({"scores": 0.0, "mask": 1.0})
    assert judge.information_loss(outputs, spoilt) == pytest.approx(1.0)


def test_texts_and_bytes_beside_scores_count() -> None:
    names = np.array([f"class {place}" for place in SCORES.argmax(axis=1)], object)
    amounts = RNG.integers(0, 255, (40, 3)).astype(np.uint8)
    outputs = Outputs({"scores": SCORES, "name": names, "amounts": amounts})
    judge = choose_metric("auto", outputs, SCORES.argmax(axis=1))
    assert (judge.output, set(judge.guards)) == ("scores", {"scores", "name", "amounts"})
    lost = judge.losses_by_output(outputs, Outputs({**outputs, "name": np.roll(names, 1), "amounts": amounts + 1}))
    assert lost["name"] > 0.5
    assert 0.0 < lost["amounts"] < 0.01
    alone = Outputs({"name": names})
    assert choose_metric("auto", alone, None).name == "agreement"
    with pytest.raises(CalibrationError, match="answers by texts"):
        choose_metric("top1", alone, SCORES.argmax(axis=1))


@pytest.mark.parametrize(
    ("name", "column", "origin", "kind"),
    [
        ("output", ORDER, "places", "answers"),
        ("indices", ORDER, None, "answers"),
        ("output", ORDER, None, "values"),
        ("indices", ORDER % 3, None, "values"),
        ("indices", ORDER - 5, None, "values"),
        ("classes", ORDER[:, :1], None, "answers"),
        ("num_dets", ORDER[:, :1], None, "values"),
        ("num_dets", ORDER[:, :1].astype(np.int32), "places", "answers"),
        ("number", ORDER[:, 0], None, "answers"),
        ("flag", ORDER[:, 0] > 4, None, "answers"),
        ("flags", ORDER > 4, None, "values"),
        ("mask", RNG.integers(0, 2, (40, 5, 5)), "places", "values"),
        ("output", ORDER.astype(np.uint8), None, "values"),
        ("output", -np.sort(-SCORES, axis=1)[:, :2], "values", "values"),
    ],
)
def test_outputs_tell_whether_they_are_answers(name: str, column: Any, origin: Any, kind: str) -> None:
    assert kind_of(name, column, origin=origin).kind == kind


@pytest.mark.parametrize(("wanted", "name"), [("auto", "top1"), ("top1", "top1"), ("top3", "top3")])
def test_ranked_indices_are_judged_by_their_labels(wanted: str, name: str) -> None:
    """As from the scores that they were made of; the values beside them are sorted and say nothing."""
    labels = np.where(np.arange(40) < 30, SCORES.argmax(axis=1), ORDER[:, 2])
    judge = choose_metric(wanted, RANKED, labels, origins=PLACES)
    assert (judge.name, judge.output) == (name, "indices")
    from_scores = choose_metric(name, SCORES, labels)
    assert judge.value(RANKED, RANKED, labels) == from_scores.value(SCORES, SCORES, labels)
    noisy = SCORES + RNG.normal(size=SCORES.shape).astype(np.float32)
    order = np.argsort(-noisy, axis=1)[:, :5]
    now = Outputs({"values": np.take_along_axis(noisy, order, axis=1), "indices": order})
    assert judge.value(RANKED, now, labels) == from_scores.value(SCORES, noisy, labels) < 1.0
    losses, expected = judge.losses(RANKED, now, labels), from_scores.losses(SCORES, noisy, labels)
    assert losses is not None
    assert expected is not None
    np.testing.assert_array_equal(losses.counted, expected.counted)
    assert losses.kind == expected.kind
    assert drop_interval(judge, RANKED, now, labels) == drop_interval(from_scores, SCORES, noisy, labels)
    assert set(judge.guards) == {"values", "indices"}


def test_ranked_indices_without_labels_are_judged_by_the_first() -> None:
    judge = choose_metric("auto", RANKED, None, origins=PLACES)
    assert (judge.name, judge.output) == ("agreement", "indices")
    assert judge.guards["indices"].information_loss(RANKED, RANKED) == 0.0
    turned = Outputs({**RANKED, "indices": ORDER[:, ::-1]})
    assert judge.value(RANKED, turned, None) == 0.0
    assert judge.losses_by_output(RANKED, turned)["indices"] > 0.5
    late = ORDER.copy()
    late[:, [3, 4]] = late[:, [4, 3]]
    assert judge.value(RANKED, Outputs({**RANKED, "indices": late}), None) == 1.0
    assert judge.losses_by_output(RANKED, Outputs({**RANKED, "indices": late}))["indices"] < 0.1


def test_ranked_values_alone_are_not_judged_by_which_is_the_largest() -> None:
    judge = choose_metric("auto", Outputs({"values": RANKED["values"]}), SCORES.argmax(axis=1))
    assert judge.metric.name == "fidelity"
    assert "is sorted" in judge.notes[0]


@pytest.mark.parametrize(
    ("wanted", "labels", "words"),
    [
        ("top1", None, "needs labels"),
        ("top9", SCORES.argmax(axis=1), "needs 9 answers to every input, the model gives 5"),
        ("top1", np.arange(12), r"one class index for each of 40 inputs.*shape \[12\]"),
        ("top1", SCORES.argmax(axis=1) + 0.5, "float"),
        ("top1", np.full(40, 99), "right on none of 40 inputs"),
        ("auto", np.full(40, 99), "right on none of 40 inputs"),
    ],
)
def test_labels_that_do_not_fit_answers_are_refused(wanted: str, labels: Any, words: str) -> None:
    with pytest.raises(CalibrationError, match=words):
        choose_metric(wanted, RANKED, labels, origins=PLACES)


def test_answers_that_only_guess_are_found_out() -> None:
    labels = RNG.integers(0, 10, 200)
    for column in (labels + 1, np.stack([labels + 1, labels], axis=1)):
        assert is_top1("auto", Outputs({"top": column}), labels, origins={"top": "places"}) == "top"
        baseline = judge_baseline(column, labels)
        assert baseline.problem is not None
        assert "label + 1" in baseline.message
    assert judge_baseline(labels, labels).problem is None
    assert AnswerMetric("top1").value(labels, labels, labels) == 1.0


@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.uint8])
def test_fewer_values_than_before_are_lost(dtype: Any) -> None:
    """Boxes that are kept: five of each input before, four of each now."""
    before = RNG.integers(0, 90, (6, 5)).astype(dtype)
    judge = choose_metric("fidelity", Outputs({"kept": before}), None)
    assert judge.value(Outputs({"kept": before}), Outputs({"kept": before[:, :4]}), None) == pytest.approx(0.0)
