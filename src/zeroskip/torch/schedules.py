"""What changes during a run: learning rate, strength of the penalty, thresholds, slope of the smooth forms."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..errors import RecipeError
from ..learning.fatrelu import FATReLU, fatrelus
from .recipe import Recipe
from .regularizers import ActivationRegularizer

_BASE = "base_rate"


class Schedules:
    """Sets everything that a recipe schedules, given the share of the run that is done.

    Args:
        recipe: The schedules.
        model: Whose fixed thresholds are the targets of the ramp.
        optimizer: Made by :func:`new_optimizer`.
        regularizer: The penalty, or None.
    """

    def __init__(
        self,
        recipe: Recipe,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        regularizer: ActivationRegularizer | None,
    ) -> None:
        self._recipe = recipe
        self._modules = fatrelus(model)
        self._optimizer = optimizer
        self._regularizer = regularizer
        self.targets: dict[str, Tensor] = {
            name: module.threshold.detach().clone() for name, module in self._modules.items() if not module.is_learnable
        }

    def set_targets(self, targets: dict[str, Tensor]) -> None:
        """Take the targets of an earlier part of the run.

        Raises:
            ValueError: If they are of other modules or shapes.
        """
        if not isinstance(targets, dict) or targets.keys() != self.targets.keys():
            raise ValueError("the targets of the ramp are not those of this model")
        for name, target in targets.items():
            if not isinstance(target, Tensor) or target.shape != self.targets[name].shape:
                raise ValueError(f"the target of '{name}' is not of shape {tuple(self.targets[name].shape)}")
        self.targets = targets

    @property
    def ramps_end(self) -> float:
        """Share of the run after which thresholds and strength no longer change."""
        has_thresholds = any(bool(value.any()) for value in self.targets.values())
        ramps = [self._recipe.threshold_ramp] if has_thresholds else []
        return max([*ramps, self._recipe.strength_ramp if self._regularizer else 0.0])

    def apply(self, share: float) -> None:
        """Set everything for ``share`` of the run done, in [0, 1]."""
        rate = self._recipe.learning_rate_at(share)
        for group in self._optimizer.param_groups:
            group["lr"] = rate * group[_BASE]
        if self._regularizer is not None:
            self._regularizer.strength = self._recipe.strength_at(share)
        for name, target in self.targets.items():
            self._modules[name].threshold.copy_(target * self._recipe.threshold_share_at(share))
        for module in self._modules.values():
            if module.form != "hard" or module.is_learnable:
                module.set_slope(self._recipe.slope_at(share))


def new_optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """Return the optimizer with weight decay on weights only; learnt thresholds have a learning rate of their own."""
    thresholds = {id(module.threshold) for module in model.modules() if isinstance(module, FATReLU)}
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not parameters:
        raise RecipeError("no parameter of the model can be trained: none has requires_grad set")
    weights = [parameter for parameter in parameters if parameter.ndim > 1]
    learnt = [parameter for parameter in parameters if id(parameter) in thresholds]
    others = [parameter for parameter in parameters if parameter.ndim <= 1 and id(parameter) not in thresholds]
    groups = [
        {"params": weights, "weight_decay": recipe.weight_decay, _BASE: 1.0},
        {"params": others, "weight_decay": 0.0, _BASE: 1.0},
        {"params": learnt, "weight_decay": 0.0, _BASE: recipe.threshold_learning_rate},
    ]
    used = [group for group in groups if group["params"]]
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(used, lr=recipe.learning_rate, momentum=recipe.momentum, nesterov=recipe.momentum > 0.0)
    kind = torch.optim.AdamW if recipe.optimizer == "adamw" else torch.optim.Adam
    return kind(used, lr=recipe.learning_rate)
