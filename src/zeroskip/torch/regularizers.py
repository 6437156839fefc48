"""Regularisers that watch the FATReLUs of a model: Hoyer-square, L1 and transformed L1. The formulae: `penalties`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from ..errors import RecipeError
from ..learning.fatrelu import fatrelus
from .penalties import hoyer_square, l1, transformed_l1


class ActivationRegularizer(ABC):
    """Watches the FATReLUs of a model and turns what they put out into one penalty per step.

    In a training loop of your own: after the forward pass ``loss = task_loss + regularizer.penalty()``. Only
    forward passes in training mode with gradients are watched.

    Args:
        model: Its FATReLUs are found by module path.
        strength: Factor on the penalty; an attribute, to be scheduled.
        layers: Module paths to watch; None for all.
        weights: Factor per module path, 1 where absent; see :func:`zeroskip.torch.time_weights`.

    Raises:
        RecipeError: If there is no FATReLU, a path is unknown, or a number is negative.
    """

    def __init__(
        self,
        model: nn.Module,
        strength: float = 1.0,
        *,
        layers: Sequence[str] | None = None,
        weights: Mapping[str, float] | None = None,
    ) -> None:
        known = fatrelus(model)
        if not known:
            raise RecipeError("the model has no FATReLU to regularise: call zeroskip.torch.replace_relu first")
        chosen = list(known) if layers is None else list(layers)
        if unknown := sorted({*chosen, *(weights or {})} - set(known)):
            raise RecipeError(f"unknown layers {unknown}; the FATReLUs of the model are {list(known)}")
        if not strength >= 0.0 or not all(value >= 0.0 for value in (weights or {}).values()):
            raise RecipeError(f"strength ({strength}) and layer weights must be >= 0, got {dict(weights or {})}")
        self._is_watching = True
        self.strength = strength
        self._pending: list[Tensor] = []
        # Of the mean over layers: adding a layer to a network does not change the strength to choose.
        self._handles: list[RemovableHandle] = [
            known[name].register_forward_hook(self._hook((weights or {}).get(name, 1.0) / len(chosen)))
            for name in chosen
        ]

    @property
    def strength(self) -> float:
        """Factor on the penalty; may be set at any time, 0 stops watching."""
        return self._strength

    @strength.setter
    def strength(self, value: float) -> None:
        self._strength = value
        self._is_watching = value > 0.0

    @abstractmethod
    def measure(self, x: Tensor) -> Tensor:
        """Return the penalty of one activation ``[N, ...]``, 0-dimensional float32."""

    def penalty(self) -> Tensor:
        """Return strength times the weighted mean over layers since the last call, and forget it; 0 if none."""
        pending, self._pending = self._pending, []
        if not pending or not self._is_watching:
            return torch.zeros(())
        return self.strength * torch.stack(pending).sum()

    def remove(self) -> None:
        """Stop watching."""
        for handle in self._handles:
            handle.remove()
        self._handles, self._pending = [], []

    def __enter__(self) -> ActivationRegularizer:
        return self

    def __exit__(self, *details: object) -> None:
        self.remove()

    def _hook(self, weight: float) -> Any:
        def watch(module: nn.Module, inputs: Any, output: Tensor) -> None:
            # The strength itself is not read here: torch.compile would compile anew whenever it changes.
            if self._is_watching and weight > 0.0 and module.training and torch.is_grad_enabled():
                self._pending.append(weight * self.measure(output))

        return watch


class HoyerSquare(ActivationRegularizer):
    """The penalty :func:`hoyer_square`: scale-free, pushes small values down and leaves the large ones."""

    def measure(self, x: Tensor) -> Tensor:
        """Return :func:`hoyer_square` of the activation."""
        return hoyer_square(x)


class L1(ActivationRegularizer):
    """The penalty :func:`l1`: pushes all values down alike."""

    def measure(self, x: Tensor) -> Tensor:
        """Return :func:`l1` of the activation."""
        return l1(x)


class TransformedL1(ActivationRegularizer):
    """The penalty :func:`transformed_l1`.

    Args:
        model: As for :class:`ActivationRegularizer`.
        strength: As there.
        a: Shape of the penalty, > 0.
        layers: As there.
        weights: As there.

    Raises:
        RecipeError: As there, or if ``a`` is not > 0.
    """

    def __init__(
        self,
        model: nn.Module,
        strength: float = 1.0,
        *,
        a: float = 1.0,
        layers: Sequence[str] | None = None,
        weights: Mapping[str, float] | None = None,
    ) -> None:
        if not a > 0.0:
            raise RecipeError(f"a of the transformed L1 penalty is {a}, expected > 0")
        self.a = a
        super().__init__(model, strength, layers=layers, weights=weights)

    def measure(self, x: Tensor) -> Tensor:
        """Return :func:`transformed_l1` of the activation."""
        return transformed_l1(x, self.a)


REGULARIZERS: dict[str, type[ActivationRegularizer]] = {
    "hoyer_square": HoyerSquare,
    "l1": L1,
    "transformed_l1": TransformedL1,
}
"""By the names that recipes use."""
