"""The section on layers: sparse against dense, by kind of layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..layers.result import LayerTable, LayerTiming
from .words import LAYERS, environment, table


def section(tables: list[LayerTable]) -> list[str]:
    """Return the section's paragraphs; none without results."""
    parts = [LAYERS] if tables else []
    for item in tables:
        sparsities = item.layers[0].sparsities
        header = ["layers", "number", *(f"{sparsity:.0%}" for sparsity in sparsities)]
        groups: list[tuple[str, list[LayerTiming]]] = [
            (kind, [layer for layer in item.layers if layer.kind == kind])
            for kind in dict.fromkeys(layer.kind for layer in item.layers)
        ]
        groups.append(("**all**", list(item.layers)))
        rows = [_row(kind, layers, _sparse_speedup) for kind, layers in groups]
        rows.append(_row("choice, all", list(item.layers), _choice_quality))
        if all(layer.onednn_ms for layer in item.layers):
            rows.append(_row("choice over oneDNN", list(item.layers), _onednn_speedup))
        threads = f"{item.threads} thread{'s' if item.threads > 1 else ''}"
        parts += [f"### Layers of {item.network}, {threads}", table(header, rows)]
        versions = {"zeroskip": item.system.versions["zeroskip"]}
        parts.append(environment(item.system.cpu, item.isa, item.threads, item.date, versions, item.command))
    return parts


Value = Callable[[Sequence[LayerTiming], int], float]


def _row(name: str, layers: list[LayerTiming], value: Value) -> list[str]:
    count = sum(layer.count for layer in layers)
    return [name, str(count), *(f"{value(layers, index):.2f}" for index in range(len(layers[0].sparsities)))]


def _sparse_speedup(layers: Sequence[LayerTiming], index: int) -> float:
    dense = sum(layer.count * layer.dense_ms[index] for layer in layers)
    return dense / sum(layer.count * layer.sparse_ms[index] for layer in layers)


def _choice_quality(layers: Sequence[LayerTiming], index: int) -> float:
    """Return the better algorithm's time over that of the choice."""
    best = sum(layer.count * min(layer.dense_ms[index], layer.sparse_ms[index]) for layer in layers)
    return best / sum(layer.count * layer.auto_ms[index] for layer in layers)


def _onednn_speedup(layers: Sequence[LayerTiming], index: int) -> float:
    onednn = sum(layer.count * layer.onednn_ms[index] for layer in layers)
    return onednn / sum(layer.count * layer.auto_ms[index] for layer in layers)
