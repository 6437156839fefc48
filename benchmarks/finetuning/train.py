"""Trains the runs of the study that have not been trained yet; can be stopped and started again at any time.

python -m benchmarks.finetuning.train --data DATA --work FOLDER [--only resnet20-plain-0,...]

DATA holds ``cifar10`` and ``cifar_resnets``. Logs go to ``benchmarks/results/finetuning``, weights to FOLDER.
"""

from __future__ import annotations

import argparse
import copy
import sys
from pathlib import Path

import torch

from zeroskip.files import atomic_path
from zeroskip.torch import JsonLines, finetune, replace_relu

from .networks import WEIGHTS, load_weights, network
from .pictures import Cifar
from .result import RESULTS
from .runs import PICTURES, Run, planned


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.finetuning.train")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--only", type=lambda text: text.split(","), help="names of runs; by default all")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    options.work.mkdir(parents=True, exist_ok=True)
    RESULTS.mkdir(parents=True, exist_ok=True)
    pictures = Cifar.load(options.data / "cifar10", PICTURES)
    for item in planned():
        if (options.only is None or item.name in options.only) and not weights_file(options.work, item.name).exists():
            train(item, pictures, options.data, options.work)
    return 0


def weights_file(work: Path, name: str) -> Path:
    """Return where a run's weights are."""
    return work / f"{name}.pt"


def train(item: Run, pictures: Cifar, data: Path, work: Path) -> None:
    """Do one run, from its checkpoint if there is one."""
    log = RESULTS / f"{item.name}.jsonl"
    checkpoint = work / f"{item.name}.checkpoint"
    if not checkpoint.exists():
        log.unlink(missing_ok=True)
    model, teacher = prepared(item, data, work)
    loaders = (pictures.loader("train", item.batch_size, augments=True), pictures.loader("valid", 500))
    result = finetune(
        model,
        loaders,
        item.recipe,
        teacher=teacher,
        callbacks=[JsonLines(log, every=10)],
        checkpoint=checkpoint,
        checkpoint_every=50,
    )
    print(item.name, result, flush=True)
    with atomic_path(weights_file(work, item.name)) as temporary:
        torch.save(model.state_dict(), temporary)
    checkpoint.unlink(missing_ok=True)


def prepared(item: Run, data: Path, work: Path) -> tuple[torch.nn.Module, torch.nn.Module]:
    """Return the model of a run before training, and its teacher: the same as it is now."""
    torch.manual_seed(item.seed)
    model = network(item.network)
    if item.follows is None:
        if item.network in WEIGHTS:
            load_weights(model, data / "cifar_resnets" / WEIGHTS[item.network])
        model = replace_relu(model)
    else:
        model = replace_relu(model)
        model.load_state_dict(torch.load(weights_file(work, item.follows), weights_only=True))
    teacher = copy.deepcopy(model).eval().requires_grad_(False)
    return model, teacher


if __name__ == "__main__":
    sys.exit(main())
