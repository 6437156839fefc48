"""Putting scores and estimates into words; whole results are put together by whoever has them."""

from __future__ import annotations

from collections.abc import Sequence

from .records import DropEstimate, Score

METRIC_WORDS = {
    "top1": "top-1 accuracy",
    "agreement": "agreement with the original model",
    "fidelity": "fidelity to the original outputs",
    "binary": "accuracy of yes and no",
    "multilabel": "F1 over labels, mean over inputs",
    "miou": "mean intersection over union",
    "detection": "mean average precision",
    "cosine": "mean cosine to the original",
    "neighbours": "nearest neighbours kept",
    "recall1": "recall@1",
    "verification": "verification accuracy",
    "sequence": "sequence accuracy (one minus the error rate)",
}


def metric_words(metric: str) -> str:
    """Return what a metric is called: one of the package's own, or a function by its name."""
    if metric == "mae":
        return "the negative of the mean absolute error"
    return METRIC_WORDS.get(metric, f"top-{metric[3:]} accuracy" if _is_top(metric) else metric)


def amount(metric: str, value: float) -> str:
    """Return a value of a metric: a share in per cent; a number where the metric is one's own and may be no share."""
    return f"{value:.2%}" if metric in METRIC_WORDS or _is_top(metric) else f"{value:.4g}"


def _is_top(metric: str) -> bool:
    return metric.startswith("top") and metric[3:].isdigit()


def loss_words(metric: str, estimate: DropEstimate | None, holdout: Score) -> str:
    """Return what was lost, in one sentence: the best estimate first, then what was counted on the holdout.

    Args:
        metric: Name of the metric.
        estimate: From both halves; None where there is none.
        holdout: What was counted.
    """
    counted = counted_words(metric, holdout)
    return f"{counted}." if estimate is None else f"{estimate_words(metric, estimate)}; {counted}."


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


def noise_words(error: float) -> str:
    """Return what noisy times of layers mean for a search that goes by them.

    Args:
        error: Relative standard error of the times.
    """
    return (
        f"the times of layers that say which zeros pay are uncertain by {error:.0%}, because other work disturbed "
        "them, so another run may choose other layers: calibrate again when the machine is idle, or go by the cost "
        "model (--costs model)"
    )


def bounded_words(
    metric: str, max_drop: float | None, max_information_loss: float | None, judged: str, guarded: Sequence[str]
) -> str:
    """Return what was bounded.

    Args:
        metric: Name of the metric.
        max_drop: By how much it may fall; None leaves it open.
        max_information_loss: How much of the information in the outputs may be lost; None leaves it open.
        judged: Name of the output that the metric judges; empty for all.
        guarded: Names of the outputs whose information is bounded.
    """
    text = metric_words(metric) + (f" of output '{judged}'" if judged else "")
    if max_drop is not None:
        text += f" may drop by {amount(metric, max_drop)}"
    if max_information_loss is not None:
        names = f" {', '.join(repr(name) for name in guarded)}" if guarded else ""
        text += f", and {max_information_loss:.2%} of the information in the outputs{names} may be lost"
    return text


def excess_words(metric: str, pooled_drop: float, max_drop: float | None) -> str:
    """Return a sentence, with a space before it, where the drop counted over both halves is above the budget.

    Args:
        metric: Name of the metric.
        pooled_drop: What was counted over both halves.
        max_drop: Budget; None where a target was asked for.
    """
    if max_drop is None or pooled_drop <= max_drop + 1e-9:
        return ""
    return (
        f" Counted over both halves the drop is {amount(metric, pooled_drop)}, above the budget of "
        f"{amount(metric, max_drop)}: what is counted on few inputs is partly luck."
    )


def counted_words(metric: str, score: Score) -> str:
    """Return what was counted on the holdout."""
    inputs = f"{score.samples} held-out inputs"
    if metric == "agreement":
        lost = f"{score.information_loss:.2%} of the information in the outputs lost"
        changed = round(score.drop * score.samples)
        interval = "" if score.interval is None else f" (95 % interval {interval_words(metric, score.interval)})"
        what = {0: "no prediction", 1: "1 prediction"}.get(changed, f"{changed} predictions")
        return f"counted on {inputs}: {what} changed{interval}, {lost}"
    interval = "" if score.interval is None else f", interval {interval_words(metric, score.interval)}"
    before, after, drop = (amount(metric, value) for value in (score.baseline, score.optimized, score.drop))
    same = "" if score.agreement is None else f", {score.agreement:.2%} answered as by the original"
    if score.neighbours is not None and metric != "neighbours":
        same += f", {score.neighbours:.2%} of nearest neighbours kept"
    return f"counted on {inputs}: {metric_words(metric)} {before} -> {after} (drop {drop}{interval}){same}"
