"""Which epoch's weights are kept, and when to stop."""

from __future__ import annotations

from typing import Any

from .recipe import Recipe


class Selection:
    """Compares epochs by a recipe's budget.

    With a budget an epoch within it beats one outside, and the sparser one wins; outside it, and without a budget,
    the higher metric does. Without validation data, or where the recipe says so, the last epoch wins. Epochs before the
    ramps are over count only until one after them is there: their thresholds are not what was asked for.

    Args:
        recipe: Budget, target and patience.
    """

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        self._best: tuple[float, ...] | None = None
        self._waited = 0
        self.best_epoch: int | None = None
        self.stop_reason: str | None = None

    def add(self, epoch: int, metric: float | None, baseline: float | None, sparsity: float, is_settled: bool) -> bool:
        """Take note of an epoch and return whether it is the best so far.

        Args:
            epoch: Its number.
            metric: On validation data, None without.
            baseline: Metric of the dense model.
            sparsity: Mean over layers.
            is_settled: Whether the ramps are over.
        """
        is_within = self._is_within_budget(metric, baseline)
        rank = self._rank(epoch, metric, sparsity, is_settled, is_within)
        is_best = self._best is None or rank > self._best
        if is_best:
            self._best, self.best_epoch = rank, epoch
        self._waited = 0 if is_best or not is_settled else self._waited + 1
        self.stop_reason = self._reason(epoch, sparsity, is_settled and is_within and metric is not None)
        return is_best

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint needs."""
        return {
            "best": None if self._best is None else list(self._best),
            "waited": self._waited,
            "best_epoch": self.best_epoch,
            "stop_reason": self.stop_reason,
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from :meth:`state`."""
        self._best = None if state["best"] is None else tuple(state["best"])
        self._waited, self.best_epoch = state["waited"], state["best_epoch"]
        self.stop_reason = state["stop_reason"]

    def _is_within_budget(self, metric: float | None, baseline: float | None) -> bool:
        if self._recipe.max_drop is None or metric is None or baseline is None:
            return True
        return metric >= baseline - self._recipe.max_drop

    def _rank(
        self, epoch: int, metric: float | None, sparsity: float, is_settled: bool, is_within: bool
    ) -> tuple[float, ...]:
        if metric is None or self._recipe.keep == "last":
            return (float(is_settled), 1.0, float(epoch))
        by_sparsity = self._recipe.max_drop is not None and is_within
        return (float(is_settled), float(is_within), sparsity if by_sparsity else metric)

    def _reason(self, epoch: int, sparsity: float, counts: bool) -> str | None:
        target, patience = self._recipe.target_sparsity, self._recipe.patience
        if target is not None and counts and sparsity >= target:
            return f"target sparsity {target:.1%} reached within the budget in epoch {epoch + 1}"
        if patience is not None and self._waited >= patience:
            return f"no better epoch for {patience} epochs: stopped after epoch {epoch + 1}"
        return None
