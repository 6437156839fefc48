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
from zeroskip.torch import JsonLines, Recipe, calibrate, finetune, replace_relu

from .networks import FILES, WEIGHTS, load_weights, network, onnx_network
from .pictures import Cifar
from .result import RESULTS, load_record, record_file
from .runs import Run, planned

EXAMPLE = torch.zeros(1, 3, 32, 32)


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
    for item in planned():
        if (options.only is None or item.name in options.only) and not weights_file(options.work, item.name).exists():
            train(item, Cifar.load(options.data / "cifar10", item.pictures), options.data, options.work)
    return 0


def weights_file(work: Path, name: str) -> Path:
    """Return where a run's weights are."""
    return work / f"{name}.pt"


def train(item: Run, pictures: Cifar, data: Path, work: Path) -> None:
    """Do one run, from its checkpoints if there are some."""
    model, teacher = prepared(item, data, work)
    phase(item.name, item.name, model, teacher, item.recipe, pictures, item.batch_size, work)
    if item.recovery is not None:
        # Not kept between interruptions: the same weights get the same thresholds.
        found = calibrate(model, EXAMPLE, pictures.dataset("valid"), target_sparsity=item.sparsity, threads=1)
        print(found, flush=True)
        phase(item.name, f"{item.name}-recovery", model, teacher, item.recovery, pictures, item.batch_size, work)
    with atomic_path(weights_file(work, item.name)) as temporary:
        torch.save(model.state_dict(), temporary)
    for checkpoint in (checkpoint_file(work, item.name), checkpoint_file(work, f"{item.name}-recovery")):
        checkpoint.unlink(missing_ok=True)


def phase(
    run: str,
    name: str,
    model: torch.nn.Module,
    teacher: torch.nn.Module,
    recipe: Recipe,
    pictures: Cifar,
    batch_size: int,
    work: Path,
) -> None:
    """Train a model in place, with a log and a checkpoint of its own; one that has ended already is only read."""
    log, checkpoint = work / f"{name}.jsonl", checkpoint_file(work, name)
    if not checkpoint.exists():
        log.unlink(missing_ok=True)
    result = finetune(
        model,
        (pictures.loader("train", batch_size, augments=True), pictures.loader("valid", 500)),
        recipe,
        teacher=teacher,
        callbacks=[JsonLines(log, every=10)],
        checkpoint=checkpoint,
        checkpoint_every=50,
    )
    load_record(run).with_phase(name, result).save(record_file(run))
    print(name, result, flush=True)


def checkpoint_file(work: Path, name: str) -> Path:
    """Return where a training saves how far it has come."""
    return work / f"{name}.checkpoint"


def prepared(item: Run, data: Path, work: Path) -> tuple[torch.nn.Module, torch.nn.Module]:
    """Return the model of a run before training, and its teacher: the same as it is now, or another."""
    torch.manual_seed(item.seed)
    if item.network in FILES:
        model: torch.nn.Module = onnx_network(item.network, data)
    else:
        model = network(item.network)
        if item.follows is None and item.network in WEIGHTS:
            load_weights(model, data / "cifar_resnets" / WEIGHTS[item.network])
        model = replace_relu(model)
    if item.follows is not None:
        model.load_state_dict(torch.load(weights_file(work, item.follows), weights_only=True))
    if item.teacher is None:
        return model, copy.deepcopy(model).eval().requires_grad_(False)
    name, run = item.teacher
    teacher = replace_relu(network(name))
    teacher.load_state_dict(torch.load(weights_file(work, run), weights_only=True))
    return model, teacher.eval().requires_grad_(False)


if __name__ == "__main__":
    sys.exit(main())
