"""Results in a terminal, as rich renderables."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from ..analysis import LayerSparsity, SparsityProfile
from ..bench import BenchResult
from ..calibration import CalibrationResult
from ..calibration.strategies.sensitivity import MIDDLE_LEVEL
from ..calibration.wording import METRIC_WORDS
from ..summary import Summary
from .sensitivities import sensitivity_rows
from .words import budget_words, caution, headline, measurement_caution, price

_BAR_WIDTH = 10


def render_profile(profile: SparsityProfile) -> RenderableType:
    """Return the table of a profile: every layer, totals, and the verdict.

    Args:
        profile: What ``analyze`` returned.
    """
    table = _table(f"{profile.model}: batch {profile.batch_size}, {profile.threads} threads, {profile.isa}")
    table.add_column("layer", overflow="ellipsis", no_wrap=True, max_width=36)
    for heading in (
        "MMACs",
        "sparsity",
        "",
        "ms",
        "share",
        *(f"ms at +{100 * gain:.0f}" for gain in profile.gains),
    ):
        table.add_column(heading, justify="left" if heading == "" else "right", no_wrap=True)
    for layer in profile.layers:
        table.add_row(*_profile_cells(layer))
    others = profile.latency_ms - sum(layer.latency_ms for layer in profile.layers)
    share = others / profile.latency_ms if profile.latency_ms else 0.0
    table.add_row("other steps", "", "", "", f"{others:.3f}", f"{share:.1%}", style="dim")
    table.add_section()
    table.add_row(
        "whole model",
        f"{profile.macs / 1e6:.0f}",
        f"{profile.sparsity:.1%}",
        _bar(profile.sparsity),
        f"{profile.latency_ms:.2f}",
        "",
        *(f"{latency:.2f}" for latency in profile.predicted_latency_ms),
        style="bold",
    )
    notes = Text(f"sparsity: zeros in what the layer reads; {profile.data}", style="dim")
    return Group(table, notes, Text(profile.verdict, style="bold"))


def _profile_cells(layer: LayerSparsity) -> list[str | Text]:
    sparsity = "-" if layer.input_sparsity is None else f"{layer.input_sparsity:.1%}"
    predicted = [f"{latency:.3f}" if layer.can_skip else "" for latency in layer.predicted_ms]
    return [
        layer.name,
        f"{layer.macs / 1e6:.1f}",
        sparsity,
        _bar(layer.input_sparsity),
        f"{layer.latency_ms:.3f}",
        f"{layer.latency_share:.1%}",
        *predicted,
    ]


def render_layers(before: SparsityProfile, after: SparsityProfile) -> RenderableType:
    """Return the layers that can skip, before and after thresholds.

    Args:
        before: The original model.
        after: The model with thresholds, on the same data.
    """
    table = _table("layers that skip zeros")
    table.add_column("layer", overflow="ellipsis", no_wrap=True, max_width=36)
    for heading in ("MMACs", "sparsity", "now", "", "ms", "now"):
        table.add_column(heading, justify="left" if heading == "" else "right", no_wrap=True)
    now = {layer.name: layer for layer in after.layers}
    for layer in before.layers:
        changed = now.get(layer.name)
        if layer.input_sparsity is None or changed is None or changed.input_sparsity is None:
            continue
        table.add_row(
            layer.name,
            f"{layer.macs / 1e6:.1f}",
            f"{layer.input_sparsity:.1%}",
            f"{changed.input_sparsity:.1%}",
            _bar(changed.input_sparsity),
            f"{layer.latency_ms:.3f}",
            f"{changed.latency_ms:.3f}",
        )
    table.add_section()
    table.add_row(
        "weighted by MACs",
        f"{before.skippable_macs / 1e6:.0f}",
        f"{before.sparsity:.1%}",
        f"{after.sparsity:.1%}",
        _bar(after.sparsity),
        f"{before.latency_ms:.2f}",
        f"{after.latency_ms:.2f}",
        style="bold",
    )
    return table


def render_calibration(calibration: CalibrationResult) -> RenderableType:
    """Return what a calibration came to.

    Args:
        calibration: What ``calibrate`` returned.
    """
    table = _table(f"budget: {budget_words(calibration)}")
    for heading in (
        "",
        "inputs",
        METRIC_WORDS.get(calibration.metric, calibration.metric),
        "now",
        "likely drop",
        "information lost",
    ):
        table.add_column(heading, justify="left" if heading == "" else "right")
    for name, score in (("calibration data", calibration.calibration), ("holdout", calibration.holdout)):
        table.add_row(
            name,
            str(score.samples),
            f"{score.baseline:.2%}",
            f"{score.optimized:.2%}",
            "-" if score.likely_drop is None else f"{score.likely_drop:.2%}",
            f"{score.information_loss:.2%}",
        )
    return Group(table, Text(calibration.message, style="bold"))


def render_sensitivities(calibration: CalibrationResult) -> RenderableType:
    """Return what the search knew of each activation: what zeros in it are worth, what they cost, what it drops.

    Args:
        calibration: What ``calibrate`` returned.
    """
    table = _table("where thresholds were put")
    table.add_column("activation", overflow="ellipsis", no_wrap=True, max_width=36)
    for heading in ("worth ms", f"{MIDDLE_LEVEL:.0%} alone lose", "dropped", "", "loss per ms", "threshold"):
        table.add_column(heading, justify="left" if heading == "" else "right", no_wrap=True)
    for row in sensitivity_rows(calibration):
        bar = _bar(row.dropped)
        table.add_row(row.activation, row.worth, row.damage, f"{row.dropped:.1%}", bar, row.price, row.kind)
    words = "worth: predicted time saved if nearly all of it were zero; loss: of the information in the outputs"
    return Group(table, Text(words, style="dim"))


def render_summary(
    model: str, summary: Summary, calibration: CalibrationResult, bench: BenchResult
) -> RenderableType:
    """Return the outcome of ``optimize``: one sentence, one table, what it cost.

    Args:
        model: What to call the model.
        summary: The outcome.
        calibration: For the price and how far to trust it.
        bench: For how far to trust the times.
    """
    latency = summary.latency_ms
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in (
        "",
        "ms per run",
        "speed-up",
        "sparsity",
        METRIC_WORDS.get(summary.metric, summary.metric),
    ):
        table.add_column(heading, justify="left" if heading == "" else "right", no_wrap=True)
    base = latency.onnxruntime or latency.zeroskip_exact
    before, after = f"{summary.sparsity_before:.1%}", f"{summary.sparsity_after:.1%}"
    if latency.onnxruntime is not None:
        table.add_row("ONNX Runtime", f"{latency.onnxruntime:.2f}", "1.00x", "", f"{summary.baseline:.2%}")
    rows = (
        ("zeroskip, exact", latency.zeroskip_exact, before, summary.baseline),
        ("zeroskip, thresholds", latency.zeroskip, after, summary.optimized),
    )
    for name, milliseconds, sparsity, value in rows:
        speedup = f"{base / milliseconds:.2f}x"
        table.add_row(name, f"{milliseconds:.2f}", speedup, sparsity, f"{value:.2%}", style="bold")
    settings = f"batch {summary.batch_size}, {summary.threads} threads, {summary.isa}"
    lines: list[RenderableType] = [
        Text(headline(model, summary), style="bold green"),
        Text(""),
        table,
        Text(""),
    ]
    lines.append(Text(price(calibration)))
    for warning in (caution(calibration), measurement_caution(bench)):
        if warning is not None:
            lines.append(Text(warning, style="yellow"))
    lines.append(Text(f"{settings}; medians of one interleaved run; sparsity weighted by MACs", style="dim"))
    return Panel(Group(*lines), expand=False, padding=(1, 2))


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", title_style="bold", header_style="dim")


def _bar(fraction: float | None) -> Text:
    if fraction is None:
        return Text("")
    filled = round(fraction * _BAR_WIDTH)
    return Text("█" * filled, style="green") + Text("░" * (_BAR_WIDTH - filled), style="dim")
