"""Putting a :class:`SparsityProfile` into words and into a plain-text table."""

from __future__ import annotations

from collections.abc import Sequence

from ..text import printable, time_cell, time_words
from .prospects import expected_gain, prospect_lines
from .records import LayerSparsity, PrecisionTimes, ProfileData, Reference

_CLEARLY_FASTER = 1.10
_NOTICEABLE = 1.03


def verdict(profile: ProfileData) -> str:
    """Return one sentence that answers "will my model get faster, and by how much?"."""
    if not profile.skippable_macs:
        return _nothing_to_skip(profile)
    answer = f"{_answer(profile)}; {_prospect(profile)}." if profile.gains else f"{_answer(profile)}."
    if profile.is_random_input:
        answer += " The inputs were noise, so none of this holds for real data."
    return answer


def _nothing_to_skip(profile: ProfileData) -> str:
    if profile.given_up:
        return f"No: the model is left to ONNX Runtime, whose time it takes. {profile.given_up}."
    why = profile.reason or "none of its activations feeds a layer that can skip zeros"
    return f"No: there is nothing to sparsify in this model ({why}), so nothing is skipped."


def _answer(profile: ProfileData) -> str:
    zeros = f"{profile.sparsity:.0%} of the multiplications that can be skipped are by zero on this data"
    reference = profile.reference
    if reference is None:
        if profile.dense_latency_ms is None:
            return zeros
        factor = profile.dense_latency_ms / profile.latency_ms
        return (
            f"{_word(factor)}: {zeros}, and zeroskip needs {time_words(profile.latency_ms)} where it would need "
            f"about {time_words(profile.dense_latency_ms)} without skipping ({factor:.2f}x), results unchanged"
        )
    return _compared(reference, zeros)


def _compared(reference: Reference, zeros: str) -> str:
    gain = reference.gain
    span = f"{gain.low:.2f}x to {gain.high:.2f}x"
    if not reference.is_reliable:
        return (
            f"{_unsure_word(gain.low, gain.high)}: {zeros}, but the machine is too busy to say by how much: zeroskip's "
            f"speed-up over {reference.engine} came out from {span}; measure again when it is idle"
        )
    busy = ", on a machine that others were using" if reference.is_busy else ""
    return (
        f"{_word(gain.low if gain.ratio >= 1.0 else gain.ratio)}: {zeros}, and zeroskip needs "
        f"{time_words(reference.zeroskip_latency_ms)} where {reference.engine} needs "
        f"{time_words(reference.latency_ms)} ({gain.ratio:.2f}x, {span}{busy}), results unchanged"
    )


def _unsure_word(low: float, high: float) -> str:
    if low >= _CLEARLY_FASTER:
        return "Yes"
    return "Not as it is" if high < _NOTICEABLE else "Perhaps"


def _word(factor: float) -> str:
    if factor >= _CLEARLY_FASTER:
        return "Yes"
    return "Hardly" if factor >= _NOTICEABLE else "Not as it is"


def _prospect(profile: ProfileData) -> str:
    """Say what more sparsity would bring, at the gain nearest to twenty points."""
    index = expected_gain(profile)
    factor = profile.latency_ms / profile.predicted_latency_ms[index]
    points = round(100 * profile.gains[index])
    if profile.reference is None or not profile.reference.is_reliable:
        return f"{points} points more sparsity would make it about {factor:.2f}x faster still"
    latency = profile.reference.zeroskip_latency_ms / factor
    overall = profile.reference.latency_ms / latency
    return f"{points} points more sparsity would bring about {time_words(latency)} ({overall:.2f}x)"


def as_text(profile: ProfileData) -> str:
    """Return the profile as a plain-text table of its layers with totals and the verdict."""
    header = ["layer", "MMACs", "sparsity", "ms", "share", *(f"+{100 * gain:.0f}" for gain in profile.gains)]
    rows = [header, *(_row(layer) for layer in profile.layers)]
    total = [
        "all steps",
        f"{profile.macs / 1e6:.1f}",
        f"{profile.sparsity:.1%}",
        time_cell(profile.latency_ms),
        "",
    ]
    rows.append([*total, *(time_cell(latency) for latency in profile.predicted_latency_ms)])
    settings = f"batch {profile.batch_size}, {profile.threads} threads, {profile.isa}, {profile.cpu}"
    parts = [_aligned(rows), f"{printable(profile.data)}; {settings}"]
    parts += [_aligned(_precision_rows(profile, other)) for other in profile.precisions]
    return "\n".join([*parts, *prospect_lines(profile), verdict(profile)])


def _precision_rows(profile: ProfileData, other: PrecisionTimes) -> list[list[str]]:
    """Return the table of another precision: every layer's time in it now and with more zeros."""
    mark = " (predicted)" if other.is_predicted else ""
    gains = [f"+{100 * gain:.0f}" for gain in profile.gains]
    rows = [[f"in {other.precision}{mark}", profile.precision, other.precision, *gains]]
    for layer in profile.layers:
        if layer.name in other.layers:
            times = (layer.latency_ms, *other.layers[layer.name])
            rows.append([printable(layer.title), *(time_cell(time) for time in times)])
    totals = (profile.latency_ms, other.latency_ms, *other.predicted_latency_ms)
    return [*rows, ["all steps", *(time_cell(time) for time in totals)]]


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    """Return rows as lines with the first column on the left and the others on the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    return "\n".join(lines)


def _row(layer: LayerSparsity) -> list[str]:
    return [
        printable(layer.title),
        f"{layer.macs / 1e6:.1f}",
        "-" if layer.input_sparsity is None else f"{layer.input_sparsity:.1%}",
        time_cell(layer.latency_ms),
        f"{layer.latency_share:.1%}",
        *(time_cell(latency) for latency in layer.predicted_ms),
    ]
