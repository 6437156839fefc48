"""``zeroskip apply``: write a threshold set into a model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from .command import command
from .console import Terminal
from .options import ModelArgument


@command
def apply(
    terminal: Terminal,
    model: ModelArgument,
    thresholds: Annotated[
        Path, typer.Argument(metavar="THRESHOLDS", help="What calibrate wrote, a JSON file.", show_default=False)
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Model to write.")] = Path("model.fatrelu.onnx"),
) -> None:
    """Write a threshold set into a model: standard ONNX, which any runtime computes the same.

    Example: zeroskip apply model.onnx thresholds.json --output model.fatrelu.onnx
    """
    import numpy as np

    from ..files import sha256_of
    from ..onnx import LoadedModel
    from ..onnx import apply as write_thresholds
    from ..thresholds import ThresholdSet

    chosen = ThresholdSet.load(thresholds)
    loaded = LoadedModel.of(model)
    write_thresholds(loaded, chosen).save(output)
    is_other = chosen.model_sha256 not in (None, loaded.sha256)
    if is_other:
        terminal.note(f"warning: {thresholds} was found on another model file; what it costs here is not known")
    positive = sum(bool(np.any(value)) for value in chosen.thresholds.values())
    terminal.note(f"{positive} of {len(chosen)} activations have a threshold above 0; written to {output}")
    facts = {
        "output": str(output),
        "sha256": sha256_of(output),
        "activations": len(chosen),
        "positive": positive,
        "is_of_another_model": is_other,
        "missing_corrected_layers": chosen.corrected_layers,
    }
    terminal.json(json.dumps(facts, indent=2))
