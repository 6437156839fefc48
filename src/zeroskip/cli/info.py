"""``zeroskip info``: what this installation and this machine can do."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from .command import command
from .console import Terminal
from .options import Isa


@command
def info(
    terminal: Terminal,
    refit: Annotated[
        bool, typer.Option("--refit", help="Measure this machine anew (seconds) for the engine's cost model.")
    ] = False,
    threads: Annotated[int | None, typer.Option(help="Threads the cost model is for; by default all.", min=1)] = None,
    isa: Annotated[Isa | None, typer.Option(help="Instruction set it is for; by default the best.")] = None,
) -> None:
    """Show version, instruction sets, threads, processor, installed engines and the cost model.

    Example: zeroskip info --json -
    """
    from rich.table import Table

    from ..engine.cost import choose_cost_model, fitted_cost_model

    if refit:
        with terminal.progress() as progress:
            costs = fitted_cost_model(isa, threads or 0, refit=True, progress=progress)
    else:
        costs = choose_cost_model(None, isa, threads or 0)
    facts = _facts() | {"cost_model": costs.summary()}
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="dim")
    table.add_column()
    for name, value in facts.items():
        table.add_row(name.replace("_", " "), _words(value))
    terminal.show(table)
    terminal.json(json.dumps(facts, indent=2))


def _facts() -> dict[str, Any]:
    from ..baselines import ENGINES, available_engines
    from ..engine.native import core
    from ..system import SystemInfo, installed_version

    system = SystemInfo.collect()
    native = core()
    engines = {name: installed_version(name) for name in ENGINES if name in available_engines()}
    return {
        "version": system.versions["zeroskip"],
        "isas_compiled": list(native.isas_compiled()),
        "isas_supported": list(native.isas_supported()),
        "isa_active": native.active_isa(),
        "threads": system.physical_cores,
        "cpu": system.cpu,
        "cpu_isas": list(system.isas),
        "platform": system.platform,
        "python": system.python,
        "engines": engines,
    }


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {version}" for name, version in value.items())
    return ", ".join(value) if isinstance(value, list) else str(value)
