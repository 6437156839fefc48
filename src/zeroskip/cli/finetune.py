"""``zeroskip finetune``: train a PyTorch network for sparsity and export it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..extras import needs
from .command import command
from .console import Terminal
from .data_options import DataOptions
from .recipe_options import RecipeOptions

if TYPE_CHECKING:
    from ..torch import FinetuneResult


@command
def finetune(
    terminal: Terminal,
    model: Annotated[
        str,
        typer.Argument(metavar="MODEL", help="MODULE:FUNCTION that returns a torch module, or an ONNX file."),
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
    loss: Annotated[
        str,
        typer.Option(help="cross_entropy, binary_cross_entropy, mse, mae, or MODULE:FUNCTION of outputs and targets."),
    ] = "cross_entropy",
    metric: Annotated[
        str | None,
        typer.Option(
            help="top1, top5, binary_accuracy, mae, or MODULE:FUNCTION, higher is better; by default top-1, or "
            "agreement with the model as it is.",
            show_default=False,
        ),
    ] = None,
    batch_size: Annotated[int, typer.Option(help="Inputs per step.", min=1)] = 32,
    batch_norm: Annotated[
        bool, typer.Option(help="Train an ONNX file with batch normalisation, folded again in the end.")
    ] = True,
    augment: Annotated[bool, typer.Option(help="Mirror and shift pictures at random.")] = True,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the results.")] = Path("finetune-output"),
    checkpoint: Annotated[
        Path | None,
        typer.Option(help="Save here after each epoch, and go on from it if it exists.", show_default=False),
    ] = None,
    threads: Annotated[int | None, typer.Option(help="Threads of PyTorch.", min=1, show_default=False)] = None,
) -> None:
    """Train a network, in PyTorch or from an ONNX file, for sparse activations, and export it.

    Every ReLU becomes a FATReLU. The folder gets model.onnx (standard ONNX), weights.pt, thresholds.json and
    finetune.json, or nothing at all if it fails. With --checkpoint an interrupted run goes on where it was.
    Under torchrun it trains in several processes. Without labels the model as it is teaches: --distillation 1.

    Example: zeroskip finetune nets:resnet18 --weights resnet18.pt --data photos/ --epochs 4

    Example: zeroskip finetune model.onnx --data photos/ --epochs 4 --distillation 1
    """
    with needs("fine-tuning"):
        from .finetune_run import Request, run

    request = Request(
        model=model,
        weights=weights,
        thresholds=thresholds,
        data=data,
        valid_data=valid_data,
        loss=loss,
        metric=metric,
        batch_size=batch_size,
        batch_norm=batch_norm,
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
