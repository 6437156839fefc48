"""``zeroskip finetune``: train a PyTorch network for sparsity and export it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ..errors import ZeroskipError
from .command import command
from .console import Terminal
from .data_options import DataOptions

if TYPE_CHECKING:
    from ..torch import FinetuneResult

_RECIPE = "Recipe"
Regularizer = Literal["hoyer_square", "l1", "transformed_l1", "none"]
Precision = Literal["float32", "bfloat16"]


@dataclass(frozen=True)
class RecipeOptions:
    """How to train."""

    recipe: Annotated[
        Path | None,
        typer.Option(help="JSON file of a recipe, instead of the options below.", rich_help_panel=_RECIPE),
    ] = None
    epochs: Annotated[int, typer.Option(help="Passes over the data.", min=1, rich_help_panel=_RECIPE)] = 4
    learning_rate: Annotated[float, typer.Option(help="Highest learning rate.", rich_help_panel=_RECIPE)] = 0.01
    regularizer: Annotated[
        Regularizer, typer.Option(help="Penalty on activations.", rich_help_panel=_RECIPE)
    ] = "hoyer_square"
    strength: Annotated[float, typer.Option(help="Factor on the penalty.", rich_help_panel=_RECIPE)] = 0.5
    distillation: Annotated[
        float,
        typer.Option(help="Weight of the dense model's outputs (0..1); 1 needs no labels.", rich_help_panel=_RECIPE),
    ] = 0.5
    mixup: Annotated[
        float,
        typer.Option(
            help="Train on weighted means of two inputs; 1 mixes most, 0 not at all.", min=0.0, rich_help_panel=_RECIPE
        ),
    ] = 0.0
    precision: Annotated[
        Precision, typer.Option(help="Arithmetic of the training.", rich_help_panel=_RECIPE)
    ] = "float32"
    max_drop: Annotated[
        float, typer.Option(help="Budget: the sparsest epoch within it is kept.", rich_help_panel=_RECIPE)
    ] = 0.005
    target_sparsity: Annotated[
        float | None, typer.Option(help="Stop when this is reached within the budget.", rich_help_panel=_RECIPE)
    ] = None
    patience: Annotated[
        int | None, typer.Option(help="Stop after so many epochs without a better one.", rich_help_panel=_RECIPE)
    ] = None
    seed: Annotated[int, typer.Option(help="Of everything random.", rich_help_panel=_RECIPE)] = 0


@command
def finetune(
    terminal: Terminal,
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="MODULE:FUNCTION that returns a torch module.", show_default=False)
    ],
    data: DataOptions,
    recipe: RecipeOptions,
    weights: Annotated[
        Path | None, typer.Option(help="Checkpoint or state dict to start from.", show_default=False)
    ] = None,
    thresholds: Annotated[
        Path | None,
        typer.Option(help="Thresholds to train with, from calibrate on an export of this model.", show_default=False),
    ] = None,
    valid_data: Annotated[
        Path | None,
        typer.Option(help="Data to judge epochs by; by default a tenth of --data.", show_default=False),
    ] = None,
    batch_size: Annotated[int, typer.Option(help="Inputs per step.", min=1)] = 32,
    augment: Annotated[bool, typer.Option(help="Mirror and shift pictures at random.")] = True,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the results.")] = Path(
        "finetune-output"
    ),
    checkpoint: Annotated[
        Path | None,
        typer.Option(help="Save here after each epoch, and go on from it if it exists.", show_default=False),
    ] = None,
    threads: Annotated[int | None, typer.Option(help="Threads of PyTorch.", min=1, show_default=False)] = None,
) -> None:
    """Train a PyTorch network for sparse activations within an accuracy budget, and export it.

    Every ReLU becomes a FATReLU. The folder gets model.onnx (standard ONNX), weights.pt, thresholds.json and
    finetune.json, or nothing at all if it fails. With --checkpoint an interrupted run goes on where it was.
    Under torchrun it trains in several processes.

    Example: zeroskip finetune nets:resnet18 --weights resnet18.pt --data photos/ --epochs 4
    """
    try:
        from .finetuning import Request, run
    except ImportError as error:
        raise ZeroskipError(str(error)) from error

    request = Request(
        model=model,
        weights=weights,
        thresholds=thresholds,
        data=data,
        valid_data=valid_data,
        batch_size=batch_size,
        augment=augment,
        output=output,
        checkpoint=checkpoint,
        threads=threads,
    )
    result = run(request, recipe, terminal)
    if result is not None:
        _show(terminal, result, output)


def _show(terminal: Terminal, result: FinetuneResult, output: Path) -> None:
    terminal.show(str(result))
    terminal.note(f"written: {output / 'model.onnx'}, weights, thresholds and the record of the run")
    terminal.json(result.model_dump_json(indent=2))
