"""The sentences of a report."""

from __future__ import annotations

from ..bench import BenchResult
from ..calibration import CalibrationResult
from ..calibration.sentences import counted_words, estimate_words, excess_words, noise_words
from ..engine.cost import MOST_ERROR
from ..gain import Gain
from ..intervals import clopper_pearson
from ..summary import Summary
from ..text import time_words

_COUNTED = ("agreement", "top1", "top5", "binary", "neighbours", "recall1")
METRIC_HEADINGS = {"top1": "top-1", "miou": "mean IoU", "detection": "mAP", "recall1": "recall@1", "mae": "-MAE"}
"""The metrics in the narrow columns of tables."""

_NO_FASTER = 1.02
_STEADY = 1.5


def headline(model: str, summary: Summary) -> str:
    """Return the outcome in one sentence: how much faster, against what, at what price.

    What is recommended is what counts: no gain of thresholds that the measurement cannot tell from noise.

    Args:
        model: What to call the model.
        summary: The outcome.
    """
    latency = summary.latency_ms
    ours, exact = latency.zeroskip, latency.zeroskip_exact
    has_gain = summary.recommended == "thresholds"
    if summary.speedup is None or latency.onnxruntime is None or summary.gain_exact is None:
        if not has_gain:
            return f"{model}: {time_words(exact)} per run; thresholds in the budget gain nothing."
        return (
            f"{model} runs {summary.gain_thresholds.ratio:.2f}x faster with thresholds ({time_words(exact)} -> "
            f"{time_words(ours)})."
        )
    best = ours if has_gain else exact
    factor = latency.onnxruntime / best
    times = f"{time_words(latency.onnxruntime)} -> {time_words(best)}"
    if factor < _NO_FASTER or not (has_gain or summary.gain_exact.is_clear):
        return f"{model} is not faster with zeroskip than with ONNX Runtime ({times})."
    unchanged = f"{summary.speedup_exact:.2f}x without changing any result" if has_gain else "no result changed"
    return f"{model} runs {factor:.2f}x faster than with ONNX Runtime ({times}), {unchanged}."


def contributions(summary: Summary) -> tuple[str, ...]:
    """Return what each part of the gain is worth, and what is recommended.

    Args:
        summary: The outcome.
    """
    lines = []
    if summary.gain_exact is not None:
        lines.append(f"exact engine over ONNX Runtime: {_gain_words(summary.gain_exact)}")
    lines.append(f"thresholds over the exact engine: {_gain_words(summary.gain_thresholds)}")
    lines.append(f"recommended: {_advice(summary)}")
    return tuple(lines)


def _advice(summary: Summary) -> str:
    if summary.recommended == "thresholds":
        return "the model with thresholds, if their price is acceptable"
    if summary.gain_exact is not None and summary.gain_exact.high <= 1.0:
        return "the original model where it runs now; zeroskip is slower on it"
    return "the original model in zeroskip; thresholds gain no more than the measurement leaves open"


def _gain_words(gain: Gain) -> str:
    text = f"{gain.ratio:.2f}x (95 % interval {gain.low:.2f}x to {gain.high:.2f}x)"
    if gain.high < 1.0:
        return f"{text}, slower"
    return text if gain.is_clear else f"{text}, no gain beyond the noise"


def price(calibration: CalibrationResult) -> str:
    """Return what the thresholds cost: the best estimate from all data, and what was counted on those held out."""
    if calibration.is_zero:
        return "The thresholds are all zero: results are those of the original model."
    metric, text = calibration.metric, ""
    if calibration.estimate is not None:
        text = f"{_sentence(estimate_words(metric, calibration.estimate))} "
    text += _sentence(counted_words(metric, calibration.holdout))
    return text + excess_words(metric, calibration.pooled_drop, calibration.max_drop)


def _sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}."


def speed_caution(calibration: CalibrationResult) -> str | None:
    """Return a warning if thresholds were measured to gain no speed beyond noise, or None."""
    speed = calibration.measured_speed
    if speed is None or speed.low > 1.0:
        return None
    return (
        "With these thresholds the model is no faster here beyond noise: measured "
        f"{speed.ratio:.2f}x ({speed.low:.2f} to {speed.high:.2f}) at batch {speed.batch_size} on "
        f"{speed.threads} threads, predicted {calibration.predicted_speedup:.2f}x. Use it as it is, or train it "
        "sparser (zeroskip finetune)."
    )


def cautions(calibration: CalibrationResult, bench: BenchResult) -> list[str]:
    """Return the doubts that a reader of results must know of: few inputs, noisy times of layers, a busy machine.

    Args:
        calibration: How the thresholds were found.
        bench: The measurement.
    """
    found = (caution(calibration), timing_caution(calibration), measurement_caution(bench))
    return [text for text in found if text is not None]


def timing_caution(calibration: CalibrationResult) -> str | None:
    """Return a warning if the times of layers that decided were noisy, or None."""
    error = calibration.step_time_error
    return _sentence(noise_words(error)) if error is not None and error > MOST_ERROR else None


def caution(calibration: CalibrationResult) -> str | None:
    """Return what a reader must know before trusting the check, or None: that few inputs cannot prove a budget."""
    samples = calibration.holdout.samples
    budget = calibration.max_drop
    if calibration.is_zero or budget is None or calibration.metric not in _COUNTED:
        return None
    _, unseen = clopper_pearson(0, samples)
    if unseen <= max(budget, 1e-9):
        return None
    return (
        f"Counting on {samples} held-out inputs cannot prove a budget of {budget:.1%}: with no change seen at all, "
        f"up to {unseen:.1%} may be affected (95% confidence). More data make it stronger."
    )


def measurement_caution(bench: BenchResult) -> str | None:
    """Return a warning if the rounds of a measurement disagree so much that its ratios mean little, or None.

    Args:
        bench: The measurement; its last row is compared with its first.
    """
    first, last = bench.rows[0].label, bench.rows[-1].label
    low, high = bench.speedup_range(last, over=first)
    if high <= _STEADY * low:
        return None
    return (
        f"The machine was busy: between rounds the speed-up of {last} over {first} ranged from {low:.2f}x "
        f"to {high:.2f}x. Measure again when it is idle."
    )


def budget_words(calibration: CalibrationResult) -> str:
    """Return what was asked for."""
    options = calibration.options
    if options.target_sparsity is not None:
        return f"sparsity of at least {options.target_sparsity:.1%}"
    if options.target_speedup is not None:
        return f"at least {options.target_speedup:g}x as fast, by what layers take"
    return calibration.bounded


def method_words(calibration: CalibrationResult) -> str:
    """Return how the thresholds were found: strategy, branches, and what compensation did."""
    parts = [f"{calibration.strategy} strategy"]
    if calibration.learning and not any(trial.is_kept for trial in calibration.learning):
        parts.append("block-wise learning tried, without gain")
    if calibration.options.branches:
        parts.append("convolutions apart from shortcuts (branches)")
    if calibration.corrections:
        kept = sum(correction.is_kept for correction in calibration.corrections)
        what = {"bias": "biases", "reconstruct": "weights"}[calibration.options.compensation]
        parts.append(f"{what} of {kept} layers corrected" if kept else f"corrected {what} tried, without gain")
    if calibration.distillation is not None:
        parts.append("weights distilled" if calibration.distillation.is_kept else "distillation tried, without gain")
    return ", ".join(parts)
