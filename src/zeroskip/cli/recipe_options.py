"""The options that say how ``zeroskip finetune`` trains."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

_RECIPE = "Recipe"
Regularizer = Literal["hoyer_square", "l1", "transformed_l1", "none"]
Optimizer = Literal["sgd", "adam", "adamw"]
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
    optimizer: Annotated[Optimizer, typer.Option(help="What changes the weights.", rich_help_panel=_RECIPE)] = "sgd"
    accumulation: Annotated[
        int, typer.Option(help="Batches per change of the weights.", min=1, rich_help_panel=_RECIPE)
    ] = 1
    regularizer: Annotated[Regularizer, typer.Option(help="Penalty on activations.", rich_help_panel=_RECIPE)] = (
        "hoyer_square"
    )
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
    precision: Annotated[Precision, typer.Option(help="Arithmetic of the training.", rich_help_panel=_RECIPE)] = (
        "float32"
    )
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
