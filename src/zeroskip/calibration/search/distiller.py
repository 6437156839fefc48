"""Distillation after block-wise learning: weights only, end to end, kept only where held-back damage falls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...journal import Arrays, digest
from ...progress import Progress
from ...system import installed_version
from ..judging.outputs import Outputs
from ..problem import Setting
from ..records import DistillationTrial
from .finder import Finder, Found, is_better, judged
from .torch_threads import torch_threads

if TYPE_CHECKING:
    from torch import Tensor

    from ...learning import GraphModule
    from ...learning.learnt import Learnt

_FEWEST = 6
_HELD_BACK = 3
"""One in so many inputs is held back."""


class Distiller:
    """Distils the weights of what was found.

    Args:
        setting: Model, data, metric and options.
        finder: Searches again with the new weights.
        module: The network as it is.
        inputs: float32 ``[N, ...]``, of the calibration data.
        progress: Told of each step.
    """

    def __init__(
        self,
        setting: Setting,
        finder: Finder,
        module: GraphModule,
        inputs: NDArray[np.float32],
        progress: Progress | None = None,
    ) -> None:
        self._setting, self._finder, self._module, self._progress = setting, finder, module, progress
        self._inputs = inputs

    def improve(self, found: Found) -> DistillationTrial | None:
        """Put distilled weights in the place of those found, where they do less damage and let more be saved.

        Args:
            found: Confirmed, and in agreement with the network; changed if the weights are kept.

        Returns:
            What came of it; None if there is nothing to distil or too little to distil from.
        """
        if found.strength <= 0.0 or len(self._inputs) < _FEWEST:
            return None
        distilled = self._distilled(found)
        before, after = distilled.errors["before"], distilled.errors["after"]
        is_kept = after < before and self._take(found, distilled)
        return DistillationTrial(inputs=distilled.inputs, damage_before=before, damage_after=after, is_kept=is_kept)

    def _take(self, found: Found, distilled: Learnt) -> bool:
        """Search again with the weights; return whether that goes further, else leave all as it was."""
        network, finder, is_kept = self._setting.network, self._finder, False
        before = judged(found.search, found.strength)
        network.set_weights(distilled.layers)
        try:
            search = found.search.again(min(found.search.lowest or found.strength, found.strength))
            strength = finder.confirmed(search, finder.reach(search))
            is_kept = strength > 0.0 and is_better(judged(search, strength), before, search.budget)
            if is_kept:
                found.put(search, strength, distilled.layers)
                found.is_distilled = True
        finally:
            if not is_kept:
                network.set_weights(found.layers or {})
        return is_kept

    def _distilled(self, found: Found) -> Learnt:
        from ...learning.learnt import Learnt

        setting = self._setting
        seed, threads = setting.options.seed, setting.network.program.num_threads

        def distil() -> Arrays:
            with torch_threads(threads):
                return self._run(found, seed).to_arrays()

        def key() -> bytes:
            versions = [installed_version(package) for package in ("zeroskip", "torch")]
            layers = {name: [layer.weight, layer.bias] for name, layer in (found.layers or {}).items()}
            parts = (setting.identity, self._inputs, dict(found.thresholds), layers, seed, threads)
            return digest("distillation", versions, *parts)

        return Learnt.from_arrays(setting.work.recall(key, distil))

    def _run(self, found: Found, seed: int) -> Learnt:
        import torch

        from ...learning.distillation import distill_weights
        from ...learning.learnt import Learnt

        inputs = torch.from_numpy(self._inputs)
        is_held = np.arange(len(inputs)) % _HELD_BACK == _HELD_BACK - 1
        student = self._module.duplicate()
        student.set_layers(found.layers or {})
        for name, value in found.thresholds.items():
            student.rectifier(name).set_threshold(value)
        reference = self._outputs(self._module, inputs)
        targets = torch.from_numpy(reference[self._module.outputs[0]])
        held = Outputs({name: values[is_held] for name, values in reference.items()})
        before = self._damage(student, inputs[is_held], held)
        layers = distill_weights(
            student, inputs[~is_held], targets[~is_held], seed=seed,
            progress=self._setting.work.watched(self._progress),
        )  # fmt: skip
        errors: Mapping[str, float] = {"before": before, "after": self._damage(student, inputs[is_held], held)}
        return Learnt(price=0.0, thresholds={}, layers=layers, errors=errors, inputs=int((~is_held).sum()))

    def _damage(self, student: GraphModule, inputs: Tensor, reference: Outputs) -> float:
        return float(self._setting.metric.information_loss(reference, self._outputs(student, inputs)))

    def _outputs(self, module: GraphModule, inputs: Tensor) -> Outputs:
        import torch

        size = self._setting.network.batch_size
        with torch.no_grad():
            parts = [module(inputs[start : start + size]) for start in range(0, len(inputs), size)]
        columns = zip(*parts, strict=True)
        named = zip(module.outputs, columns, strict=True)
        return Outputs({name: np.asarray(torch.cat(column).numpy(), np.float32) for name, column in named})
