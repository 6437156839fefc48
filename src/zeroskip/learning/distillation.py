"""Distillation: the weights of a network with thresholds learn to give what the dense network gives, end to end.

Thresholds stay where they are: learnt end to end they move alike in all channels, which ruins the allocation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from ..onnx import LayerWeights
from ..progress import Progress, Steps
from .graph_module import GraphModule
from .schedule import rate_at

_LEAST = 1e-12


@dataclass(frozen=True)
class DistillationOptions:
    """How weights are distilled. The defaults are those that helped most often where they were tried.

    Attributes:
        steps: Of Adam.
        batch_size: Inputs per step.
        weight_rate: Learning rate, in units of a weight's root mean square.
    """

    steps: int = 50
    batch_size: int = 16
    weight_rate: float = 3e-4


def distill_weights(
    student: GraphModule,
    inputs: Tensor,
    targets: Tensor,
    options: DistillationOptions | None = None,
    *,
    seed: int = 0,
    progress: Progress | None = None,
) -> Mapping[str, LayerWeights]:
    """Train the weights of a network toward outputs; return all of them by layer.

    Args:
        student: The network with its thresholds; its weights are changed.
        inputs: float32 ``[N, ...]`` of the model's only input.
        targets: float32 ``[N, ...]``, what the dense network gives as its first output.
        options: How to train.
        seed: Of the order of the inputs.
        progress: Told of each step.

    Raises:
        ShapeError: If the inputs do not fit the model.
        UnsupportedOperatorError: If the engine does not run the model natively.
    """
    options = options or DistillationOptions()
    generator = torch.Generator().manual_seed(seed)
    batch = min(options.batch_size, len(inputs))
    optimizer = torch.optim.Adam(_groups(student, options.weight_rate), betas=(0.9, 0.99), eps=1e-12)
    rates = [group["lr"] for group in optimizer.param_groups]
    scale = max(float(targets.var()), _LEAST)
    steps = Steps(progress, "distilling weights", options.steps)
    for step in range(options.steps):
        chosen = torch.randint(len(inputs), (batch,), generator=generator)
        loss: Any = _distance(student(inputs[chosen])[0], targets[chosen], scale)
        optimizer.zero_grad()
        loss.backward()
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * rate_at(step, options.steps)
        optimizer.step()
        steps.advance()
    steps.finish()
    return student.layer_weights()


def _groups(student: GraphModule, rate: float) -> Sequence[dict[str, Any]]:
    groups: list[dict[str, Any]] = []
    seen: set[int] = set()
    for name in student.layer_names:
        weight, bias = student.layer(name)
        spread = max(float(weight.detach().square().mean().sqrt()), _LEAST)
        fresh = [parameter for parameter in (weight, bias) if id(parameter) not in seen]  # layers may share a weight
        seen.update(map(id, fresh))
        if fresh:
            groups.append({"params": fresh, "lr": rate * spread})
    return groups


def _distance(outputs: Tensor, targets: Tensor, scale: float) -> Tensor:
    """Return the relative squared error and, of outputs ``[N, classes]``, the KL divergence of the probabilities."""
    error = (outputs - targets).square().mean() / scale
    if outputs.ndim != 2 or outputs.shape[1] < 2:
        return error
    predicted, wanted = outputs.log_softmax(dim=1), targets.log_softmax(dim=1)
    return error + functional.kl_div(predicted, wanted, reduction="batchmean", log_target=True)
