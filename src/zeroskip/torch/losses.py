"""Losses and metrics by name, for the command line; any other is named as MODULE:FUNCTION."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from torch import Tensor

from ..errors import RecipeError
from .module_files import find_attribute
from .objective import LossFunction, MetricFunction


def binary_cross_entropy(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return the mean binary cross entropy of logits; targets of the same shape, or without a last axis of one."""
    return F.binary_cross_entropy_with_logits(outputs, _like(outputs, targets))


def mean_squared_error(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return the mean squared error."""
    return F.mse_loss(outputs, _like(outputs, targets))


def mean_absolute_error(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return the mean absolute error."""
    return F.l1_loss(outputs, _like(outputs, targets))


def top1(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return the share of samples whose largest output is the target's."""
    return (outputs.argmax(dim=1) == targets).float().mean()


def top5(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return the share of samples whose target is among the five largest outputs."""
    best = outputs.topk(min(5, outputs.shape[1]), dim=1).indices
    return (best == targets[:, None]).any(dim=1).float().mean()


def binary_accuracy(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return the share of logits on the right side of 0."""
    return ((outputs > 0) == (_like(outputs, targets) > 0.5)).float().mean()


def negative_absolute_error(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return minus the mean absolute error: higher is better."""
    return -mean_absolute_error(outputs, targets)


LOSSES: dict[str, LossFunction] = {
    "cross_entropy": F.cross_entropy,
    "binary_cross_entropy": binary_cross_entropy,
    "mse": mean_squared_error,
    "mae": mean_absolute_error,
}
METRICS: dict[str, MetricFunction] = {
    "top1": top1,
    "top5": top5,
    "binary_accuracy": binary_accuracy,
    "mae": negative_absolute_error,
}


def find_loss(name: str) -> LossFunction:
    """Return a loss by its name or as ``MODULE:FUNCTION``.

    Raises:
        RecipeError: If there is none.
    """
    return LOSSES[name] if name in LOSSES else _own("loss", name, list(LOSSES))


def find_metric(name: str) -> MetricFunction:
    """Return a metric by its name or as ``MODULE:FUNCTION``.

    Raises:
        RecipeError: If there is none.
    """
    return METRICS[name] if name in METRICS else _own("metric", name, list(METRICS))


def _own(what: str, name: str, known: list[str]) -> LossFunction:
    if ":" not in name:
        raise RecipeError(f"there is no {what} '{name}'; there are {', '.join(known)}, or your own as MODULE:FUNCTION")
    found = find_attribute(name)
    if isinstance(found, type) and issubclass(found, torch.nn.Module):
        found = found()
    if not callable(found):
        got = type(found).__name__
        raise RecipeError(f"the {what} '{name}' is a {got}, expected a function of outputs and targets")
    result: LossFunction = found
    return result


def _like(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return targets in the outputs' type, with a last axis of one where these have it."""
    wanted = targets.to(outputs.dtype)
    return wanted[..., None] if wanted.ndim + 1 == outputs.ndim and outputs.shape[-1] == 1 else wanted
