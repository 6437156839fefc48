"""The section on what a new input shape costs."""

from __future__ import annotations

from ..shapes.result import ShapeTable, rows
from .words import SHAPES, environment, table


def section(result: ShapeTable | None) -> list[str]:
    """Return the section's paragraphs; none without results."""
    if result is None:
        return []
    versions = {name: result.system.versions[name] for name in ("zeroskip", "onnxruntime")}
    where = environment(result.system.cpu, "", result.threads, result.date, versions, result.command)
    clock = " Times are CPU times of the process." if result.clock == "cpu" else ""
    yardstick = f"A run of ResNet-18 at 224x224 took {result.resnet18_ms:.1f} ms here.{clock}"
    return [SHAPES, table(*rows(result)), yardstick, where]
