"""Putting scores and estimates into words; whole results are put together by whoever has them."""

from __future__ import annotations

from .records import DropEstimate, Score

METRIC_WORDS = {
    "top1": "top-1 accuracy",
    "agreement": "agreement with the original model",
    "fidelity": "fidelity to the original outputs",
}


def metric_words(metric: str) -> str:
    """Return what a metric is called: one of the package's own, or a function by its name."""
    return METRIC_WORDS.get(metric, metric)


def amount(metric: str, value: float) -> str:
    """Return a value of a metric: a share in per cent; a number where the metric is one's own and may be no share."""
    return f"{value:.2%}" if metric in METRIC_WORDS else f"{value:.4g}"


def loss_words(metric: str, estimate: DropEstimate | None, holdout: Score, max_drop: float | None) -> str:
    """Return what was lost, in sentences: the best estimate first, then what was counted on the holdout.

    Args:
        metric: Name of the metric.
        estimate: From both halves; None where there is none.
        holdout: What was counted.
        max_drop: Budget; None where a target was asked for.
    """
    counted = _counted(metric, holdout)
    if estimate is None:
        return f"{counted}."
    return f"{estimate_words(metric, estimate)}; {counted}.{excess_words(metric, estimate, max_drop)}"


def estimate_words(metric: str, estimate: DropEstimate) -> str:
    """Return the best estimate of the drop with its interval, and what it holds for."""
    moves = "falls" if estimate.drop >= 0.0 else "rises"
    likely = f"{metric_words(metric)} likely {moves} by {amount(metric, abs(estimate.drop))}"
    if estimate.interval is not None:
        likely += f" (95 % interval {interval_words(metric, estimate.interval)})"
    return f"{likely} on inputs like these {estimate.samples}"


def interval_words(metric: str, interval: tuple[float, float]) -> str:
    """Return both ends of an interval."""
    low, high = interval
    return f"{amount(metric, low)} to {amount(metric, high)}"


def excess_words(metric: str, estimate: DropEstimate, max_drop: float | None) -> str:
    """Return a sentence where the drop counted over both halves is above the budget, else nothing."""
    if max_drop is None or estimate.counted <= max_drop + 1e-9:
        return ""
    return (
        f" Counted over both halves the drop is {amount(metric, estimate.counted)}, above the budget of "
        f"{amount(metric, max_drop)}: half of these inputs guided the search."
    )


def changed_predictions(score: Score) -> int:
    """Return how many predictions differ, for the metric agreement."""
    return round((score.baseline - score.optimized) * score.samples)


def _counted(metric: str, score: Score) -> str:
    """Return what was counted on the holdout."""
    inputs = f"{score.samples} held-out inputs"
    if metric == "agreement":
        lost = f"{score.information_loss:.2%} of the information in the outputs lost"
        return f"counted on {inputs}: {changed_predictions(score)} predictions changed, {lost}"
    interval = "" if score.interval is None else f", interval {interval_words(metric, score.interval)}"
    before, after, drop = (amount(metric, value) for value in (score.baseline, score.optimized, score.drop))
    same = "" if score.agreement is None else f", {score.agreement:.2%} answered as by the original"
    return f"counted on {inputs}: {before} -> {after} (drop {drop}{interval}){same}"
