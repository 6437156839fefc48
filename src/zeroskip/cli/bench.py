"""``zeroskip bench``: time engines against each other."""

from __future__ import annotations

from typing import Annotated

import typer

from .command import command
from .console import Terminal
from .data_options import DataOptions, RandomInputOption, show_notes
from .options import EngineOptions, ModelArgument, Precision


@command
def bench(
    terminal: Terminal,
    model: ModelArgument,
    data: DataOptions,
    engine_options: EngineOptions,
    engine: Annotated[
        str,
        typer.Option(help="Engines with commas: zeroskip, onnxruntime, openvino, ncnn, torch, deepsparse."),
    ] = "zeroskip,onnxruntime",
    precision: Annotated[
        Precision, typer.Option(help="What engines compute in; for one of them: openvino:bf16.")
    ] = "f32",
    time: Annotated[float, typer.Option(help="Seconds for each engine, over all rounds.", min=0.1)] = 10.0,
    rounds: Annotated[int, typer.Option(help="Interleaved rounds.", min=5)] = 5,
    random_input: RandomInputOption = False,
) -> None:
    """Time the model on several engines, interleaved, after comparing their outputs.

    Prints p50, p90, p99, ratios, numeric difference and the sparsity seen. Exits with 1 if outputs differ.

    Example: zeroskip bench model.onnx --data photos/ --engine zeroskip,onnxruntime,openvino --threads 2
    """
    from ..bench import bench as run_bench
    from ..bench import render_table
    from ..errors import EngineError
    from ..onnx import LoadedModel

    loaded = LoadedModel.of(model)
    inputs = data.open_or_noise(loaded, random_input)
    show_notes(terminal, inputs)
    with terminal.progress() as progress:
        result = run_bench(
            loaded,
            inputs,
            [name for name in engine.split(",") if name.strip()],
            threads=engine_options.threads,
            batch_size=engine_options.batch_size,
            seconds=time,
            rounds=rounds,
            precision=precision,
            isa=engine_options.isa,
            random_input=random_input,
            progress=progress,
        )
    terminal.show(render_table(result))
    terminal.json(result.model_dump_json(indent=2))
    if result.mismatches:
        raise EngineError(
            f"the outputs of {', '.join(result.mismatches)} differ by more than is accepted ({result.tolerance:g} of "
            "the largest, thresholds apart): do not use them until this is explained"
        )
