"""What a fine-tuning run minimises and what it is judged by."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from torch import Tensor, nn

from ..errors import DataError, ModelError
from ..learning.fatrelu import FATReLU
from .batches import Batch
from .recipe import Recipe
from .user_code import describe, reports

LossFunction = Callable[[Any, Any], Tensor]
"""From outputs and targets to the mean loss of the batch."""

MetricFunction = Callable[[Any, Any], "float | Tensor"]
"""From outputs and targets to the mean score of the batch, higher is better."""


class Objective:
    """Task loss, distillation from a teacher, and the metric.

    Args:
        recipe: Weights of the two.
        loss: Of outputs and targets; cross entropy by default.
        metric: Of outputs and targets; by default top-1 with targets, else agreement with the teacher.
        teacher: Dense model in evaluation mode; needed for distillation, and for a metric without targets.
    """

    def __init__(
        self, recipe: Recipe, loss: LossFunction | None, metric: MetricFunction | None, teacher: nn.Module | None
    ) -> None:
        self._recipe = recipe
        self._loss = loss or F.cross_entropy
        self._metric = metric
        self.teacher = teacher

    def loss(self, outputs: Any, batch: Batch) -> Tensor:
        """Return the loss of a batch.

        Raises:
            DataError: If there are no targets and they are needed.
        """
        share = self._recipe.distillation
        total = torch.zeros((), device=batch.x.device)
        if share < 1.0:
            if batch.y is None:
                raise DataError("the loader yields no targets: give some, or use distillation=1.0")
            total = total + (1.0 - share) * self._task_loss(outputs, batch)
        if share > 0.0 and self.teacher is not None:
            with torch.no_grad(), reports("the teacher", ModelError, lambda: f"inputs {describe(batch.x)}"):
                wanted = self.teacher(batch.x)
            with reports("distillation", DataError, lambda: f"outputs {describe(outputs)} and {describe(wanted)}"):
                total = total + share * distillation(outputs, wanted, self._recipe.temperature)
        return total

    def _task_loss(self, outputs: Any, batch: Batch) -> Tensor:
        own = self._checked_loss(outputs, batch.y)
        if batch.mixture is None:
            return own
        return torch.lerp(self._checked_loss(outputs, batch.mixture.y), own, batch.mixture.share)

    def _checked_loss(self, outputs: Any, targets: Any) -> Tensor:
        with reports("the loss", DataError, lambda: f"outputs {describe(outputs)} and targets {describe(targets)}"):
            value = self._loss(outputs, targets)
        if not isinstance(value, Tensor) or value.numel() != 1:
            raise DataError(
                f"the loss gave {describe(value)} for outputs {describe(outputs)} and targets {describe(targets)}; "
                "expected a tensor with one number, the mean over the batch"
            )
        return value.reshape(())

    def score(self, outputs: Any, batch: Batch) -> float:
        """Return the mean metric of a batch.

        Raises:
            DataError: If there is neither a target nor a teacher to compare with.
        """
        with reports("the metric", DataError, lambda: f"outputs {describe(outputs)} and targets {describe(batch.y)}"):
            if self._metric is not None:
                return float(self._metric(outputs, batch.y))
            wanted = batch.y
            if wanted is None:
                if self.teacher is None:
                    raise DataError("validation data without targets need a metric, or distillation")
                wanted = self.teacher(batch.x).argmax(dim=1)
            return float((outputs.argmax(dim=1) == wanted).float().mean())


def distillation(outputs: Tensor, wanted: Tensor, temperature: float) -> Tensor:
    """Return ``T^2 KL(teacher || student)`` at temperature T, averaged over the samples.

    Args:
        outputs: Logits of the student ``[N, classes, ...]``.
        wanted: Logits of the teacher.
        temperature: > 0.

    References:
        G. Hinton, O. Vinyals, J. Dean, "Distilling the Knowledge in a Neural Network", 2015.
    """
    student = F.log_softmax(outputs.float() / temperature, dim=1)
    teacher = F.log_softmax(wanted.float() / temperature, dim=1)
    divergence = (teacher.exp() * (teacher - student)).sum(dim=1).mean()
    return temperature**2 * divergence


def make_dense(model: nn.Module) -> nn.Module:
    """Set every threshold of a model to 0, put it into evaluation mode, and return it."""
    for module in model.modules():
        if isinstance(module, FATReLU):
            module.set_threshold(0.0)
    return model.eval().requires_grad_(False)
