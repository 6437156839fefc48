"""Networks of any inputs, outputs and parts under changing thresholds: what they compute is what a session computes."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime as ort
import pytest

import zeroskip as zs
from task_networks import (
    choosing_network,
    detector_network,
    embedding_network,
    pictures,
    reader_network,
    two_input_network,
)
from zeroskip.calibration import SequenceAccuracy
from zeroskip.calibration.options import CalibrationOptions
from zeroskip.calibration.problem import Setting
from zeroskip.errors import CalibrationError
from zeroskip.metrics import decode_ctc

QUICK: dict[str, Any] = {"threads": 1, "measure_seconds": 0.0, "probe_samples": 4}
COUNT = 16


def setting_of(model: bytes, data: Any, **options: Any) -> Setting:
    return Setting(model, data, None, CalibrationOptions(threads=1, **options))


def two_inputs() -> list[dict[str, Any]]:
    images = (255 * np.clip(pictures(COUNT), 0, 1)).astype(np.uint8)
    rows = enumerate(images)
    return [{"image": image, "size": np.array([place % 3, 1]), "label": place % 5} for place, image in rows]


CASES = {
    "embedding": (embedding_network(), list(pictures(COUNT))),
    "two inputs": (two_input_network(), two_inputs()),
    "detector": (detector_network(), list(pictures(COUNT))),
    "reader": (reader_network(), [pictures(1, width, seed)[0] for seed, width in enumerate((40, 48, 40, 56) * 4)]),
}


@pytest.mark.parametrize("name", CASES)
def test_outputs_under_thresholds_are_those_of_the_model_with_them(name: str) -> None:
    """Islands, several inputs, bytes, sizes that vary: against ONNX Runtime on the written model."""
    model, items = CASES[name]
    setting = setting_of(model, items, metric="fidelity" if name != "detector" else "auto")
    thresholds = {"relu1": 0.25, "relu2": 0.4}
    found = setting.calibration.outputs(thresholds)
    written = ort.InferenceSession(zs.apply(model, zs.ThresholdSet(thresholds)).to_bytes())
    for place, (feed, _) in enumerate(setting.network._feeder.feeds(setting.calibration.data, 1)):
        for output, expected in zip(written.get_outputs(), written.run(None, feed), strict=True):
            row = found[output.name][place]
            expected = expected[0] if row.shape != expected.shape else expected
            np.testing.assert_allclose(row, expected, atol=2e-4 * max(1.0, np.abs(expected).max()))


@pytest.mark.parametrize("name", CASES)
def test_thresholds_are_found_end_to_end(name: str) -> None:
    model, items = CASES[name]
    result = zs.calibrate(model, items, 0.1, accept_baseline=True, **QUICK)
    assert not result.is_zero
    assert result.sparsity_after > result.sparsity_before
    assert result.holdout.drop <= 0.1
    assert result.holdout.information_loss <= 0.1
    assert result.bounded


def test_every_output_is_bounded_and_named() -> None:
    model, items = CASES["two inputs"]
    result = zs.calibrate(model, items, 0.2, accept_baseline=True, max_information_loss=0.003, **QUICK)
    assert (result.metric, result.judged_output, result.guarded_outputs) == ("top1", "logits", ("logits", "map"))
    assert result.holdout.information_loss <= 0.003
    assert "of output 'logits'" in result.bounded
    assert "'logits', 'map'" in result.bounded
    setting = setting_of(model, items, accept_baseline=True)
    dense = setting.calibration.dense.outputs
    setting.network.set_thresholds({})
    spoilt = setting.calibration.outputs({"relu2": 0.5})
    by_output = setting.metric.losses_by_output(dense, spoilt)
    assert setting.metric.information_loss(dense, spoilt) == max(by_output.values()) > 0.0


def test_boxes_of_a_graph_with_nms_are_judged_by_what_they_are_made_of() -> None:
    model, items = CASES["detector"]
    result = zs.calibrate(model, items, 0.05, **QUICK)
    assert result.metric == "fidelity"
    assert result.guarded_outputs == ("boxes", "scores")
    assert any("what they are made of (boxes, scores)" in note for note in result.notes)
    written = result.apply(model).to_bytes()
    zs.InferenceSession(written).run(None, {"image": pictures(2)})


def test_a_reader_of_any_width_is_judged_by_what_it_reads() -> None:
    model, items = CASES["reader"]
    session = zs.InferenceSession(model)
    scores = [session.run(None, {"image": item[None]})[0] for item in items]
    texts = ["".join("abcdefghij"[character - 1] for character in decode_ctc(item)) for item in scores]
    pairs = list(zip(items, texts, strict=True))
    result = zs.calibrate(model, pairs, 0.2, metric=SequenceAccuracy(alphabet="abcdefghij"), **QUICK)
    assert result.metric == "sequence"
    assert result.holdout.baseline == 1.0
    assert result.holdout.drop <= 0.2
    with pytest.raises(CalibrationError, match="say which characters the classes are by alphabet="):
        zs.calibrate(model, pairs, 0.2, metric="sequence", **QUICK)


@pytest.mark.parametrize("options", [{"compensation": "bias"}, {"strategy": "blockwise"}])
def test_corrections_need_a_model_that_is_native_as_a_whole(options: dict[str, str]) -> None:
    model, items = CASES["detector"]
    with pytest.raises(CalibrationError, match=r"not for this model, it has islands \(island 0.*NonMaxSuppression"):
        zs.calibrate(model, items, 0.05, **QUICK, **options)


def test_analysis_takes_the_same_data() -> None:
    for name in ("two inputs", "reader"):
        model, items = CASES[name]
        assert zs.analyze(model, items, threads=1, samples=4, predict=False).activations


def test_a_time_limit_too_short_for_anything_is_no_error() -> None:
    """It used to run while the model as it is was run, and nobody caught it there."""
    model, items = CASES["embedding"]
    result = zs.calibrate(model, items, 0.1, time_limit=1e-6, **QUICK)
    assert result.was_interrupted
    assert result.is_zero


@pytest.mark.parametrize(("head", "beside"), [("TopK", "best"), ("ArgMax", "mask")])
@pytest.mark.parametrize("is_labelled", [True, False])
def test_models_that_answer_by_class_indices_are_judged_by_these(head: str, beside: str, is_labelled: bool) -> None:
    """And what stands beside them counts: a mask of yes and no, or the values of the best."""
    model, images = choosing_network(head), pictures(48)
    found = dict(zip(("best", "out"), ort.InferenceSession(model).run(None, {"image": images}), strict=True))
    answers = (found["out"] if head == "TopK" else found["best"]).reshape(48, -1)[:, 0]
    labels = np.where(np.arange(48) % 6 == 0, (answers + 1) % 10, answers)
    data = zs.data.arrays(images, labels if is_labelled else None)
    result = zs.calibrate(model, data, 0.2, accept_baseline=True, **QUICK)
    assert (result.metric, result.judged_output) == ("top1" if is_labelled else "agreement", "out")
    assert {"out", beside} <= set(result.guarded_outputs)
    assert f"'{beside}'" in result.bounded
    assert result.to_dict()["guarded_outputs"] == list(result.guarded_outputs)
    assert not result.is_zero
    assert result.holdout.agreement is not None
    assert result.holdout.baseline == pytest.approx(40 / 48 if is_labelled else 1.0, abs=0.1)
    if is_labelled:
        assert result.baseline is not None
        wrong = zs.data.arrays(images, np.clip(answers + 1, 0, 10))
        with pytest.raises(CalibrationError, match="label - 1"):
            zs.calibrate(model, wrong, 0.2, **QUICK)
