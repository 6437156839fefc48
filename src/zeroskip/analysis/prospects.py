"""Prospects: what more zeros would buy, what they never can, and what is recommended, in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from ..text import printable, time_words
from .records import FixedTime, PrecisionTimes, ProfileData

_WORTH = 1.05
"""Speed-up by :data:`_EXPECTED_GAIN` more zeros from which a loss of accuracy may be worth its while."""
_EXPECTED_GAIN = 0.2
_LEAST_SHARE = 0.005

Recommendation = Literal["exact", "thresholds"]


def recommended(profile: ProfileData) -> Recommendation:
    """Return ``thresholds`` where twenty points more zeros would make the model at least 5 % faster, else ``exact``."""
    if not profile.gains or not profile.skippable_macs:
        return "exact"
    return "thresholds" if profile.speedups[expected_gain(profile)] >= _WORTH else "exact"


def expected_gain(profile: ProfileData) -> int:
    """Return which of the gains is nearest to what calibration and fine-tuning may bring."""
    return min(range(len(profile.gains)), key=lambda index: abs(profile.gains[index] - _EXPECTED_GAIN))


def recommended_precision(profile: ProfileData) -> str:
    """Return the precision that is fastest on this data as far as is known, by at least 5 %, else the profile's own."""
    fastest = min(profile.precisions, key=lambda item: item.latency_ms, default=None)
    if fastest is None or profile.latency_ms < _WORTH * fastest.latency_ms:
        return profile.precision
    return fastest.precision


def prospect_lines(profile: ProfileData) -> list[str]:
    """Return what more zeros would buy in each precision, which time they never save and why, and the advice."""
    lines = []
    if profile.gains:
        lines.append(f"more zeros would buy ({profile.precision}): {_bought(profile.gains, profile.speedups)}")
    if profile.fixed:
        lines.append(f"{profile.fixed_share:.0%} of the time can never skip: {_reasons(profile.fixed)}")
    for other in profile.precisions:
        lines += _other_lines(profile, other)
    lines += [f"{name} is left out: {reason}" for name, reason in profile.lacking.items()]
    lines += _steady_lines(profile)
    if profile.gains and profile.is_noisy:
        lines.append(
            f"times of layers are uncertain by {profile.timing_error:.0%}, because other work disturbed them: measure "
            "again when the machine is idle before you go by what zeros would buy"
        )
    if profile.gains:
        lines.append(f"recommended: {_advice(profile)}")
    if profile.precisions:
        lines.append(f"precision: {_precision_advice(profile)}")
    return lines


def _other_lines(profile: ProfileData, other: PrecisionTimes) -> list[str]:
    """Return what is known of another precision: its time, what zeros would buy and what they never save."""
    ratio = profile.latency_ms / other.latency_ms
    source = "predicted, accuracy is not judged" if other.is_predicted else "measured"
    now = f"in {other.precision}, {ratio:.2f}x as fast, {time_words(other.latency_ms)} ({source})"
    bought = f"{now}; more zeros would buy there: {_bought(profile.gains, other.speedups)}"
    lines = [bought if profile.gains else now]
    if other.fixed:
        lines.append(
            f"in {other.precision}, {other.fixed_share:.0%} of the time can never skip: {_reasons(other.fixed)}"
        )
    return lines


def _precision_advice(profile: ProfileData) -> str:
    best = recommended_precision(profile)
    if best == profile.precision:
        nearest = min(profile.precisions, key=lambda item: item.latency_ms)
        ratio = profile.latency_ms / nearest.latency_ms
        return f"{best}; {nearest.precision} would be {ratio:.2f}x as fast, which is not worth its rounding"
    other = next(item for item in profile.precisions if item.precision == best)
    ratio = profile.latency_ms / other.latency_ms
    if best == "int8":
        action = (
            f"'zeroskip optimize {printable(profile.model)} --data ... --precision int8' quantises within a budget of "
            "accuracy and measures it; '--precision auto' keeps float32 where that is no gain"
        )
    else:
        action = "needs no data: SessionOptions(precision='bf16')"
    return f"{best} would be {ratio:.2f}x as fast as {profile.precision}; {action}"


def _reasons(fixed: Sequence[FixedTime]) -> str:
    return ", ".join(_fixed_words(item) for item in fixed if item.share >= _LEAST_SHARE)


def _steady_lines(profile: ProfileData) -> list[str]:
    """Return what time goes to layers in which a few more zeros save nothing, by what they do instead."""
    lines = []
    for what, is_linear in (("3x3 layers by Winograd's algorithm", False), ("linear layers of several rows", True)):
        layers = [layer for layer in profile.layers if layer.is_steady and (layer.op == "linear") == is_linear]
        share = sum(layer.latency_share for layer in layers)
        if share < _LEAST_SHARE:
            continue
        densities = [layer.steady_density for layer in layers]
        low, high = min(filter(None, densities), default=0.0), max(filter(None, densities), default=0.0)
        span = f"{1 - high:.0%}" if low == high else f"{1 - high:.0%} to {1 - low:.0%}"
        lines.append(f"{share:.0%} of the time goes to {what}, where zeros save nothing until there are {span} of them")
    return lines


def _bought(gains: tuple[float, ...], factors: tuple[float, ...]) -> str:
    return ", ".join(f"+{100 * gain:.0f} points {factor:.2f}x" for gain, factor in zip(gains, factors, strict=True))


def _fixed_words(item: FixedTime) -> str:
    count = f", {item.steps} steps" if item.steps > 1 else ""
    return f"{item.reason} ({item.share:.0%}{count})"


def _advice(profile: ProfileData) -> str:
    index = expected_gain(profile)
    factor, points = profile.speedups[index], f"{100 * profile.gains[index]:.0f} points more zeros"
    if recommended(profile) == "exact":
        return f"the exact model; {points} would make it {factor:.2f}x as fast, not worth a loss of accuracy"
    return f"thresholds, by calibrate or finetune; {points} would make it {factor:.2f}x as fast"
