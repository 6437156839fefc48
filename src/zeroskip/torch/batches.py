"""Loaders of a fine-tuning run: what they may yield, and how their batches are shared between processes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sized
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.data.distributed import DistributedSampler

from ..errors import DataError, RecipeError
from .data import PictureLoader
from .processes import Processes


@dataclass(frozen=True)
class Loaders:
    """Where training and validation batches come from.

    Args:
        train: Iterable with a length, such as a ``DataLoader``; yields inputs, or pairs of inputs and targets (None
            for none).
        valid: The same, to judge epochs by; None for none.
    """

    train: Iterable[Any]
    valid: Iterable[Any] | None = None


@dataclass(frozen=True)
class Mixture:
    """What a batch was mixed with.

    Args:
        share: Of the batch's own samples, in [0, 1].
        y: Targets of the others, sample by sample; None for none.
    """

    share: float
    y: Any


@dataclass(frozen=True)
class Batch:
    """One batch, or this process's part of it.

    Args:
        x: Inputs ``[n, ...]``.
        y: Targets, None for none.
        weight: What the loss is multiplied by so that the mean over processes is the mean over the batch; 0 where
            the samples are another process's and only keep this one in step.
        mixture: What has been mixed into x; None for nothing.
    """

    x: Tensor
    y: Any
    weight: float = 1.0
    mixture: Mixture | None = None


def as_loaders(loaders: Loaders | Iterable[Any] | tuple[Iterable[Any], Iterable[Any] | None]) -> Loaders:
    """Return loaders from a training loader, a pair (training, validation), or :class:`Loaders`.

    Raises:
        RecipeError: If the training loader has no length.
        DataError: If a loader yields nothing.
    """
    made = loaders if isinstance(loaders, Loaders) else Loaders(*loaders) if isinstance(loaders, tuple) else None
    made = made or Loaders(loaders)  # type: ignore[arg-type]
    for what, loader in (("training", made.train), ("validation", made.valid)):
        if isinstance(loader, Sized) and len(loader) == 0:
            raise DataError(f"the {what} loader yields nothing: its data set is empty, or drop_last drops all of it")
    if not isinstance(made.train, Sized):
        raise RecipeError("the training loader has no length, which the schedules need: give it __len__")
    return made


def batches(
    loader: Iterable[Any], processes: Processes, device: torch.device, *, channels_last: bool
) -> Iterator[Batch]:
    """Yield this process's part of each batch.

    A loader with a ``DistributedSampler`` already yields parts. Of any other loader every process draws the same
    batches and takes every world-size-th sample, so several processes do the same steps as one; of a
    :class:`PictureLoader` it reads no more than these.

    Raises:
        DataError: If a batch is not of tensors.
    """
    shards = processes.world > 1 and not isinstance(getattr(loader, "sampler", None), DistributedSampler)
    for batch in _parts(loader, processes) if shards else map(_batch, loader):
        x = batch.x.to(device)
        if channels_last and x.ndim == 4:
            x = x.to(memory_format=torch.channels_last)
        yield Batch(x, batch.y.to(device) if isinstance(batch.y, Tensor) else batch.y, batch.weight)


def set_epoch(loader: Iterable[Any], epoch: int, seed: int) -> None:
    """Make the order of a loader a function of seed and epoch, whatever ran before."""
    sampler = getattr(loader, "sampler", None)
    if hasattr(sampler, "set_epoch"):
        sampler.set_epoch(epoch)  # type: ignore[union-attr]
    for holder in (loader, sampler):
        generator = getattr(holder, "generator", None)
        if isinstance(generator, torch.Generator):
            generator.manual_seed(seed)


def _batch(item: Any) -> Batch:
    x, y = item, None
    if isinstance(item, tuple | list) and item:
        x, y = item[0], item[1] if len(item) > 1 else None
    if not isinstance(x, Tensor):
        raise DataError(f"a batch is {type(item).__name__}, expected a tensor of inputs or a pair (inputs, targets)")
    return Batch(x, y)


def _parts(loader: Iterable[Any], processes: Processes) -> Iterator[Batch]:
    if isinstance(loader, PictureLoader):
        for x, y, weight in loader.parts(processes):
            yield Batch(x, y, weight)
        return
    for batch in map(_batch, loader):
        count = len(batch.x)
        part, weight = processes.part_of(count)
        yield Batch(batch.x[part], _part_of_targets(batch.y, part, count), weight)


def _part_of_targets(y: Any, part: slice, count: int) -> Any:
    """Return some samples' targets out of tensors, containers of tensors, or a list with an entry per sample."""
    if isinstance(y, Tensor):
        return y[part] if y.ndim and len(y) == count else y
    if isinstance(y, dict):
        return {name: _part_of_targets(value, part, count) for name, value in y.items()}
    if isinstance(y, tuple | list):
        is_by_sample = len(y) == count and not all(isinstance(item, Tensor) and len(item) == count for item in y)
        return y[part] if is_by_sample else type(y)([_part_of_targets(item, part, count) for item in y])
    return y
