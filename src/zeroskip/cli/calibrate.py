"""``zeroskip calibrate``: find thresholds within a budget."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .command import command
from .console import Terminal
from .data_options import DataOptions, show_notes
from .options import BudgetOptions, EngineOptions, MetricOutputOption, ModelArgument
from .signals import exit_code
from .target_options import TargetOptions

if TYPE_CHECKING:
    from ..calibration import CalibrationResult


@command
def calibrate(
    terminal: Terminal,
    model: ModelArgument,
    data: DataOptions,
    targets: TargetOptions,
    budget: BudgetOptions,
    engine: EngineOptions,
    output: Annotated[Path, typer.Option("--output", "-o", help="Threshold set to write.")] = Path("thresholds.json"),
    model_output: Annotated[
        Path | None, typer.Option(help="Also write the model with the thresholds here.", show_default=False)
    ] = None,
    holdout_fraction: Annotated[float, typer.Option(help="Share of the data kept for the check.")] = 0.5,
    probe_samples: Annotated[
        int | None,
        typer.Option(help="Inputs to measure sensitivities with; by default 48, up to 256 for small networks.", min=1),
    ] = None,
    time: Annotated[
        float, typer.Option(help="Seconds to time the outcome against the model as it is; 0 for none.", min=0.0)
    ] = 2.0,
    metric_output: MetricOutputOption = None,
    curve: Annotated[
        Path | None,
        typer.Option(
            help="Measure accuracy against speed; write the points here, and a picture beside it.", show_default=False
        ),
    ] = None,
) -> None:
    """Find thresholds that make the model sparser within an accuracy budget, without training.

    Half of the data guides the search, the other half must confirm it. Ctrl-C ends the search with the best
    set so far.

    Example: zeroskip calibrate model.onnx --data photos/ --max-drop 0.01 --output thresholds.json
    """
    from ..calibration import calibrate as run_calibration
    from ..onnx import LoadedModel
    from ..report import caution, render_calibration, render_sensitivities, save_curve, speed_caution

    budget.check()
    if budget.compensation != "none" and model_output is None:
        raise typer.BadParameter("corrected weights are in the model only: give --model-output as well")
    loaded = LoadedModel.of(model)
    inputs = targets.open(data, loaded)
    show_notes(terminal, inputs)
    with terminal.progress() as progress:
        result = run_calibration(
            loaded,
            inputs,
            options=budget.calibration(
                curve=curve is not None,
                holdout_fraction=holdout_fraction,
                probe_samples=probe_samples,
                threads=engine.threads,
                isa=engine.isa,
                measure_seconds=time,
                output=metric_output,
                metric=targets.metric(budget.metric, metric_output),
            ),
            work_folder=output.with_name(f".{output.name}.work"),
            progress=progress,
        )
    if result.was_interrupted and exit_code() is not None:
        refuse_worse(result, output)
    if model_output is not None:
        result.apply(loaded).save(model_output)
    result.thresholds.save(output)
    if result.sensitivities:
        terminal.show(render_sensitivities(result))
    terminal.show(render_calibration(result))
    for warning in filter(None, (caution(result), speed_caution(result))):
        terminal.note(warning)
    if curve is not None:
        written = save_curve(result, curve)
        missing = "" if len(written) > 1 else "; no picture without zeroskip[report]"
        terminal.note(f"curve written to {' and '.join(str(path) for path in written)}{missing}")
    terminal.note(f"thresholds written to {output}" + (f", model to {model_output}" if model_output else ""))
    terminal.json(json.dumps(result.to_dict(), indent=2))
    if (code := exit_code()) is not None:
        raise typer.Exit(code)


def refuse_worse(result: CalibrationResult, output: Path) -> None:
    """Make sure that a search that was stopped writes only what passed, and over no better set of an earlier run.

    Args:
        result: What it found.
        output: The file it would write.

    Raises:
        ZeroskipError: If it must not.
    """
    from ..errors import ZeroskipError
    from ..thresholds import ThresholdSet

    if result.is_zero:
        raise ZeroskipError("interrupted; no thresholds had passed, nothing was written")
    try:
        earlier = ThresholdSet.load(output)
    except ZeroskipError:
        return  # there is none, or it is no set
    speed = earlier.provenance.get("predicted_speedup")
    is_known_worse = isinstance(speed, float | int) and speed < result.predicted_speedup
    if not earlier.is_zero and not is_known_worse:
        raise ZeroskipError(f"interrupted; '{output}' holds a set as good as what was found so far, and was kept")
