"""Prospects: what more zeros would buy, what they never can, and what is recommended, in words."""

from __future__ import annotations

from typing import Literal

from .records import FixedTime, ProfileData

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


def prospect_lines(profile: ProfileData) -> list[str]:
    """Return what more zeros would buy in each precision, which time they never save and why, and the advice."""
    lines = []
    if profile.gains:
        lines.append(f"more zeros would buy ({profile.precision}): {_bought(profile.gains, profile.speedups)}")
    for other in profile.precisions:
        factors = tuple(other.latency_ms / latency for latency in other.predicted_latency_ms)
        ratio = profile.latency_ms / other.latency_ms
        lines.append(f"in {other.precision}, {ratio:.2f}x as fast already: {_bought(profile.gains, factors)}")
    if profile.fixed:
        reasons = ", ".join(_fixed_words(item) for item in profile.fixed if item.share >= _LEAST_SHARE)
        lines.append(f"{profile.fixed_share:.0%} of the time can never skip: {reasons}")
    lines += _steady_lines(profile)
    if profile.gains and profile.is_noisy:
        lines.append(
            f"times of layers are uncertain by {profile.timing_error:.0%}, because other work disturbed them: measure "
            "again when the machine is idle before you go by what zeros would buy"
        )
    if profile.gains:
        lines.append(f"recommended: {_advice(profile)}")
    return lines


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
