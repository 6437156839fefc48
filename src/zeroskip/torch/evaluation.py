"""Judging a model on validation data: its metric and its sparsity."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

import torch
from torch import nn

from ..errors import DataError, ModelError
from ..learning.fatrelu import fatrelus
from ..progress import Progress
from .batches import Batch
from .monitor import SparsityMonitor
from .objective import Objective
from .processes import Processes
from .user_code import describe, reports


@torch.no_grad()
def evaluate(
    model: nn.Module,
    data: Iterable[Batch],
    objective: Objective,
    group: Processes,
    progress: Progress | None = None,
) -> tuple[float, dict[str, float]]:
    """Return the mean metric and the sparsity by module path, over the samples of all processes.

    The model's mode is put back afterwards.

    Args:
        model: To judge, in evaluation mode.
        data: Validation batches.
        objective: Has the metric.
        group: The processes.
        progress: Told once per batch.

    Raises:
        DataError: If there are no batches.
    """
    was_training = model.training
    model.eval()
    monitor = SparsityMonitor(model) if fatrelus(model) else None
    total, count = 0.0, 0.0
    try:
        for number, batch in enumerate(data):
            samples = len(batch.x) if batch.weight else 0
            if monitor is not None:
                monitor.is_active = bool(samples)
            with reports("the model", ModelError, partial(describe, batch.x)):
                outputs = model(batch.x)
            total += objective.score(outputs, batch) * samples
            count += samples
            if progress is not None:
                progress("validating", number, number + 1)
        counts = monitor.counts() if monitor else {}
    finally:
        model.train(was_training)
        if monitor is not None:
            monitor.remove()
    total, count = group.sum([total, count])
    if count == 0:
        raise DataError("the validation loader yields nothing")
    zeros = group.sum([elements - nonzeros for nonzeros, elements in counts.values()])
    elements = group.sum([elements for _, elements in counts.values()])
    shares = zip(counts, zeros, elements, strict=True)
    return total / count, {name: zero / whole for name, zero, whole in shares if whole}
