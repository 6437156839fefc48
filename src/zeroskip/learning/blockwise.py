"""Block-wise learning: thresholds and weights of one block after the other, without labels.

Each block gets the outputs of the sparse blocks before it and learns to give what the dense network gives, while its
activations pay a price for their density. One price, the same everywhere, shares the zeros out among layers: no layer
is probed and nothing is searched but the price. Learning thresholds end to end does not work: it moves all channels
alike and ruins the allocation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from ..progress import Progress, Steps
from .blocks import Block, cut_blocks
from .functional import along_channels
from .graph_module import GraphModule
from .learnt import Learnt
from .schedule import rate_at

_LEAST = 1e-12
"""Scale taken for what is zero everywhere."""
_FEWEST = 4
"""Inputs that every step takes, however large their maps."""


@dataclass(frozen=True)
class LearningOptions:
    """How a block is learnt. The defaults are measured ones; see docs/calibration.md.

    Attributes:
        steps: Of Adam, per block.
        batch_size: Inputs per step, at most.
        step_values: Values that the largest map of a step may have: blocks with large maps, whose every input has many
            places to learn from, take fewer inputs per step.
        weight_rate: Learning rate of weights, in units of a weight's root mean square.
        threshold_rate: Of thresholds, in units of an activation's root mean square.
        start: Thresholds to begin with, in the same unit.
        window: Width of the window around a threshold in which values give it a gradient, in the same unit.
        max_bytes: What the values between two blocks may take, in all; fewer inputs are taken rather than more.
    """

    steps: int = 25
    batch_size: int = 16
    step_values: int = 1 << 20
    weight_rate: float = 5e-4
    threshold_rate: float = 5e-2
    start: float = 0.1
    window: float = 0.5
    max_bytes: int = 1 << 30


def learn_blocks(
    dense: GraphModule,
    inputs: Tensor,
    shares: Mapping[str, float],
    price: float,
    options: LearningOptions | None = None,
    *,
    seed: int = 0,
    progress: Progress | None = None,
) -> Learnt:
    """Learn thresholds and weights for one price of density.

    Args:
        dense: The network as it is; not changed. Its thresholds are what learnt ones are not allowed to fall below.
        inputs: float32 ``[N, ...]`` of the model's only input.
        shares: What the density of an activation costs, by activation, >= 0; about 1 in all. Those left out keep
            their thresholds.
        price: What a density of 1 everywhere costs, in units of relative squared error, > 0.
        options: How to learn.
        seed: Of the order of the inputs.
        progress: Told of each block.

    Raises:
        ShapeError: If the inputs do not fit the model.
        UnsupportedOperatorError: If the engine does not run the model natively.
    """
    options = options or LearningOptions()
    return _Learning(dense, inputs, shares, price, options, seed).run(progress)


class _Learning:
    """One run of :func:`learn_blocks`; the arguments are its."""

    def __init__(
        self,
        dense: GraphModule,
        inputs: Tensor,
        shares: Mapping[str, float],
        price: float,
        options: LearningOptions,
        seed: int,
    ) -> None:
        self._dense, self._student = dense, dense.duplicate()
        self._shares, self._price, self._options = shares, price, options
        self._generator = torch.Generator().manual_seed(seed)
        self._thresholds: dict[str, nn.Parameter] = {}
        self._windows: dict[str, float] = {}
        self._errors: dict[str, float] = {}
        self._batch = min(options.batch_size, len(inputs))
        nodes = dense.nodes([(self._batch, *inputs.shape[1:])])
        blocks = cut_blocks(nodes, dense.inputs, dense.outputs, shares, dense.layer_names)
        last = max((place for place, block in enumerate(blocks) if block.activations), default=-1)
        self._blocks, self._rest = blocks[: last + 1], blocks[last + 1 :]
        if inputs.ndim == 4:  # a third faster than rows of planes, and results keep it
            inputs = inputs.contiguous(memory_format=torch.channels_last)
        self._inputs = inputs[: self._affordable(inputs) // self._batch * self._batch]

    def run(self, progress: Progress | None) -> Learnt:
        """Learn all blocks."""
        steps = Steps(progress, "learning blocks", len(self._blocks))
        live = {self._dense.inputs[0]: self._inputs}
        goals = dict(live)
        for place, block in enumerate(self._blocks):
            rest = (*self._blocks[place + 1 :], *self._rest)
            wanted = {name for later in rest for name in later.reads}
            targets = self._through(self._dense, block, goals)
            if block.activations:
                self._learn(block, live, targets)
            results = self._through(self._student, block, live)
            live = {name: value for name, value in (live | results).items() if name in wanted}
            goals = {name: value for name, value in (goals | targets).items() if name in wanted}
            steps.advance()
        steps.finish()
        touched = [name for block in self._blocks if block.activations for name in block.layers]
        weights = self._student.layer_weights()
        return Learnt(
            price=self._price,
            thresholds={name: self._student.rectifier(name).threshold_value() for name in self._thresholds},
            layers={name: weights[name] for name in touched},
            errors=self._errors,
            inputs=len(self._inputs),
        )

    def _learn(self, block: Block, live: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> None:
        """Fit thresholds and weights of one block."""
        batch = self._place_thresholds(block, live)
        variances = {name: max(float(value.var()), _LEAST) for name, value in targets.items()}
        optimizer = self._optimizer(block)
        rates = [group["lr"] for group in optimizer.param_groups]
        errors = []
        for step in range(self._options.steps):
            chosen = torch.randint(len(self._inputs), (batch,), generator=self._generator)
            values = {name: live[name][chosen] for name in block.reads}
            density = self._student_pass(block, values)
            squares = [
                (values[name] - targets[name][chosen]).square().mean() / variance
                for name, variance in variances.items()
            ]
            error = torch.stack(squares).sum()
            loss: Any = error + self._price * density
            optimizer.zero_grad()
            loss.backward()
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate * rate_at(step, self._options.steps)
            optimizer.step()
            errors.append(float(error.detach()))
        self._errors[block.nodes[-1].name] = float(np.mean(errors[-10:]))
        for name in block.activations:
            self._student.rectifier(name).set_threshold(self._thresholds[name].detach().clamp(min=0.0).flatten())

    def _student_pass(self, block: Block, values: dict[str, Tensor]) -> Tensor:
        """Carry out a block on values, in place; return the price-weighted density of its activations."""
        densities = []

        def rectify(name: str, x: Tensor) -> Tensor:
            module = self._student.rectifier(name)
            if name not in block.activations:
                kept: Tensor = module(x)
                return kept
            threshold = along_channels(self._thresholds[name], x.ndim, module.channel_dim).clamp(min=0.0)
            y: Tensor
            y, density = _Jump.apply(x, threshold, self._windows[name])  # type: ignore[no-untyped-call]
            densities.append(self._shares[name] * density)
            return y if module.max_value is None else y.clamp(max=module.max_value)

        self._student.run(values, block.nodes, {*block.leaves}, rectify)
        return torch.stack(densities).sum()

    def _place_thresholds(self, block: Block, live: Mapping[str, Tensor]) -> int:
        """Begin with thresholds at a fraction of each activation's scale, or with those that are there, if higher.

        Returns:
            Inputs per step that the block's largest map allows.
        """
        seen: dict[str, Tensor] = {}

        def rectify(name: str, x: Tensor) -> Tensor:
            module = self._student.rectifier(name)
            seen[name] = x
            y: Tensor = module(x)
            return y

        with torch.no_grad():
            values = {name: live[name][: self._batch] for name in block.reads}
            self._student.run(values, block.nodes, None, rectify)
        for name in block.activations:
            module, x = self._student.rectifier(name), seen[name]
            scale = max(float(x.clamp(min=0.0).square().mean().sqrt()), _LEAST)
            channels = x.shape[module.channel_dim]
            start = torch.full((channels,), self._options.start * scale).maximum(module.threshold.detach())
            self._thresholds[name] = nn.Parameter(start)
            self._windows[name] = self._options.window * scale
        largest = max(values[name].numel() for node in block.nodes for name in node.outputs) // self._batch
        return min(self._batch, max(_FEWEST, self._options.step_values // max(1, largest)))

    def _optimizer(self, block: Block) -> torch.optim.Adam:
        groups = []
        for name in block.layers:
            weight, bias = self._student.layer(name)
            rate = self._options.weight_rate * max(float(weight.detach().square().mean().sqrt()), _LEAST)
            groups.append({"params": [weight], "lr": rate})
            spread = max(float(bias.detach().square().mean().sqrt()), float(weight.detach().square().mean().sqrt()))
            groups.append({"params": [bias], "lr": self._options.weight_rate * max(spread, _LEAST)})
        for name in block.activations:
            rate = self._options.threshold_rate * self._windows[name] / self._options.window
            groups.append({"params": [self._thresholds[name]], "lr": rate})
        return torch.optim.Adam(groups, betas=(0.9, 0.99), eps=1e-12)

    def _through(self, module: GraphModule, block: Block, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return what later blocks read of a block, for all inputs."""
        parts: dict[str, list[Tensor]] = {name: [] for name in block.leaves}
        with torch.no_grad():
            for start in range(0, len(self._inputs), self._batch):
                part = {name: values[name][start : start + self._batch] for name in block.reads}
                module.run(part, block.nodes, {*block.leaves})
                for name in block.leaves:
                    parts[name].append(part[name])
        return {name: torch.cat(pieces) for name, pieces in parts.items()}

    def _affordable(self, inputs: Tensor) -> int:
        """Return how many inputs keep the values between two blocks, dense and sparse, within the memory allowed."""
        values = {self._dense.inputs[0]: inputs[: self._batch]}
        most = 1
        with torch.no_grad():
            for place, block in enumerate(self._blocks):
                self._dense.run(values, block.nodes)
                rest = (*self._blocks[place + 1 :], *self._rest)
                wanted = {name for later in rest for name in later.reads}
                values = {name: value for name, value in values.items() if name in wanted}
                most = max(most, sum(value.nbytes for value in values.values()))
        per_input = 2 * most / self._batch
        return max(self._batch, min(len(inputs), int(self._options.max_bytes / per_input)))


class _Jump(torch.autograd.Function):
    """FATReLU and its density; both get the threshold a gradient from the values in a window around it.

    Weights do not feel the density: with a gradient of it they learn to shrink instead of to sort.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, threshold: Tensor, window: float) -> tuple[Tensor, Tensor]:
        kept = x > threshold
        near = (x - threshold).abs_() < window / 2
        ctx.save_for_backward(threshold, kept, near)
        ctx.window = window
        return x * kept, kept.count_nonzero() / x.numel()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_output: Tensor, of_density: Tensor) -> tuple[Tensor, Tensor, None]:
        threshold, kept, near = ctx.saved_tensors
        error = (of_output * near).sum_to_size(threshold.shape)
        counted = near.sum_to_size(threshold.shape)
        to_threshold = -(error * threshold + counted * (of_density / near.numel())) / ctx.window
        return of_output * kept, to_threshold, None
