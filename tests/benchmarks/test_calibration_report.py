"""The calibration benchmark: its networks are what they claim, and its page is made from its results."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the scripts are not part of the package

from benchmarks.calibration import report
from benchmarks.calibration.cases import CASES
from benchmarks.calibration.result import MethodResult

import zeroskip as zs
from zeroskip.analysis import ModelInput
from zeroskip.calibration import CurvePoint, Score


def score(drop: float) -> Score:
    return Score(samples=100, baseline=0.9, optimized=0.9 - drop, information_loss=drop)


def result() -> MethodResult:
    curve = tuple(
        CurvePoint(
            strength=strength,
            sparsity=0.5 + strength / 4,
            predicted_speedup=1 + strength,
            calibration=score(calibration),
            holdout=score(holdout),
            is_efficient=True,
        )
        for strength, calibration, holdout in ((0.0, 0.0, 0.0), (0.2, 0.01, 0.0), (0.4, 0.0, 0.02))
    )
    return MethodResult(
        network="some_net",
        method="sensitivity",
        metric="top1",
        calibration_samples=100,
        holdout_samples=100,
        probe_samples=10,
        sparsity_before=0.5,
        max_information_loss=None,
        curve=curve,
        sparsity_after=0.55,
        drop=0.0,
        interval=(-0.01, 0.02),
        measured_speedup=1.1,
        kept_corrections=0,
        cpu_seconds=3.0,
        cpu="some CPU",
        isa="generic",
        command="python -m benchmarks.calibration.run",
    )


def test_a_budget_holds_on_both_halves() -> None:
    assert [result().at(budget).strength for budget in (0.0, 0.005, 0.01, 0.02)] == [0.0, 0.0, 0.2, 0.4]


def test_the_page_is_made_from_the_results(tmp_path: Path) -> None:
    result().save(tmp_path / "some_net.sensitivity.json")
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- results:begin, by script -->\nwas here\n<!-- results:end -->\nafter\n")
    assert report.main(["--results", str(tmp_path), "--page", str(page)]) == 0
    text = page.read_text()
    assert "| some_net, 50.0% (top1) | (c) sensitivity | 50.0% (+0.0) | 50.0% (+0.0) | 55.0% (+5.0) |" in text
    assert "was here" not in text
    assert text.startswith("before")
    assert text.endswith("after\n")


@pytest.mark.parametrize(("name", "accuracy"), [("efficientnet_lite0", 0.8), ("resnet20", 0.7)])
def test_networks_reach_their_accuracy(shared_data: Path, name: str, accuracy: float) -> None:
    if name == "efficientnet_lite0":
        pytest.importorskip("torch")
    case = CASES[name]
    session = zs.InferenceSession(case.read(shared_data), zs.SessionOptions(intra_op_num_threads=1))
    data = case.data(shared_data, 32)
    feeds = ModelInput.of(session).feeds(data, 16)
    outputs = np.concatenate([session.run(None, feed)[0] for feed, _ in feeds])
    assert (outputs.argmax(axis=1) == data.labels).mean() > accuracy
