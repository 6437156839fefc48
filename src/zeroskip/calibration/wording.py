"""Putting a calibration into words."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .records import Score
    from .result import CalibrationResult

METRIC_WORDS = {
    "top1": "top-1 accuracy",
    "agreement": "agreement with the original model",
    "fidelity": "fidelity to the original outputs",
}


def message(result: CalibrationResult) -> str:
    """Return what came out, in one or two sentences."""
    start = "Stopped early; the best so far: " if result.was_interrupted else ""
    if not result.sensitivities:
        return start + "No activation feeds a layer that can skip zeros: there is nothing to threshold."
    if result.is_zero:
        return start + "No thresholds passed the budget: the model stays as it is (all thresholds are 0)."
    change = f"sparsity {result.sparsity_before:.1%} -> {result.sparsity_after:.1%}"
    loss = f"{_loss(result)} on {result.holdout.samples} held-out inputs{_interval(result)}"
    return f"{start}{change}{_speed(result)}; {loss}."


def _speed(result: CalibrationResult) -> str:
    if result.measured_speed is None:
        return f", predicted {result.predicted_speedup:.2f}x as fast"
    return f", measured {result.measured_speed.ratio:.2f}x as fast (predicted {result.predicted_speedup:.2f}x)"


def _interval(result: CalibrationResult) -> str:
    if result.holdout.interval is None:
        return ""
    low, high = result.holdout.interval
    return f" (drop {result.holdout.drop:.2%}, 95 % interval {low:.2%} to {high:.2%})"


def _loss(result: CalibrationResult) -> str:
    score = result.holdout
    words = METRIC_WORDS.get(result.metric, result.metric)
    if result.metric == "agreement":
        changed = changed_predictions(score)
        lost = f"{score.information_loss:.2%} of the information in the outputs lost"
        return f"{changed} of {score.samples} predictions changed, {lost}"
    same = "" if score.agreement is None else f", {score.agreement:.2%} answered as by the original,"
    return f"{words} {score.baseline:.2%} -> {score.optimized:.2%}{same}"


def changed_predictions(score: Score) -> int:
    """Return how many predictions differ, for the metric agreement."""
    return round((score.baseline - score.optimized) * score.samples)
