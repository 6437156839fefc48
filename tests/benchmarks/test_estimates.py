"""The study of estimated drops: its lines, its page, and that what it runs is what calibrate returns."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the scripts are not part of the package

from benchmarks.calibration import estimates
from benchmarks.calibration.estimates import PLANS, EstimatedDrop, Plan, load_estimates
from benchmarks.calibration.estimates_page import page

from tiny_network import tiny_data, tiny_network
from zeroskip import InferenceSession
from zeroskip.calibration import calibrate


def line(network: str = "net", seed: int = 0, budget: float = 0.01, lost: int = 30, **changes: object) -> EstimatedDrop:
    values = {
        "network": network,
        "samples": 400,
        "seed": seed,
        "budget": budget,
        "gain": 0.08,
        "estimate": 0.008,
        "interval": (0.001, 0.015),
        "counted": 0.0025,
        "holdout": 0.0,
        "optimism": 0.001,
        "factor": 0.7,
        "unseen": 1000,
        "lost": lost,
        "won": 20,
        "seconds": 1.0,
    }
    return EstimatedDrop.model_validate({**values, **changes})


def test_a_line_knows_its_true_drop_and_whether_it_was_covered() -> None:
    item = line()
    assert item.true_drop == pytest.approx(0.01)
    assert item.true_error == pytest.approx(np.sqrt((0.05 - 0.0001) / 1000))
    assert item.is_covered
    assert not line(lost=60).is_covered


def test_the_page_counts_what_is_covered() -> None:
    items = [line(seed=0), line(seed=1, lost=60), line("other", budget=0.02, lost=40)]
    text = page(items)
    assert "3 calibrations on 400 to 400 pictures" in text
    assert "2.50 at a budget of 1; 2.00 at a budget of 2 points" in " ".join(text.split())
    assert "covers the true drop in 1 of them (33%)" in " ".join(text.split())
    assert "| net | 1 | 2 | +8.0 | 0.80 | 2.50 (4.00) | 0.00 | 1 of 2 |" in text
    assert "0.10 to 1.50 (missed)" in text


def test_what_is_there_is_not_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = Plan("tiny", 48, 16, 1, (0.05, 0.1))
    monkeypatch.setattr(estimates, "PLANS", (plan,))
    monkeypatch.setattr(estimates, "CASES", {"tiny": SimpleNamespace(metric="top1")})
    monkeypatch.setattr(estimates, "_model", lambda folder, network: tiny_network())
    (logits,) = InferenceSession(tiny_network()).run(None, {"image": tiny_data(64).array()})
    noise = np.random.default_rng(0).gumbel(size=logits.shape)
    data = tiny_data(64, (12.0 * (logits - logits.mean(axis=0)) + 12.0 * logits + noise).argmax(axis=1).tolist())
    parts = data.split(0.75, seed=3)
    monkeypatch.setattr(estimates, "pictures", lambda folder, plan, seed: parts)
    monkeypatch.setattr(estimates, "_ACCEPTS", True)
    path = tmp_path / "estimates.jsonl"
    assert estimates.main(["--data", str(tmp_path), "--output", str(path)]) == 0
    first = path.read_text()
    assert [item.budget for item in load_estimates(path)] == [0.05, 0.1]
    assert estimates.main(["--data", str(tmp_path), "--output", str(path)]) == 0
    assert path.read_text() == first
    for item in load_estimates(path):
        result = calibrate(
            tiny_network(), parts[0], item.budget, metric="top1", probe_samples=48, threads=1, measure_seconds=0.0,
            accept_baseline=True,
        )  # fmt: skip
        drop = 0.0 if result.estimate is None else result.estimate.drop
        assert item.estimate == pytest.approx(drop)
        assert item.gain == pytest.approx(result.sparsity_after - result.sparsity_before)


def test_the_plans_have_forty_calibrations() -> None:
    assert sum(plan.seeds * len(plan.budgets) for plan in PLANS) >= 40
