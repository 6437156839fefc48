"""``zeroskip info``: what this installation and this machine can do."""

from __future__ import annotations

import json
from typing import Any

from .command import command
from .console import Terminal


@command
def info(terminal: Terminal) -> None:
    """Show version, instruction sets, threads, processor and installed engines."""
    from rich.table import Table

    facts = _facts()
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
