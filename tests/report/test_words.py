"""The sentences of reports say what the numbers say."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from report.values import calibration, summary
from zeroskip.calibration import (
    CalibrationOptions,
    Correction,
    DropEstimate,
    LayerSensitivity,
    MeasuredSpeed,
    Score,
)
from zeroskip.report import caution, headline, render_calibration, render_sensitivities, speed_caution
from zeroskip.report.sensitivities import sensitivity_rows
from zeroskip.report.words import budget_words, contributions, method_words, price
from zeroskip.thresholds import ThresholdSet


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        (
            (20.0, 15.0, 10.0),
            "m runs 2.00x faster than with ONNX Runtime (20 ms -> 10 ms), 1.33x without changing",
        ),
        ((20.0, 21.0, 20.0), "m is not faster with zeroskip than with ONNX Runtime (20 ms -> 21 ms)."),
        ((20.0, 10.0, 9.8), "m runs 2.00x faster than with ONNX Runtime (20 ms -> 10 ms), no result changed."),
        ((None, 15.0, 10.0), "m runs 1.50x faster with thresholds (15 ms -> 10 ms)."),
        ((None, 10.0, 10.0), "thresholds in the budget gain nothing"),
    ],
)
def test_the_headline_claims_what_was_measured(numbers: tuple[float | None, float, float], words: str) -> None:
    assert words in headline("m", summary(*numbers))


def test_contributions_count_no_noise_as_gain() -> None:
    exact, thresholds, advice = contributions(summary(20.0, 10.0, 9.8))
    assert exact == "exact engine over ONNX Runtime: 2.00x (95 % interval 1.90x to 2.10x)"
    assert thresholds.startswith("thresholds over the exact engine: 1.02x (95 % interval 0.97x to 1.07x), no gain")
    assert "recommended: the original model" in advice
    *_, thresholds, advice = contributions(summary(20.0, 10.0, 5.0))
    assert "no gain" not in thresholds
    assert "recommended: the model with thresholds" in advice
    assert len(contributions(summary(None, 10.0, 5.0))) == 2


def test_the_price_counts_predictions() -> None:
    assert price(calibration()).startswith("Counted on 100 held-out inputs: 1 prediction changed, 0.40%")
    labelled = calibration(metric="top1", holdout=Score(samples=9, baseline=0.8, optimized=0.75, information_loss=0))
    counted = "Counted on 9 held-out inputs: top-1 accuracy 80.00% -> 75.00% (drop 5.00%)."
    assert price(labelled).startswith(f"{counted} Counted over both halves the drop is ")
    assert "all zero" in price(calibration(thresholds=ThresholdSet({"relu": 0.0})))


def test_the_best_estimate_comes_first() -> None:
    estimate = DropEstimate(drop=0.0062, interval=(0.001, 0.0114), samples=200, changed=2, counted=0.01)
    assert price(calibration(estimate=estimate)).startswith(
        "Agreement with the original model likely falls by 0.62% (95 % interval 0.10% to 1.14%) on inputs like these "
        "200. Counted on 100 held-out inputs: 1 prediction changed"
    )
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(render_calibration(calibration(estimate=estimate)))
    row = next(line for line in console.export_text().splitlines() if " both " in line)
    assert [cell for cell in row.replace("│", " ").split() if cell] == ["both", "200", "1.00%", "0.62%"]


def test_few_inputs_are_no_proof() -> None:
    """The same exact interval as everywhere: 3.6 % where nothing was seen in 100."""
    assert "up to 3.6% may be affected" in (caution(calibration()) or "")
    assert "100 held-out inputs cannot prove a budget of 1.0%" in (caution(calibration()) or "")
    many = Score(samples=500, baseline=1.0, optimized=1.0, information_loss=0.0)
    assert caution(calibration(holdout=many)) is None


def test_thresholds_that_gain_no_speed_are_named() -> None:
    assert speed_caution(calibration()) is None
    faster = MeasuredSpeed(ratio=1.1, low=1.05, high=1.15, threads=2)
    assert speed_caution(calibration(measured_speed=faster)) is None
    slower = MeasuredSpeed(ratio=0.87, low=0.85, high=0.9, threads=2)
    words = speed_caution(calibration(measured_speed=slower, predicted_speedup=1.05)) or ""
    assert "measured 0.87x (0.85 to 0.90) at batch 1 on 2 threads, predicted 1.05x" in words


def test_where_thresholds_were_put_is_shown() -> None:
    probed = LayerSensitivity(
        activation="block1/relu",
        gain_ms=0.25,
        levels=(0.1, 0.3, 0.6),
        damages=(1e-4, 0.00123, 0.02),
        is_per_channel=True,
        fraction=0.4,
        damage_per_ms=0.031,
    )
    untouched = probed.model_copy(update={"fraction": 0.0, "damage_per_ms": None, "levels": (), "damages": ()})
    first, second = sensitivity_rows(calibration(sensitivities=(probed, untouched)))
    assert (first.worth, first.damage, first.price, first.kind) == ("0.250", "0.12 %", "3.1 %", "per channel")
    assert (second.damage, second.price, second.kind) == ("-", "-", "-")
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(render_sensitivities(calibration(sensitivities=(probed, untouched))))
    text = console.export_text()
    assert "block1/relu" in text
    assert "40.0%" in text


def test_a_budget_in_words() -> None:
    assert budget_words(calibration()) == (
        "agreement with the original model may drop by 1.00%, and 1.00% of the information in the outputs may be lost"
    )
    by_sparsity = calibration(max_drop=None, options=CalibrationOptions(target_sparsity=0.8))
    assert budget_words(by_sparsity) == "sparsity of at least 80.0%"
    words = budget_words(calibration(max_drop=None, options=CalibrationOptions(target_speedup=1.25)))
    assert words == "at least 1.25x as fast, by what layers take"


def test_the_method_in_words() -> None:
    assert method_words(calibration()) == "uniform strategy"
    kept = Correction(layer="conv", kind="bias", ridge=0.0, damage_before=0.2, damage_after=0.1, is_kept=True)
    dropped = kept.model_copy(update={"is_kept": False})
    corrected = calibration(
        options=CalibrationOptions(compensation="reconstruct", branches=True), corrections=(kept, dropped, kept)
    )
    assert method_words(corrected) == (
        "uniform strategy, convolutions apart from shortcuts (branches), weights of 2 layers corrected"
    )
    in_vain = calibration(options=CalibrationOptions(compensation="bias"), corrections=(dropped,))
    assert method_words(in_vain) == "uniform strategy, corrected biases tried, without gain"
