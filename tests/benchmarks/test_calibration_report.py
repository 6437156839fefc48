"""The calibration benchmark: its networks are what they claim, and its page is made from its results."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the scripts are not part of the package

from benchmarks.calibration import report, splits
from benchmarks.calibration.cases import CASES
from benchmarks.calibration.methods import METHODS, Comparison
from benchmarks.calibration.result import BUDGETS, BudgetPoint, MethodResult

import zeroskip as zs
from tiny_network import tiny_data, tiny_network
from zeroskip.analysis import ModelInput
from zeroskip.calibration import MeasuredSpeed, Score, Trial
from zeroskip.calibration.options import CalibrationOptions
from zeroskip.calibration.problem import Setting

SPEEDS = {
    0.01: MeasuredSpeed(ratio=1.25, low=1.2, high=1.3, threads=2),
    0.02: MeasuredSpeed(ratio=1.25, low=0.9, high=1.6, threads=2),  # rounds that disagree are left out
}


def _trial(stage: str, loss: float, likely: float | None) -> Trial:
    sparsity = 0.5 + 10 * loss if stage == "search" else 0.9
    score = Score(samples=100, baseline=1.0, optimized=1.0, information_loss=loss, likely_drop=likely)
    return Trial(stage=stage, strength=0.5, sparsity=sparsity, score=score, passed=True)


def result(method: str = "sensitivity", seed: int = 0, likely: float | None = 0.0) -> MethodResult:
    losses = (0.0, 0.002, 0.008, 0.016)
    points = tuple(
        BudgetPoint(
            budget=budget,
            sparsity=0.5 + (5 + seed) * budget,
            predicted_speedup=1.0,
            drop=budget,
            interval=(-0.01, 0.02),
            information_loss=0.003,
            kept_corrections=0,
            speed=SPEEDS.get(budget),
        )
        for budget in BUDGETS
    )
    return MethodResult(
        network="some_net",
        method=method,
        metric="top1",
        calibration_samples=100,
        holdout_samples=100,
        probe_samples=10,
        sparsity_before=0.5,
        max_information_loss=None,
        points=points,
        trials=tuple(_trial(stage, loss, likely) for stage in ("search", "holdout") for loss in losses),
        seed=seed,
        cpu_seconds=3.0,
        cpu="some CPU",
        isa="generic",
        command="python -m benchmarks.calibration.run",
    )


def test_a_budget_that_was_not_tried_is_named() -> None:
    assert result().at(0.02).sparsity == 0.6
    with pytest.raises(KeyError, match=r"some_net, sensitivity: no budget 0\.3"):
        result().at(0.3)


def test_sparsity_at_a_loss_is_interpolated_between_trials_of_the_search() -> None:
    assert result().sparsity_at(0.008) == pytest.approx(0.58)
    assert result().sparsity_at(0.004) == pytest.approx(0.55)  # half-way, in logarithms
    assert result().sparsity_at(0.03) is None
    assert result().sparsity_at(0.001) is None


def test_the_page_is_made_from_the_results(tmp_path: Path) -> None:
    for made in (result(), result("bias"), result("energy"), result("energy", seed=1)):
        made.save(tmp_path / f"{made.stem}.json")
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- results:begin, by script -->\nwas here\n<!-- results:end -->\nafter\n")
    assert report.main(["--results", str(tmp_path), "--page", str(page)]) == 0
    text = page.read_text()
    row = "50.0% (+0.0) | 52.5% (+2.5) | 55.0% (+5.0), 1.25x | 60.0% (+10.0) | +3.8 | +10.6 | - |"
    assert f"| some_net, 50.0% (top1) | (c) sensitivity | 1 | {row}" in text
    assert "| (d) c + bias correction | 1 | as (c) | as (c) | as (c) | as (c) |  |  |  |" in text
    assert "| (b) equal energy | 2 | 50.0% (+0.0) [0.0, 0.0] | 52.8% (+2.8) [2.5, 3.0] |" in text
    assert "| +1.0 (-1.0 to +2.0) | 0.3% | 100 + 100, 10 probes | 3 s |" in text
    assert "--threads 2 --network some_net\n" in text
    assert "was here" not in text
    assert "by counted drops alone" not in text
    assert text.startswith("before")
    assert text.endswith("after\n")
    if importlib.util.find_spec("matplotlib") is not None:
        assert "(images/calibration.svg)" in text
        picture = tmp_path / "images" / "calibration.svg"
        first = picture.read_bytes()
        assert report.main(["--results", str(tmp_path), "--page", str(page)]) == 0
        assert picture.read_bytes() == first  # the same numbers, the same picture
        assert page.read_text() == text


def test_what_counted_drops_alone_found_is_marked() -> None:
    text = report.tables([result("energy", likely=None), result()])
    assert "| (b) equal energy † |" in text
    assert "| (c) sensitivity |" in text
    assert "† found by counted drops alone" in text


def test_small_sets_are_told_apart_by_what_guided_the_search(tmp_path: Path) -> None:
    def small(first: int, is_counted: bool, budget: float) -> splits.SmallSet:
        gain = 0.01 * first if is_counted else 0.05
        return splits.SmallSet(
            first=first, is_counted=is_counted, budget=budget, gain=gain, drop=budget, unseen_drop=0.5 * budget
        )

    sets = tuple(small(first, way, budget) for first in (1, 3) for way in (True, False) for budget in BUDGETS)
    (tmp_path / "splits").mkdir()
    splits.SplitsResult(samples=2, unseen=30, sets=sets, command="again").save(tmp_path / splits.NAME)
    page = tmp_path / "page.md"
    marks = "<!-- splits:begin -->\nwas here\n<!-- splits:end -->\n", "<!-- results:begin -->\n<!-- results:end -->\n"
    page.write_text("".join(marks))
    result().save(tmp_path / "some_net.sensitivity.json")
    assert report.main(["--results", str(tmp_path), "--page", str(page)]) == 0
    text = page.read_text()
    assert "was here" not in text
    assert "ResNet-20, 2 sets of 2 pictures" in text
    assert "| counted drops | +2.0 (1.0 to 3.0); 0.00 (0.00) |" in text
    assert "| likely drops | +5.0 (5.0 to 5.0); 0.00 (0.00) |" in text
    with pytest.raises(SystemExit):
        splits.main(["--data", str(tmp_path), "--sets", "20", "--samples", "400"])


def test_methods_share_a_setting_and_keep_each_budget() -> None:
    options = CalibrationOptions(threads=1, probe_samples=8, batch_size=4)
    comparison = Comparison(Setting(tiny_network(), tiny_data(32), None, options))
    uncorrected, search, seconds = comparison.run(METHODS["sensitivity"])
    corrected, _, longer = comparison.run(METHODS["bias"])
    for budget, found in zip(BUDGETS, uncorrected, strict=True):
        assert max(found.calibration.drop, found.holdout.drop) <= budget + 1e-9
    sparsities = [found.sparsity_after for found in uncorrected]
    assert sparsities == sorted(sparsities)
    for before, after in zip(uncorrected, corrected, strict=True):
        assert after.predicted_speedup >= before.predicted_speedup
    assert longer >= seconds > 0.0
    assert search.trials
    again, _, _ = comparison.run(METHODS["sensitivity"])  # corrections of one method do not leak into the next
    assert [found.thresholds for found in again] == [found.thresholds for found in uncorrected]


def test_a_budget_alone_gives_what_the_comparison_gives() -> None:
    options = CalibrationOptions(threads=1, probe_samples=8, batch_size=4)
    comparison = Comparison(Setting(tiny_network(), tiny_data(32), None, options))
    (*_, last), _, _ = comparison.run(METHODS["sensitivity"])
    alone = zs.calibrate(tiny_network(), tiny_data(32), BUDGETS[-1], threads=1, probe_samples=8, batch_size=4)
    assert alone.thresholds == last.thresholds


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
