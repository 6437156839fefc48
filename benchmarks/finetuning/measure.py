"""Measures trained runs on the engine: accuracy and sparsity on the test pictures. Latency: `timing`.

python -m benchmarks.finetuning.measure --data DATA --work FOLDER [--only resnet20-plain-0,...]
"""

from __future__ import annotations

import argparse
import datetime
import sys
from pathlib import Path

import numpy as np
import torch

import zeroskip as zs
from zeroskip.files import atomic_write_bytes
from zeroskip.onnx import apply_thresholds, load_model, to_bytes
from zeroskip.system import SystemInfo
from zeroskip.torch import export, replace_relu

from ..lists import floats
from .networks import FILES, network, onnx_network
from .pictures import Cifar
from .result import RunResult, Variant, load_record, record_file
from .runs import Run, planned
from .train import EXAMPLE, weights_file

BUDGETS = (0.005, 0.02)
"""Of the calibration after training, as shares of the validation pictures."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.finetuning.measure")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--only", type=lambda text: text.split(","))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--budget", type=floats, default=BUDGETS, metavar="DROP,...", help="of calibrations on top")
    parser.add_argument("--test-pictures", type=int, default=10_000)
    parser.add_argument("--again", action="store_true", help="also what has been measured already")
    options = parser.parse_args(arguments)
    pictures = Cifar.load(options.data / "cifar10")
    for item in planned():
        wanted = options.only is None or item.name in options.only
        record = load_record(item.name)
        done = record.measured is not None and not options.again
        if wanted and not done and weights_file(options.work, item.name).exists():
            found = measured(item, pictures, options)
            record.model_copy(update={"measured": found}).save(record_file(item.name))
            print(item.name, flush=True)
    return 0


def measured(item: Run, pictures: Cifar, options: argparse.Namespace) -> RunResult:
    """Measure one run: as trained, and with thresholds calibrated on top within each budget."""
    trained = exported(item, options.data, options.work)
    models: list[tuple[float | None, bytes]] = [(None, trained)]
    models += [(budget, calibrated(trained, budget, pictures, options.threads)) for budget in options.budget]
    variants = tuple(variant(model, budget, pictures, options) for budget, model in models)
    for (_, model), kind in zip(models, variants, strict=True):
        atomic_write_bytes(model_file(options.work, item.name, kind), model)
    return RunResult(
        network=item.network,
        method=item.method,
        seed=item.seed,
        epochs=item.epochs,
        pictures=item.pictures,
        variants=variants,
        test_pictures=options.test_pictures,
        system=SystemInfo.collect(),
        date=datetime.date.today().isoformat(),
    )


def calibrated(trained: bytes, budget: float, pictures: Cifar, threads: int) -> bytes:
    """Return a model with thresholds within a budget, none lower than it has already."""
    found = zs.calibrate(trained, pictures.dataset("valid"), budget, threads=threads).thresholds
    present = {a.name: a.threshold for a in zs.InferenceSession(trained).activations()}
    kept = {name: np.maximum(value, present[name]) for name, value in found.thresholds.items()}
    return to_bytes(apply_thresholds(load_model(trained), zs.ThresholdSet(kept)))


def model_file(work: Path, name: str, kind: Variant) -> Path:
    """Return where a variant of a run is kept, as ONNX."""
    return work / f"{name}.{kind.word}.onnx"


def exported(item: Run, data: Path, work: Path) -> bytes:
    """Return a trained run as ONNX."""
    if item.network in FILES:
        trained = onnx_network(item.network, data)
        trained.load_state_dict(torch.load(weights_file(work, item.name), weights_only=True))
        return trained.to_onnx().to_bytes()
    model = replace_relu(network(item.network))
    model.load_state_dict(torch.load(weights_file(work, item.name), weights_only=True))
    file = work / f"{item.name}.onnx"
    export(model, EXAMPLE, file, input_names=["image"], output_names=["logits"])
    return file.read_bytes()


def variant(model: bytes, budget: float | None, pictures: Cifar, options: argparse.Namespace) -> Variant:
    """Measure one model."""
    test = pictures.dataset("test").subset(options.test_pictures)
    session = zs.InferenceSession(model, zs.SessionOptions(intra_op_num_threads=options.threads))
    (name,) = (value.name for value in session.get_inputs())
    right = sum(int((session.run(None, {name: x})[0].argmax(axis=1) == y).sum()) for x, y in test.batches(100))
    profile = zs.analyze(model, test, samples=64, threads=options.threads, predict=False)
    return Variant(
        max_drop=budget,
        accuracy=right / len(test),
        sparsity=sum(item.sparsity for item in profile.activations) / len(profile.activations),
        mac_sparsity=profile.sparsity,
    )


if __name__ == "__main__":
    sys.exit(main())
