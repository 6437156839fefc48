"""A metric by which the model is no better than one that does not look at its input bounds nothing, and is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import zeroskip as zs
from task_networks import embedding_network, pictures, segmenting_network
from zeroskip.calibration.judging.blind import refuse_blind
from zeroskip.calibration.judging.metric import Outputs, choose_metric
from zeroskip.errors import CalibrationError, DataError

RNG = np.random.default_rng(0)
QUICK: dict[str, Any] = {"threads": 1, "measure_seconds": 0.0, "probe_samples": 4, "costs": "model"}
COUNT = 24
SCORES = RNG.normal(size=(COUNT, 5)).astype(np.float32)
LOGITS = RNG.normal(size=(COUNT, 1)).astype(np.float32)
MAPS = RNG.normal(size=(COUNT, 3, 6, 6)).astype(np.float32)
PEOPLE = np.arange(COUNT) // 4
FACES = (np.eye(6)[PEOPLE] + 0.1 * RNG.normal(size=(COUNT, 6))).astype(np.float32)
FLAGS = (SCORES > 0).astype(np.int64)


@pytest.mark.parametrize(
    ("metric", "outputs", "right", "wrong"),
    [
        ("top2", SCORES, SCORES.argmax(axis=1), SCORES.argmin(axis=1)),
        ("binary", LOGITS, (LOGITS > 0).astype(int), (LOGITS <= 0).astype(int)),
        ("multilabel", SCORES, FLAGS, 1 - FLAGS),
        ("miou", MAPS, MAPS.argmax(axis=1), MAPS.argmax(axis=1) + 5),
        ("recall1", FACES, PEOPLE, np.arange(COUNT) % 6),
        ("mae", SCORES, SCORES + 0.1, -SCORES),
    ],
)
def test_targets_that_do_not_belong_to_the_model_are_found_out(
    metric: str, outputs: np.ndarray, right: Any, wrong: Any
) -> None:
    named = Outputs({"y": outputs})
    refuse_blind(choose_metric(metric, named, right), named, right)
    judge = choose_metric(metric, named, wrong)
    with pytest.raises(CalibrationError, match=f"metric '{metric}' is .* one that does not look at its input"):
        refuse_blind(judge, named, wrong)


def test_metrics_that_are_always_right_are_refused() -> None:
    """Five answers of five classes, masks of nothing but pixels that do not count."""
    cases: tuple[tuple[str, np.ndarray, np.ndarray], ...] = (
        ("top5", SCORES, SCORES.argmax(axis=1)),
        ("miou", MAPS, np.full((COUNT, 6, 6), 255)),
        ("binary", np.abs(LOGITS) + 2, np.ones(COUNT, int)),
    )
    for metric, outputs, targets in cases:
        judge = choose_metric(metric, Outputs({"y": outputs}), targets)
        with pytest.raises(CalibrationError, match="would allow everything"):
            refuse_blind(judge, Outputs({"y": outputs}), targets)


def test_what_compares_with_the_original_is_never_refused() -> None:
    same = np.ones((COUNT, 5), np.float32) * np.arange(5)
    for metric in ("agreement", "fidelity"):
        refuse_blind(choose_metric(metric, Outputs({"y": same}), None), Outputs({"y": same}), np.arange(COUNT))


def test_a_function_that_sees_no_difference_is_said() -> None:
    judge = choose_metric(lambda outputs, targets: 0.5, SCORES, None)
    assert "only the loss of information is bounded" in judge.notes[0]
    assert not choose_metric(lambda outputs, targets: -float(np.abs(outputs - SCORES).mean()), SCORES, None).notes


def test_calibration_refuses_and_goes_on_if_told() -> None:
    model, images = segmenting_network(), pictures(16)
    data = zs.data.from_iterable([(image, np.full((8, 8), 7)) for image in images])
    with pytest.raises(CalibrationError, match=r"metric 'miou' is 0 for the model.*--accept-baseline"):
        zs.calibrate(model, data, 0.1, metric="miou", **QUICK)
    assert zs.calibrate(model, data, 0.1, metric="miou", accept_baseline=True, **QUICK).metric == "miou"


@pytest.mark.parametrize("identities", [[f"person {place}" for place in PEOPLE], PEOPLE - 3, PEOPLE])
def test_identities_of_every_kind_stay_together(identities: Any) -> None:
    """Texts and negative numbers too: a half that has one picture of each person finds nobody."""
    items = [{"image": image, "label": identity} for image, identity in zip(pictures(COUNT), identities, strict=True)]
    result = zs.calibrate(embedding_network(), items, 0.2, metric="recall1", accept_baseline=True, **QUICK)
    assert result.calibration.samples == result.holdout.samples == COUNT // 2
    assert result.calibration.samples % 4 == 0
    assert result.estimate is None or result.estimate.samples == COUNT


@pytest.mark.parametrize(
    ("identities", "message"),
    [
        (PEOPLE + 0.5, r"float64 \[24\], expected an identity"),
        (PEOPLE * np.nan, r"float64 \[24\], expected an identity"),
        (np.stack([PEOPLE, PEOPLE], axis=1), r"int64 \[24, 2\], expected an identity"),
        (["a", 1] * 12, r"a list of int(64)? and str, expected an identity"),
        ([{"name": "a"}] * 24, "a list of dict, expected an identity"),
        (np.zeros(24, int), "all 24 inputs are of one identity"),
    ],
)
def test_what_is_no_identity_is_refused(identities: Any, message: str) -> None:
    items = [{"image": image, "label": identity} for image, identity in zip(pictures(COUNT), identities, strict=True)]
    with pytest.raises(DataError, match=message):
        zs.calibrate(embedding_network(), items, 0.1, metric="verification", **QUICK)
