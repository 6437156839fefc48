"""The README's measured parts: its first sentence and its table, between markers."""

from __future__ import annotations

from ..models.result import EXACT, THRESHOLDED, CaseResult
from . import numbers, trained
from .marks import between_marks
from .words import table

_PAGE = "docs/results/performance.md"
_WHAT = (
    "it measures how sparse their activations are, makes them sparser within\nan accuracy budget, and runs "
    "them with kernels that skip the zeros."
)
_SETTING = "CPU, threads, date"


def filled(text: str, cases: list[CaseResult]) -> str:
    """Return the README with its marked parts written anew; without results as it was.

    Args:
        text: The README.
        cases: All results.
    """
    known = [case for case in cases if case.kind == "trained" and case.bench.best_peer is not None]
    if not known:
        return text
    most = max(case.bench.threads for case in known)
    chosen = sorted((case for case in known if case.bench.threads == most), key=lambda case: case.accuracy is None)
    text = between_marks(text, "headline", _headline(chosen[0]) + "\n")
    return between_marks(text, "table", _table(chosen) + "\n")


def _headline(case: CaseResult) -> str:
    bench = case.bench
    assert bench.best_peer is not None
    label = THRESHOLDED if case.accuracy is not None else EXACT
    # Two decimals and the range: rounding 1.15 to 1.2, or hiding that a round was lost, would claim too much.
    over = bench.best_peer.label
    low, high = bench.speedup_range(label, over=over)
    ratio = f"[{bench.speedup(label, over=over):.2f}x]({_PAGE}) ({low:.2f}-{high:.2f} over the rounds)"
    cost = "with unchanged results"
    if case.accuracy is not None:
        points = 100 * (case.accuracy.baseline - case.accuracy.optimized)
        lost = f"{max(points, 0.0):.1f} points of {case.accuracy.metric}"
        cost = f"at a loss of {lost} on {case.accuracy.samples} held-out inputs"
    name, peer = numbers.network_name(case), numbers.peer_name(bench.best_peer)
    return (
        f"**zeroskip makes trained ReLU networks faster on CPUs**: {_WHAT}\n"
        f"{name} runs {ratio} as fast as on {peer},\nthe best other float32 engine, {cost}."
    )


def _table(cases: list[CaseResult]) -> str:
    rows = []
    for case in cases:
        bench = case.bench
        where = f"{bench.system.cpu}, {bench.threads}, {bench.date[:10]}"
        rows += [[*row, where] for row in trained.rows(case)]
    commands = "\n".join(f"`{command}`" for command in dict.fromkeys(case.command for case in cases))
    return f"{table([*trained.HEADER, _SETTING], rows)}\n\n{commands}; all numbers: [{_PAGE}]({_PAGE})"
