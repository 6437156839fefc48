"""``zeroskip optimize``: the whole way, from a model and data to a faster model and its numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .command import command
from .console import Terminal
from .data_options import DataOptions
from .options import BudgetOptions, EngineOptions, LayerPrecision, MetricOutputOption, ModelArgument
from .target_options import TargetOptions


@command
def optimize(
    terminal: Terminal,
    model: ModelArgument,
    data: DataOptions,
    targets: TargetOptions,
    budget: BudgetOptions,
    engine: EngineOptions,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the results.")] = Path("zeroskip-output"),
    time: Annotated[float, typer.Option(help="Seconds of measurement for each engine.", min=0.1)] = 5.0,
    metric_output: MetricOutputOption = None,
    precision: Annotated[
        LayerPrecision,
        typer.Option(help="int8: a quantised model as well, under the same budget; auto: whichever is faster."),
    ] = "f32",
) -> None:
    """Make a model sparser within an accuracy budget, check it, time it, and write the result.

    Analyzes, calibrates, applies the thresholds, verifies against ONNX Runtime and measures. Half of the
    data is held out for the check. The folder gets model.fatrelu.onnx (standard ONNX), thresholds.json,
    profile.json, summary.json and report.html, or nothing at all if a stage fails. With --precision int8
    it also gets model.int8.onnx (QDQ) and quantization.json.

    Example: zeroskip optimize model.onnx --data photos/ --max-drop 0.01 --output out
    """
    from ..onnx import LoadedModel
    from .optimize_run import run_and_show

    budget.check()
    loaded = LoadedModel.of(model)
    run_and_show(
        terminal,
        loaded,
        targets.open(data, loaded),
        output,
        options=budget.calibration(
            threads=engine.threads,
            isa=engine.isa,
            output=metric_output,
            metric=targets.metric(budget.metric, metric_output),
            precision=precision,
        ),
        batch_size=engine.batch_size,
        seconds=time,
    )
