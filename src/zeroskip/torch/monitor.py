"""SparsityMonitor: how sparse each FATReLU is while a network trains, to be logged anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from ..errors import RecipeError
from ..learning.fatrelu import FATReLU, fatrelus


class SparsityMonitor:
    """Counts exact zeros at the outputs of a model's FATReLUs; reading it gives the sparsity since the last reading.

    Counts stay on the device until they are read, so watching does not make a GPU wait.

    Args:
        model: Its FATReLUs are found by module path.
        layers: Module paths to watch; None for all.

    Raises:
        RecipeError: If there is no FATReLU, or a path is unknown.

    Example:
        >>> model = nn.Sequential(FATReLU())  # doctest: +SKIP
        >>> with SparsityMonitor(model) as monitor:  # doctest: +SKIP
        ...     _ = model(torch.tensor([[-1.0, 2.0]]))
        ...     monitor.read()
        {'0': 0.5}
    """

    def __init__(self, model: nn.Module, layers: Sequence[str] | None = None) -> None:
        known = fatrelus(model)
        chosen = list(known) if layers is None else list(layers)
        if unknown := sorted(set(chosen) - set(known)):
            raise RecipeError(f"unknown layers {unknown}; the FATReLUs of the model are {list(known)}")
        if not chosen:
            raise RecipeError("the model has no FATReLU to watch: call zeroskip.torch.replace_relu first")
        self.is_active = True
        # Tensors that are added to in place, so that a compiled model needs no guard on what was counted before.
        self._nonzeros = {name: _counter(known[name]) for name in chosen}
        self._elements = {name: _counter(known[name]) for name in chosen}
        self._handles: list[RemovableHandle] = [known[name].register_forward_hook(self._hook(name)) for name in chosen]

    def read(self) -> dict[str, float]:
        """Return the sparsity in [0, 1] of each layer that has run since the last reading, and start anew."""
        found = {name: 1.0 - nonzeros / elements for name, (nonzeros, elements) in self.counts().items() if elements}
        self.reset()
        return found

    def counts(self) -> dict[str, tuple[int, int]]:
        """Return non-zeros and elements of each layer since the last reading, to be added up over processes."""
        return {name: (int(self._nonzeros[name]), int(count)) for name, count in self._elements.items()}

    def reset(self) -> None:
        """Forget what was counted."""
        for counter in (*self._nonzeros.values(), *self._elements.values()):
            counter.zero_()

    def remove(self) -> None:
        """Stop watching."""
        for handle in self._handles:
            handle.remove()
        self._handles = []

    def __enter__(self) -> SparsityMonitor:
        return self

    def __exit__(self, *details: object) -> None:
        self.remove()

    def _hook(self, name: str) -> Any:
        nonzeros, elements = self._nonzeros[name], self._elements[name]

        def watch(module: nn.Module, inputs: Any, output: Tensor) -> None:
            if self.is_active:
                nonzeros.add_(torch.count_nonzero(output.detach()))
                elements.add_(output.numel())

        return watch


def mean_sparsity(sparsities: dict[str, float]) -> float:
    """Return the unweighted mean over layers, 0 where there are none."""
    return sum(sparsities.values()) / len(sparsities) if sparsities else 0.0


def _counter(module: FATReLU) -> Tensor:
    return torch.zeros((), dtype=torch.int64, device=module.threshold.device)
