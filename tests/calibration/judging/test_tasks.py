"""Metrics of other tasks against their definitions, and what is said of targets that do not fit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from zeroskip.calibration.judging.metric import Outputs, SequenceAccuracy, choose_metric
from zeroskip.calibration.judging.statistics import drop_interval
from zeroskip.errors import CalibrationError

RNG = np.random.default_rng(1)
COUNT = 60
EMBEDDINGS = RNG.normal(size=(COUNT, 64)).astype(np.float32)
MOVED = (EMBEDDINGS + 0.8 * RNG.normal(size=EMBEDDINGS.shape)).astype(np.float32)
PEOPLE = np.arange(COUNT) // 4
FACES = (np.eye(15, 64)[PEOPLE] * 4 + 0.5 * RNG.normal(size=(COUNT, 64))).astype(np.float32)
BLURRED = (FACES + 0.9 * RNG.normal(size=FACES.shape)).astype(np.float32)


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def nearest(rows: np.ndarray) -> np.ndarray:
    similar = unit(rows) @ unit(rows).T
    np.fill_diagonal(similar, -2.0)
    return similar.argmax(axis=1)


@pytest.mark.parametrize(
    ("name", "dense", "now", "targets", "expected"),
    [
        ("binary", [[2.0], [-1.0], [3.0]], [[1.0], [1.0], [-2.0]], np.array([1, 0, 1]), 1 / 3),
        ("binary", [0.9, 0.2, 0.6], [0.7, 0.6, 0.4], np.array([True, False, True]), 1 / 3),
        ("binary", [0.9, 0.2, 0.6], [0.7, 0.6, 0.4], None, 1 / 3),
        ("multilabel", [[3.0, -3.0, 1.0]], [[3.0, 3.0, -1.0]], np.array([[1, 0, 1]]), 0.5),
        ("mae", [[1.0, 2.0], [3.0, 4.0]], [[1.5, 2.0], [3.0, 6.0]], np.array([[1.0, 2.0], [3.0, 5.0]]), -0.375),
        ("top5", np.eye(7) * 9, np.eye(7)[::-1] * 9, np.arange(7), 5 / 7),
        ("cosine", EMBEDDINGS, MOVED, None, float((unit(EMBEDDINGS) * unit(MOVED)).sum(axis=1).mean())),
        ("neighbours", EMBEDDINGS, MOVED, None, float((nearest(EMBEDDINGS) == nearest(MOVED)).mean())),
        ("recall1", FACES, BLURRED, PEOPLE, float((PEOPLE[nearest(BLURRED)] == PEOPLE).mean())),
    ],
)
def test_values_are_those_of_the_definition(name: str, dense: Any, now: Any, targets: Any, expected: float) -> None:
    first, second = (np.asarray(side, np.float32) for side in (dense, now))
    judge = choose_metric(name, first, targets)
    assert judge.value(first, second, targets) == pytest.approx(expected, abs=1e-6)
    losses = judge.losses(first, second, targets)
    assert losses is not None
    drop = judge.value(first, first, targets) - judge.value(first, second, targets)
    assert losses.counted.sum() / losses.scale.sum() == pytest.approx(drop, abs=1e-5)


def test_pixels_of_other_classes_are_counted() -> None:
    maps = RNG.integers(0, 21, (6, 4, 5))
    other = maps.copy()
    other[:, 0] = 30
    judge = choose_metric("auto", maps, None)
    assert (judge.name, judge.value(maps, other, None)) == ("fidelity", pytest.approx(0.75))
    ragged = Outputs({"y": [maps[0], maps[1][:, :2]]})
    changed = Outputs({"y": [other[0], maps[1][:, :2]]})
    assert choose_metric("auto", ragged, None).value(ragged, changed, None) == pytest.approx(1 - 5 / 28)


def test_amounts_in_bytes_have_distances() -> None:
    rows = np.array([[0, 200], [100, 0]], np.uint8)
    assert choose_metric("fidelity", rows, None).value(rows, rows + np.uint8(1), None) > 0.99


def test_verification_keeps_the_threshold_of_the_original() -> None:
    judge = choose_metric("verification", FACES, PEOPLE)
    assert judge.value(FACES, FACES, PEOPLE) > 0.97
    blurred = judge.value(FACES, BLURRED, PEOPLE)
    similar, same = unit(BLURRED) @ unit(BLURRED).T, PEOPLE[:, None] == PEOPLE[None, :]
    others = ~np.eye(COUNT, dtype=bool)
    best = max(
        (similar[same & others] > level).mean() / 2 + (similar[~same] <= level).mean() / 2
        for level in np.linspace(-1, 1, 400)
    )
    assert 0.5 < blurred <= best + 1e-6
    interval = drop_interval(judge, FACES, BLURRED, PEOPLE)
    assert interval is not None
    assert interval[0] <= judge.value(FACES, FACES, PEOPLE) - blurred <= interval[1]


def test_inputs_without_a_partner_count_for_nothing() -> None:
    people = np.where(np.arange(COUNT) < 8, PEOPLE, 100 + np.arange(COUNT))
    judge = choose_metric("recall1", FACES, people)
    losses = judge.losses(FACES, BLURRED, people)
    assert losses is not None
    assert len(losses.counted) == 8
    with pytest.raises(CalibrationError, match="no two inputs have the same identity"):
        choose_metric("recall1", FACES, np.arange(COUNT))


def scores_of(texts: list[list[int]], classes: int = 5) -> np.ndarray:
    """Return CTC scores that read so: a blank behind every character."""
    rows = np.zeros((len(texts), 8, classes), np.float32)
    for row, text in zip(rows, texts, strict=True):
        path = [item for character in text for item in (character, 0)]
        row[np.arange(8), path + [0] * (8 - len(path))] = 9.0
    return rows


def test_sequences_are_judged_by_their_edits() -> None:
    dense, now = scores_of([[1, 2, 3], [4, 4]]), scores_of([[1, 3], [4, 4, 1]])
    for targets in (None, [[1, 2, 3], [4, 4]], np.array([[1, 2, 3], [4, 4, -1]])):
        judge = choose_metric("sequence", dense, targets)
        assert judge.value(dense, dense, targets) == 1.0
        assert judge.value(dense, now, targets) == pytest.approx(1 - 2 / 5)
    texts = choose_metric(SequenceAccuracy(alphabet="abcd"), dense, ["abc", "dd"])
    assert texts.value(dense, now, ["abc", "dd"]) == pytest.approx(1 - 2 / 5)


@pytest.mark.parametrize(
    ("name", "outputs", "targets", "message"),
    [
        ("recall1", EMBEDDINGS, None, "needs identities"),
        ("mae", EMBEDDINGS, None, "needs the right values"),
        ("mae", EMBEDDINGS, np.zeros((COUNT, 3)), r"targets of shape \[60, 3\] for outputs of shape \[60, 64\]"),
        ("mae", EMBEDDINGS, ["a"] * COUNT, "targets of kind list"),
        ("mae", EMBEDDINGS, np.full((COUNT, 64), np.nan), "hold NaN"),
        ("mae", EMBEDDINGS, [np.zeros(3), np.zeros(4)], "targets of kind list"),
        ("binary", EMBEDDINGS, np.zeros(COUNT), "expected one number for each input"),
        ("binary", EMBEDDINGS[:, :1], np.full(COUNT, 2), "other values than 0 and 1"),
        ("verification", EMBEDDINGS, np.zeros(COUNT - 1), "identities have shape"),
        ("sequence", scores_of([[1]]), ["a"], "say which characters"),
        ("sequence", scores_of([[1]]), [[1], [2]], "2 targets for 1 inputs"),
        ("sequence", scores_of([[1]])[:, None, None], None, None),
        ("miou", EMBEDDINGS, None, "needs masks"),
        ("detection", EMBEDDINGS, None, "needs a dictionary of boxes"),
        ("top0", EMBEDDINGS, PEOPLE, "unknown metric 'top0'"),
        ("accuracy", EMBEDDINGS, PEOPLE, "unknown metric 'accuracy', known are"),
        (7, EMBEDDINGS, PEOPLE, "the metric is a int"),
    ],
)
def test_targets_that_do_not_fit_are_named(name: Any, outputs: np.ndarray, targets: Any, message: str | None) -> None:
    if message is None:
        choose_metric(name, outputs, targets)
        return
    with pytest.raises(CalibrationError, match=message):
        choose_metric(name, outputs, targets)


MAP = RNG.random((COUNT, 3, 4)).astype(np.float32)
TWO = Outputs({"embedding": EMBEDDINGS, "logits": FACES[:, :15] * 3, "map": MAP})


def test_a_metric_takes_the_only_output_it_can_judge_or_asks() -> None:
    assert choose_metric("auto", TWO, PEOPLE).output == "logits"
    assert choose_metric("auto", TWO, None).name == "agreement"
    assert choose_metric("recall1", TWO, PEOPLE).output == "embedding"
    assert choose_metric("fidelity", TWO, None, output="map").output == "map"
    assert set(choose_metric("fidelity", TWO, None).guards) == {"embedding", "logits", "map"}
    with pytest.raises(CalibrationError, match=r"judges one output, the model has \['embedding', 'logits', 'map'\]"):
        choose_metric("mae", TWO, np.zeros((COUNT, 12)))
    with pytest.raises(CalibrationError, match="the model has no output 'boxes'; its outputs are"):
        choose_metric("auto", TWO, None, output="boxes")


def test_auto_says_that_it_takes_no_argmax_over_an_embedding() -> None:
    turn = RNG.normal(size=(64, 64)).astype(np.float32)  # else the largest value would be the identity
    faces, blurred = FACES @ turn, BLURRED @ turn
    for labels in (None, PEOPLE):
        judge = choose_metric("auto", Outputs({"out": faces}), labels)
        assert judge.name == "fidelity"
        assert any("'out' looks like an embedding" in note and "recall1" in note for note in judge.notes)
        assert judge.neighbours(Outputs({"out": faces}), Outputs({"out": blurred})) == pytest.approx(
            float((nearest(faces) == nearest(blurred)).mean())
        )


def test_a_function_gets_all_outputs_by_name_and_the_targets_as_they_are() -> None:
    seen = {}

    def mine(outputs: Any, targets: Any) -> float:
        seen.update(outputs), seen.setdefault("targets", targets)
        return float(outputs["map"].mean())

    targets = [{"any": "thing"}] * COUNT
    judge = choose_metric(mine, TWO, targets)
    assert set(seen) == {"embedding", "logits", "map", "targets"}
    assert seen["targets"] is targets
    assert set(judge.guards) == {"embedding", "logits", "map"}


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (np.zeros(3), "returned a ndarray, expected one number"),
        (None, "returned a NoneType, expected one number"),
        (float("inf"), "returned inf, expected a finite number"),
    ],
)
def test_what_a_function_returns_is_checked(found: Any, message: str) -> None:
    with pytest.raises(CalibrationError, match=message):
        choose_metric(lambda outputs, targets: found, TWO, None)


def test_a_slow_function_has_no_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    from zeroskip.calibration.judging import statistics

    judge = choose_metric(lambda outputs, targets: float(outputs["map"].mean()), TWO, None)
    moved = Outputs({name: column * 0.9 for name, column in TWO.items()})
    assert drop_interval(judge, TWO, moved, None) is not None
    monkeypatch.setattr(statistics, "RESAMPLE_SECONDS", 0.0)
    assert drop_interval(judge, TWO, moved, None) is None


@pytest.mark.parametrize(
    ("options", "message"),
    [({"blank": "x"}, "blank is 'x'"), ({"alphabet": "aab"}, r"has \['a'\] more than once")],
)
def test_readings_that_make_no_sense_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(CalibrationError, match=message):
        SequenceAccuracy(**options)


@pytest.mark.parametrize("blank", [5, -6])
def test_a_blank_beyond_the_classes_is_refused(blank: int) -> None:
    with pytest.raises(CalibrationError, match=f"the blank is class {blank} of 5"):
        choose_metric(SequenceAccuracy(blank=blank), Outputs({"y": scores_of([[1], [2]])}), None)


def test_nothing_to_be_read_is_an_empty_sequence() -> None:
    scores = scores_of([[1], []])
    assert choose_metric("sequence", Outputs({"y": scores}), [[1], []]).value(scores, scores, [[1], []]) == 1.0
