"""Options that several commands share; dataclasses become options by :func:`~zeroskip.cli.command.command`.

The choices repeat names that other packages own, because importing those would slow down ``--help``; a test
compares them.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

import typer

from .console import Terminal

if TYPE_CHECKING:
    from ..calibration.options import CalibrationOptions

_ENGINE = "Engine"
_OUTPUT = "Output"

ModelArgument = Annotated[Path, typer.Argument(metavar="MODEL", help="ONNX file.", show_default=False)]
Isa = Literal[
    "generic", "avx2", "avxvnni", "avx512", "avx512vnni", "avx512vbmi2", "avx512bf16", "neon", "neondot",
    "neoni8mm",
]  # fmt: skip
Metric = Literal[
    "auto", "top1", "top5", "agreement", "fidelity", "binary", "multilabel", "miou", "detection", "cosine",
    "neighbours", "recall1", "verification", "mae", "sequence",
]  # fmt: skip
Strategy = Literal["sensitivity", "blockwise", "uniform", "energy", "greedy"]
Compensation = Literal["none", "bias", "reconstruct"]
Costs = Literal["measured", "model", "macs"]
Precision = Literal["f32", "bf16"]
LayerPrecision = Literal["f32", "int8", "auto"]


@dataclass(frozen=True)
class EngineOptions:
    """Threads, instruction set, batch size."""

    batch_size: Annotated[int, typer.Option(help="Inputs per timed run.", min=1, rich_help_panel=_ENGINE)] = 1
    threads: Annotated[
        int | None,
        typer.Option(help="Threads; by default one per physical core.", min=1, rich_help_panel=_ENGINE),
    ] = None
    isa: Annotated[Isa | None, typer.Option(help="Instruction set; by default the best.", rich_help_panel=_ENGINE)] = (
        None
    )


@dataclass(frozen=True)
class BudgetOptions:
    """What a calibration may cost and how it searches."""

    max_drop: Annotated[
        float | None,
        typer.Option(help="Largest loss of the metric; 0.01 is one point. 0.005 if nothing is given."),
    ] = None
    target_sparsity: Annotated[
        float | None, typer.Option(help="Instead: reach this sparsity (0..1), whatever it costs.")
    ] = None
    target_speedup: Annotated[
        float | None, typer.Option(help="Instead: reach this speed-up, by what layers take, whatever it costs.")
    ] = None
    metric: Annotated[
        str,
        typer.Option(
            help="What is bounded: " + ", ".join(get_args(Metric)) + ", or MODULE:FUNCTION of (outputs by name, "
            "targets). auto: top1 with labels, else agreement with the original model, fidelity where there are no "
            "classes.",
            metavar="NAME or MODULE:FUNCTION",
        ),
    ] = "auto"
    accept_baseline: Annotated[
        bool,
        typer.Option("--accept-baseline", help="Go on although the labels say that the model as it is only guesses."),
    ] = False
    strategy: Annotated[Strategy, typer.Option(help="How zeros are allocated to layers.")] = "sensitivity"
    distillation: Annotated[
        bool, typer.Option("--distillation", help="After blockwise: distil the weights end to end where it helps.")
    ] = False
    costs: Annotated[
        Costs,
        typer.Option(help="What zeros are worth: layers timed here, by the engine's cost model, or multiplications."),
    ] = "measured"
    compensation: Annotated[
        Compensation,
        typer.Option(help="Correct biases, or weights, of the layers behind thresholds where it helps."),
    ] = "none"
    branches: Annotated[
        bool,
        typer.Option("--branches", help="Threshold what convolutions read apart from shortcuts that read the same."),
    ] = False
    seed: Annotated[int, typer.Option(help="Seed of split and sampling.")] = 0
    time_limit: Annotated[
        float | None,
        typer.Option(help="Seconds for the search; then the best set so far is taken.", min=1.0),
    ] = None

    def check(self) -> None:
        """Refuse what cannot be asked for, before anything is read.

        Raises:
            CalibrationError: If a value is out of range or options contradict each other.
        """
        self.calibration()

    def calibration(self, **others: Any) -> CalibrationOptions:
        """Return them as the library takes them.

        Args:
            others: Options of a calibration that belong to no flag here, by name.

        Raises:
            CalibrationError: If a value is out of range or options contradict each other.
        """
        from ..calibration.options import CalibrationOptions
        from .metric_option import metric_of

        given = {field.name: getattr(self, field.name) for field in fields(self)}
        if "metric" not in others:
            given["metric"] = metric_of(self.metric)
        return CalibrationOptions.of(None, given | others)


MetricOutputOption = Annotated[
    str | None,
    typer.Option(
        "--metric-output",
        help="Output of the model that the metric judges; by default the only one that fits.",
        show_default=False,
    ),
]


@dataclass(frozen=True)
class OutputOptions:
    """What is written where; every command has these."""

    json: Annotated[
        str | None,
        typer.Option(
            "--json",
            metavar="FILE",
            help="Write the result as JSON; - for stdout.",
            rich_help_panel=_OUTPUT,
        ),
    ] = None
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="No progress, results only.", rich_help_panel=_OUTPUT)
    ] = False
    verbose: Annotated[
        bool,
        typer.Option("--debug", "--verbose", "-v", help="Tracebacks, and what libraries log.", rich_help_panel=_OUTPUT),
    ] = False

    def terminal(self) -> Terminal:
        """Return where the command's words go."""
        return Terminal(self.quiet, self.verbose, self.json)
