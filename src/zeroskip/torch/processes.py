"""The processes of a run: one, or those that ``torchrun`` started; sums and copies between them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from ..errors import ProcessError, RecipeError

_TRANSPORT_WORDS = ("gloo", "nccl", "closed by peer", "reset by peer", "socket", "timed out waiting", "tcpstore")


@dataclass(frozen=True)
class Processes:
    """This process among those of the run.

    Args:
        rank: Its number.
        world: How many there are.
    """

    rank: int = 0
    world: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this is the one that writes files."""
        return self.rank == 0

    def part_of(self, count: int) -> tuple[slice, float]:
        """Return this process's samples of a batch, and the weight with which they enter a mean over processes.

        Of a batch with fewer samples than processes some get one that is another's, with weight 0, so that all of
        them take the step.

        Args:
            count: Samples of the batch.
        """
        if self.rank >= count:
            return slice(0, 1), 0.0
        part = slice(self.rank, None, self.world)
        return part, len(range(count)[part]) * self.world / max(count, 1)

    def copy_weights(self, model: nn.Module) -> None:
        """Give every process the weights and buffers of the first.

        Raises:
            ProcessError: If another process is gone.
        """
        if self.world > 1:
            with _loss_reported():
                for value in model.state_dict(keep_vars=True).values():
                    dist.broadcast(value.detach(), 0)

    def average_gradients(self, model: nn.Module) -> None:
        """Replace gradients by their means over processes; weights that no process used keep none, as in one.

        PyTorch's DistributedDataParallel does this while gradients are still computed. Here the CPU has no time to
        spare for that, several batches may make one step, and unused weights are no mistake.

        Raises:
            ProcessError: If another process is gone.
        """
        if self.world == 1:
            return
        parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        users = self.sum([float(parameter.grad is not None) for parameter in parameters])
        by_type: dict[torch.dtype, list[Tensor]] = {}
        for parameter, count in zip(parameters, users, strict=True):
            if count:
                if parameter.grad is None:
                    parameter.grad = torch.zeros_like(parameter)
                by_type.setdefault(parameter.grad.dtype, []).append(parameter.grad)
        for gradients in by_type.values():
            whole = torch.cat([gradient.reshape(-1) for gradient in gradients])
            with _loss_reported():
                dist.all_reduce(whole)
            means = torch.split(whole / self.world, [gradient.numel() for gradient in gradients])
            for gradient, mean in zip(gradients, means, strict=True):
                gradient.copy_(mean.view_as(gradient))

    def sum(self, values: Sequence[float]) -> list[float]:
        """Return the sums over processes.

        Raises:
            ProcessError: If another process is gone.
        """
        if self.world == 1 or not values:
            return list(values)
        total = torch.tensor(values, dtype=torch.float64)
        with _loss_reported():
            dist.all_reduce(total)
        return [float(value) for value in total]

    def require_same(self, what: str, value: int) -> None:
        """Raise in every process if they have different values, which would make one wait for another for ever.

        Raises:
            RecipeError: If they have.
            ProcessError: If another process is gone.
        """
        mine = [0.0] * self.world
        mine[self.rank] = float(value)
        if len(set(values := self.sum(mine))) > 1:
            each = ", ".join(f"{value:g}" for value in values)
            raise RecipeError(f"{what} must be the same in all {self.world} processes, they have {each}")

    def share_buffers(self, model: nn.Module) -> None:
        """Give every process the same buffers: means of running statistics, all others from the first process.

        Raises:
            ProcessError: If another process is gone.
        """
        if self.world == 1:
            return
        statistics = _running_statistics(model)
        with _loss_reported():
            for buffer in model.buffers():
                if id(buffer) in statistics:
                    total = buffer.double()
                    dist.all_reduce(total)
                    buffer.copy_(total / self.world)
                else:
                    dist.broadcast(buffer, 0)

    def wait(self) -> None:
        """Wait for all.

        Raises:
            ProcessError: If another process is gone.
        """
        if self.world > 1:
            with _loss_reported():
                dist.barrier()


@contextmanager
def processes(device: torch.device) -> Iterator[Processes]:
    """Join the processes that ``torchrun`` started, or those of a group that is there; one alone otherwise.

    Args:
        device: Decides the transport: gloo for CPUs, nccl for GPUs.

    Raises:
        ProcessError: If the others cannot be reached.
    """
    if dist.is_available() and dist.is_initialized():
        yield Processes(dist.get_rank(), dist.get_world_size())
    elif int(os.environ.get("WORLD_SIZE", "1")) > 1:
        with _loss_reported():
            dist.init_process_group("gloo" if device.type == "cpu" else "cpu:gloo,cuda:nccl")
        try:
            yield Processes(dist.get_rank(), dist.get_world_size())
        finally:
            dist.destroy_process_group()  # closes the connections: others that wait for this process are told
    else:
        yield Processes()


@contextmanager
def _loss_reported() -> Iterator[None]:
    """Turn what the transport raises when a process is gone into a ProcessError."""
    try:
        yield
    except RuntimeError as error:  # torch has no class of its own for gloo's
        text = str(error)
        if not any(word in text.lower() for word in _TRANSPORT_WORDS):
            raise
        raise ProcessError(
            "another process of this run failed or cannot be reached; its own message says why "
            f"({text.strip().splitlines()[0][-200:]})"
        ) from error


def _running_statistics(model: nn.Module) -> set[int]:
    """Return the ids of the buffers with means and variances of what each process has seen."""
    found: list[Tensor | None] = []
    for module in model.modules():
        if isinstance(module, _NormBase):
            found += [module.running_mean, module.running_var]
    return {id(buffer) for buffer in found if buffer is not None}
