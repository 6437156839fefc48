"""The typer application: the list of commands."""

from __future__ import annotations

from typing import Annotated

import typer

from .. import __version__
from .analyze import analyze
from .apply import apply
from .bench import bench
from .calibrate import calibrate
from .console import INTERRUPTED
from .demo import demo
from .finetune import finetune
from .info import info
from .optimize import optimize
from .report import report
from .run import run as run_command
from .serve import serve
from .signals import exit_code, install

app = typer.Typer(
    name="zeroskip",
    help="Make trained ReLU networks faster on CPUs: measure activation sparsity, raise it, skip the zeros.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode="markdown",
    epilog="Example: zeroskip optimize model.onnx --data photos/ --max-drop 0.01 --output out",
)


def _show_version(is_wanted: bool) -> None:
    if is_wanted:
        typer.echo(f"zeroskip {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", is_eager=True, callback=_show_version)
    ] = False,
) -> None:
    pass


for command in (optimize, analyze, calibrate, apply, finetune, run_command, bench, serve, report, info, demo):
    app.command()(command)


def run() -> None:
    """Run the application; signals end it alike, with their exit codes and nothing half-written left."""
    install()
    try:
        app()
    except SystemExit as ending:
        code = exit_code()
        raise SystemExit(ending.code if code is None else code) from None
    except KeyboardInterrupt:  # before a command has begun, or while it ends
        raise SystemExit(exit_code() or INTERRUPTED) from None
