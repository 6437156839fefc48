"""`finetune`: one call that makes a network sparse. The loop is in `training`; its parts serve loops of one's own."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..progress import Progress
from ..system import cpu_isas
from . import checkpoint as checkpoints
from .batches import Loaders, as_loaders
from .objective import LossFunction, MetricFunction
from .processes import processes
from .recipe import Recipe
from .report import Callback, FinetuneResult
from .training import Training

_LOGGER = logging.getLogger("zeroskip.torch")


def finetune(
    model: nn.Module,
    loaders: Loaders | Iterable[Any] | tuple[Iterable[Any], Iterable[Any] | None],
    recipe: Recipe | None = None,
    *,
    teacher: nn.Module | None = None,
    loss: LossFunction | None = None,
    metric: MetricFunction | None = None,
    callbacks: Sequence[Callback] = (),
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_every: int | None = None,
    sparsity_every: int = 50,
    progress: Progress | None = None,
) -> FinetuneResult:
    """Train a model so that its activations become sparse and its accuracy stays.

    Under ``torchrun`` the same call trains in several processes, see ``docs/finetuning.md``. The global random
    generators are seeded at the start of each epoch and put back at the end.

    Args:
        model: With FATReLUs (:func:`replace_relu`, :func:`from_thresholds`); trained in place. At the end it holds
            the weights of the best epoch and is in evaluation mode. Without FATReLUs it is simply trained, if the
            recipe has no regulariser.
        loaders: Training loader, pair of training and validation loaders, or :class:`Loaders`. Batches are inputs, or
            pairs of inputs and targets.
        recipe: How; the default is a short run with Hoyer-square.
        teacher: Dense model to distil from; by default the model as it is at the start, thresholds 0.
        loss: Of outputs and targets, averaged over the batch; cross entropy by default.
        metric: Of outputs and targets, averaged over the batch, higher is better; top-1 by default, or agreement with
            the teacher where there are no targets.
        callbacks: Told of steps and epochs, in the first process only.
        checkpoint: File to save to after each epoch, and to go on from if it exists.
        checkpoint_every: Steps between further checkpoints; None for none.
        sparsity_every: Steps between measurements of sparsity for the callbacks.
        progress: Told of each step.

    Returns:
        How it went. If the loss stops being finite the run ends, and the model holds the last good weights.

    Raises:
        RecipeError: If recipe, model and checkpoint do not fit together.
        DataError: If a loader yields nothing, or not what is needed.
        ProcessError: If another process of the run failed or cannot be reached.

    Example:
        >>> model = replace_relu(model)  # doctest: +SKIP
        >>> result = finetune(model, (train_loader, valid_loader), Recipe(epochs=4))  # doctest: +SKIP
        >>> print(result)  # doctest: +SKIP
    """
    recipe = recipe or Recipe()
    device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    _warn_of_slow_precision(recipe, device)
    with processes(device) as group, _generators_put_back():
        run = Training(model, as_loaders(loaders), recipe, teacher, loss, metric, device, group)
        run.callbacks = tuple(callbacks) if group.is_first else ()
        run.progress = progress if group.is_first else None
        run.sparsity_every = max(sparsity_every, 1)
        run.checkpoint = None if checkpoint is None else Path(checkpoint)
        run.checkpoint_every = checkpoint_every
        try:
            return run.run()
        finally:
            run.close()


def _warn_of_slow_precision(recipe: Recipe, device: torch.device) -> None:
    if recipe.precision == "bfloat16" and device.type == "cpu" and not {"avx512bf16", "amx"} & set(cpu_isas()):
        _LOGGER.warning("this CPU has no bfloat16 arithmetic: precision='float32' would be faster")


@contextmanager
def _generators_put_back() -> Iterator[None]:
    states = checkpoints.generator_states()
    try:
        yield
    finally:
        checkpoints.set_generator_states(states)
