"""Running the pipeline and showing what it found, for the commands ``optimize`` and ``demo``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from .console import Terminal
from .data_options import show_notes
from .signals import prompt_stop

if TYPE_CHECKING:
    from ..data import Dataset
    from ..onnx import LoadedModel
    from ..optimize_result import OptimizeResult


def run_and_show(terminal: Terminal, model: LoadedModel, data: Dataset, output: Path, **settings: Any) -> None:
    """Run :func:`zeroskip.optimize` with progress bars and print its outcome.

    Args:
        terminal: Where to print.
        model: The model.
        data: Real inputs.
        output: Folder for the results.
        **settings: Further arguments of :func:`zeroskip.optimize`.

    Raises:
        ZeroskipError: Whatever goes wrong.
    """
    from ..optimize_result import MODEL_FILE, REPORT_FILE
    from ..pipeline import optimize

    terminal.note(f"model {model.path or model.name}\ndata  {data.description}")
    show_notes(terminal, data)
    with prompt_stop(), terminal.progress() as progress:
        result = optimize(model, data, output=output, progress=progress, announce=terminal.note, **settings)
    show(terminal, result)
    terminal.note(f"written: {output / MODEL_FILE}, {output / REPORT_FILE} and the numbers behind them")


def show(terminal: Terminal, result: OptimizeResult) -> None:
    """Print the outcome of a run, and its summary as JSON if asked for.

    Args:
        terminal: Where to print.
        result: What ``optimize`` returned.
    """
    from ..report import render_calibration, render_layers, render_summary

    terminal.show(
        render_layers(result.profile, result.profile_after),
        render_calibration(result.calibration),
        render_summary(result.profile.model, result.summary, result.calibration, result.bench),
    )
    terminal.json(result.summary.model_dump_json(indent=2))
