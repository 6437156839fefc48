"""What each process of ``test_processes`` runs: trainings that leave what they came to in the folder named first."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.utils.data import DataLoader, DistributedSampler
from torch_networks import Plain, labelled, pictures

from zeroskip.errors import ZeroskipError
from zeroskip.torch import Callback, FinetuneResult, Recipe, StepReport, finetune, replace_relu
from zeroskip.torch.processes import processes

RECIPE = Recipe(epochs=3, learning_rate=0.05, distillation=0.3)
EVERY = 3
"""Steps between checkpoints; 7 steps make an epoch."""


class CopyCheckpoint(Callback):
    """Keeps the checkpoint that is there after a step of the second epoch."""

    def __init__(self, source: Path, target: Path) -> None:
        self._source, self._target = source, target

    def on_step(self, report: StepReport) -> None:
        """Copy it."""
        if report.step == 11:
            shutil.copy(self._source, self._target)


def network() -> nn.Module:
    """Return the same network in every process; what its normalisation learns does not depend on the batch."""
    torch.manual_seed(0)
    model = replace_relu(Plain(), 0.2)
    model.features[1].eval().train = lambda mode=True: model.features[1]
    return model


def whole_batches() -> tuple[DataLoader, DataLoader]:
    """Return loaders that every process reads alike; the last training batch has one input, fewer than processes."""
    data = labelled(49)
    return DataLoader(data, 8, shuffle=True), DataLoader(data, 16)


def own_batches(rank: int, world: int) -> tuple[DataLoader, DataLoader]:
    """Return loaders of which the first holds one process's share of the data only."""
    data = labelled(48)
    return DataLoader(data, 8, sampler=DistributedSampler(data, world, rank)), DataLoader(data, 16)


def leave(path: Path, model: nn.Module, result: FinetuneResult) -> None:
    """Write what a training came to."""
    epochs = [{"loss": epoch.loss, "sparsity": list(epoch.sparsity.values())} for epoch in result.epochs]
    torch.save({"weights": model.state_dict(), "metric": result.best.metric, "epochs": epochs}, path)


def running_statistics(rank: int) -> dict[str, Tensor]:
    """Return what normalisation has learnt of two halves of a batch."""
    model = nn.BatchNorm2d(3)
    model(pictures(16)[rank::2])
    with processes(torch.device("cpu")) as group:
        group.share_buffers(model)
    return dict(model.named_buffers())


def gradients(rank: int) -> list[Tensor | None]:
    """Return the mean gradients of weights that both processes use, that the second one uses, and that none does."""
    model = nn.ParameterList([nn.Parameter(torch.ones(2)) for _ in range(3)])
    ((rank + 1) * model[0] + (model[1] if rank else 0)).sum().backward()
    with processes(torch.device("cpu")) as group:
        group.average_gradients(model)
    return [parameter.grad for parameter in model]


def broken_in_the_second(outputs: Tensor, targets: Tensor) -> Tensor:
    """Fail in one process."""
    if dist.get_rank() == 1:
        raise ValueError("a broken disk")
    return nn.functional.cross_entropy(outputs, targets)


def main(folder: Path) -> None:
    """Train, go on from the checkpoints that one process left, leave one for it, and lose a process."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    rank = dist.get_rank()
    file = folder / "run.checkpoint"
    copies = [CopyCheckpoint(file, folder / "of_two.checkpoint")]
    for name, loaders in (
        ("run", whole_batches()),
        ("of_one", whole_batches()),
        ("of_one_shared", own_batches(rank, 2)),
    ):
        model = network()
        file = folder / f"{name}.checkpoint"
        result = finetune(model, loaders, RECIPE, checkpoint=file, checkpoint_every=EVERY, callbacks=copies)
        leave(folder / f"{name}.{rank}.pt", model, result)
        copies = []
    torch.save(running_statistics(rank), folder / f"statistics.{rank}.pt")
    torch.save(gradients(rank), folder / f"gradients.{rank}.pt")
    try:
        finetune(network(), whole_batches(), RECIPE, loss=broken_in_the_second)
    except ZeroskipError as error:
        (folder / f"error.{rank}").write_text(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
