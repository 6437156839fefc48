"""Carrying out ``zeroskip finetune``: everything that needs torch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from ..data import Dataset
from ..errors import ZeroskipError
from ..staging import staged_directory
from ..thresholds import ThresholdSet
from ..torch import (
    FinetuneResult,
    Loaders,
    OnnxNetwork,
    Recipe,
    export,
    finetune,
    from_onnx,
    from_thresholds,
    picture_loader,
    replace_relu,
    to_thresholds,
)
from ..torch.export import as_float32
from ..torch.losses import find_loss, find_metric
from ..torch.module_files import load_module, load_weights
from ..torch.processes import processes
from .console import Terminal
from .data_options import DataOptions
from .recipe_options import RecipeOptions

_VALIDATION_SHARE = 0.1
_NORMALIZED = 256
"""Inputs that batch normalisation is made from."""


@dataclass(frozen=True)
class Request:
    """What is to be trained on what; the options of the command."""

    model: str
    weights: Path | None
    thresholds: Path | None
    data: DataOptions
    valid_data: Path | None
    loss: str
    metric: str | None
    batch_size: int
    batch_norm: bool
    augment: bool
    output: Path
    checkpoint: Path | None
    threads: int | None

    @property
    def is_onnx(self) -> bool:
        """Whether the model is an ONNX file."""
        return self.model.endswith(".onnx") or (":" not in self.model and Path(self.model).is_file())


def run(request: Request, options: RecipeOptions, terminal: Terminal) -> FinetuneResult | None:
    """Train, export, and write the folder; return the result in the first process, None in the others.

    Raises:
        ZeroskipError: Whatever goes wrong; then nothing is written.
    """
    if request.threads is not None:
        torch.set_num_threads(request.threads)
    recipe = _recipe(options)
    loss, metric = find_loss(request.loss), None if request.metric is None else find_metric(request.metric)
    model = _network(request)
    training, validation = _data(request)
    if isinstance(model, OnnxNetwork) and request.batch_norm:
        some = validation.subset(_NORMALIZED)
        model.add_batch_norm(torch.from_numpy(batch) for batch, _ in some.batches(request.batch_size))
    is_picture = len(training.sample_shape) == 3
    loaders = Loaders(
        picture_loader(training, request.batch_size, shuffle=True, augment=request.augment and is_picture),
        picture_loader(validation, request.batch_size),
    )
    with processes(torch.device("cpu")) as group:
        if group.is_first:
            terminal.note(f"training on   {training.description}\nvalidating on {validation.description}")
        with terminal.progress() as progress:
            result = finetune(
                model, loaders, recipe, loss=loss, metric=metric, checkpoint=request.checkpoint, progress=progress
            )
        if group.is_first:
            _write(request, model, result, training)
        group.wait()
    return result if group.is_first else None


def _recipe(options: RecipeOptions) -> Recipe:
    if options.recipe is not None:
        return Recipe.load(options.recipe)
    return Recipe(
        epochs=options.epochs,
        learning_rate=options.learning_rate,
        optimizer=options.optimizer,
        accumulation=options.accumulation,
        regularizer=None if options.regularizer == "none" else options.regularizer,
        strength=options.strength,
        distillation=options.distillation,
        mixup=options.mixup,
        precision=options.precision,
        max_drop=options.max_drop,
        target_sparsity=options.target_sparsity,
        patience=options.patience,
        seed=options.seed,
    )


def _network(request: Request) -> nn.Module:
    if request.is_onnx:
        if request.weights is not None:
            raise ZeroskipError("--weights has no effect on an ONNX file, which holds its own: leave it out")
        network = from_onnx(request.model)
        if request.thresholds is not None:
            network.set_thresholds(ThresholdSet.load(request.thresholds))
        return network
    model, _ = as_float32(replace_relu(load_module(request.model)), what="trained")  # as the data are
    if request.weights is not None:
        load_weights(model, request.weights)
    return model if request.thresholds is None else from_thresholds(model, ThresholdSet.load(request.thresholds))


def _data(request: Request) -> tuple[Dataset, Dataset]:
    data = _opened(request, None)
    if request.valid_data is None:
        return data.split(1.0 - _VALIDATION_SHARE)
    return data, _opened(request, request.valid_data)


def _opened(request: Request, path: Path | None) -> Dataset:
    if not request.is_onnx:
        return request.data.open_for_torch(path)
    data = request.data if path is None else replace(request.data, data=path)
    return data.open(request.model)


def _write(request: Request, model: nn.Module, result: FinetuneResult, data: Dataset) -> None:
    if not result.epochs:
        raise ZeroskipError(f"nothing to write: {result.stop_reason}")
    with staged_directory(request.output) as stage:
        if isinstance(model, OnnxNetwork):
            _save_onnx(model, data, stage / "model.onnx")
            thresholds = ThresholdSet(model.thresholds())
        else:
            export(
                model,
                torch.zeros(1, *data.sample_shape),
                stage / "model.onnx",
                input_names=["input"],
                output_names=["output"],
                preprocess=data.preprocess,
            )
            thresholds = to_thresholds(model)
        torch.save(model.state_dict(), stage / "weights.pt")
        thresholds.save(stage / "thresholds.json")
        result.save(stage / "finetune.json")


def _save_onnx(model: OnnxNetwork, data: Dataset, path: Path) -> None:
    from ..onnx.metadata import state_preprocess

    made = model.to_onnx()
    if data.preprocess is not None:
        state_preprocess(made.model, data.preprocess.to_dict())
    made.save(path)
