"""Results in a terminal, as rich renderables."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.text import Text

from ..analysis import LayerSparsity, PrecisionTimes, SparsityProfile
from ..bench import BenchResult
from ..calibration import CalibrationResult
from ..calibration.sentences import amount
from ..calibration.strategies.sensitivity import MIDDLE_LEVEL
from ..fitted_table import Column, FittedTable
from ..summary import Summary
from ..text import time_cell
from .sensitivities import sensitivity_rows
from .words import METRIC_HEADINGS, budget_words, cautions, contributions, headline, price

_BAR_WIDTH = 10
_BAR_COLUMN = Column("", rank=9, justify="left")


def render_profile(profile: SparsityProfile) -> RenderableType:
    """Return the table of a profile: every layer, totals, and the verdict.

    Args:
        profile: What ``analyze`` returned.
    """
    middle = len(profile.gains) // 2  # goes last: the verdict speaks of it
    gains = [
        Column(f"ms at +{100 * gain:.0f}", rank=3 + (number != middle) * (1 + number))
        for number, gain in enumerate(profile.gains)
    ]
    table = FittedTable(
        "layer",
        [Column("MMACs", 2), Column("sparsity"), _BAR_COLUMN, Column("ms"), Column("share", 1), *gains],
        f"{profile.model}: batch {profile.batch_size}, {_threads(profile.threads)}, {profile.isa}",
    )
    for layer in profile.layers:
        table.add_row(layer.title, *_profile_cells(layer))
    rest = profile.latency_ms - sum(layer.latency_ms for layer in profile.layers)
    share = rest / profile.latency_ms if profile.latency_ms else 0.0
    empty = [""] * len(profile.gains)
    table.add_row("other steps", "", "", "", time_cell(rest), f"{share:.1%}", *empty, style="dim")
    table.add_section()
    table.add_row(
        "whole model",
        f"{profile.macs / 1e6:.0f}",
        f"{profile.sparsity:.1%}",
        _bar(profile.sparsity),
        time_cell(profile.latency_ms),
        "",
        *(time_cell(latency) for latency in profile.predicted_latency_ms),
        style="bold",
    )
    notes = Text(f"sparsity: zeros in what the layer reads; {profile.data}", style="dim")
    others = [render_precision(profile, other) for other in profile.precisions]
    prospects = [Text(line) for line in profile.prospects]
    return Group(table, notes, *others, *prospects, Text(profile.verdict, style="bold"))


def render_precision(profile: SparsityProfile, other: PrecisionTimes) -> RenderableType:
    """Return the table of another precision: every layer's time in it, now and with more zeros.

    Args:
        profile: What ``analyze`` returned.
        other: One of its precisions.
    """
    middle = len(profile.gains) // 2
    gains = [Column(f"at +{100 * gain:.0f}", 2 * (number != middle)) for number, gain in enumerate(profile.gains)]
    source = "predicted, accuracy not judged" if other.is_predicted else "measured"
    columns = [Column(f"{profile.precision} ms"), Column(f"{other.precision} ms"), *gains]
    table = FittedTable("layer", columns, f"in {other.precision} ({source})")
    for layer in profile.layers:
        if layer.name in other.layers:
            times = (layer.latency_ms, *other.layers[layer.name])
            table.add_row(layer.title, *(time_cell(time) for time in times))
    table.add_section()
    totals = (profile.latency_ms, other.latency_ms, *other.predicted_latency_ms)
    table.add_row("whole model", *(time_cell(time) for time in totals), style="bold")
    return table


def _profile_cells(layer: LayerSparsity) -> list[str | Text]:
    return [
        f"{layer.macs / 1e6:.1f}",
        "-" if layer.input_sparsity is None else f"{layer.input_sparsity:.1%}",
        layer.obstacle or _bar(layer.input_sparsity),
        time_cell(layer.latency_ms),
        f"{layer.latency_share:.1%}",
        *(time_cell(latency) if layer.can_skip else "" for latency in layer.predicted_ms),
    ]


def render_layers(before: SparsityProfile, after: SparsityProfile) -> RenderableType:
    """Return the layers that can skip, before and after thresholds.

    Args:
        before: The original model.
        after: The model with thresholds, on the same data.
    """
    headings = [Column("MMACs", 2), Column("sparsity"), Column("now"), _BAR_COLUMN, Column("ms"), Column("now")]
    table = FittedTable("layer", headings, "layers that skip zeros")
    now = {layer.name: layer for layer in after.layers}
    for layer in before.layers:
        changed = now.get(layer.name)
        if layer.input_sparsity is None or changed is None or changed.input_sparsity is None:
            continue
        table.add_row(
            layer.title,
            f"{layer.macs / 1e6:.1f}",
            f"{layer.input_sparsity:.1%}",
            f"{changed.input_sparsity:.1%}",
            _bar(changed.input_sparsity),
            time_cell(layer.latency_ms),
            time_cell(changed.latency_ms),
        )
    table.add_section()
    table.add_row(
        "weighted by MACs",
        f"{before.skippable_macs / 1e6:.0f}",
        f"{before.sparsity:.1%}",
        f"{after.sparsity:.1%}",
        _bar(after.sparsity),
        time_cell(before.latency_ms),
        time_cell(after.latency_ms),
        style="bold",
    )
    return table


def render_calibration(calibration: CalibrationResult) -> RenderableType:
    """Return what a calibration came to.

    Args:
        calibration: What ``calibrate`` returned.
    """
    metric = calibration.metric
    columns = [
        Column("inputs"),
        Column(METRIC_HEADINGS.get(metric, metric)),
        Column("now"),
        Column("drop"),
        Column("same answer", 1),
        Column("likely drop"),
        Column("information lost", 1),
    ]
    table = FittedTable("", columns, f"budget: {budget_words(calibration)}")
    for name, score in (("calibration data", calibration.calibration), ("holdout", calibration.holdout)):
        table.add_row(
            name,
            str(score.samples),
            amount(metric, score.baseline),
            amount(metric, score.optimized),
            amount(metric, score.drop),
            "-" if score.agreement is None else f"{score.agreement:.2%}",
            "-" if score.likely_drop is None else f"{score.likely_drop:.2%}",
            f"{score.information_loss:.2%}",
        )
    estimate, samples = calibration.estimate, calibration.calibration.samples + calibration.holdout.samples
    likely = "-" if estimate is None else amount(metric, estimate.drop)
    table.add_row("both", str(samples), "", "", amount(metric, calibration.pooled_drop), "", likely, "")
    return Group(table, Text(calibration.message, style="bold"))


def render_sensitivities(calibration: CalibrationResult) -> RenderableType:
    """Return what the search knew of each activation: what zeros in it are worth, what they cost, what it drops.

    Args:
        calibration: What ``calibrate`` returned.
    """
    table = FittedTable(
        "activation",
        [
            Column("worth ms"),
            Column(f"{MIDDLE_LEVEL:.0%} alone lose", 2),
            Column("dropped"),
            _BAR_COLUMN,
            Column("loss per ms", 3),
            Column("threshold", 1, "left"),
        ],
        "where thresholds were put",
    )
    for row in sensitivity_rows(calibration):
        bar = _bar(row.dropped)
        table.add_row(row.activation, row.worth, row.damage, f"{row.dropped:.1%}", bar, row.price, row.kind)
    words = "worth: predicted time saved if nearly all of it were zero; loss: of the information in the outputs"
    return Group(table, Text(words, style="dim"))


def render_summary(model: str, summary: Summary, calibration: CalibrationResult, bench: BenchResult) -> RenderableType:
    """Return the outcome of ``optimize``: one sentence, one table, what it cost.

    Args:
        model: What to call the model.
        summary: The outcome.
        calibration: For the price and how far to trust it.
        bench: For how far to trust the times.
    """
    latency = summary.latency_ms
    metric = METRIC_HEADINGS.get(summary.metric, summary.metric)
    table = FittedTable("", [Column("ms per run"), Column("speed-up"), Column("sparsity"), Column(metric)])
    base = latency.onnxruntime or latency.zeroskip_exact
    before, after = f"{summary.sparsity_before:.1%}", f"{summary.sparsity_after:.1%}"
    if latency.onnxruntime is not None:
        table.add_row("ONNX Runtime", time_cell(latency.onnxruntime), "1.00x", "", f"{summary.baseline:.2%}")
    rows = (
        ("zeroskip, exact", latency.zeroskip_exact, before, summary.baseline),
        ("zeroskip, thresholds", latency.zeroskip, after, summary.optimized),
    )
    for name, milliseconds, sparsity, value in rows:
        speedup = f"{base / milliseconds:.2f}x"
        table.add_row(name, time_cell(milliseconds), speedup, sparsity, f"{value:.2%}", style="bold")
    settings = f"batch {summary.batch_size}, {_threads(summary.threads)}, {summary.isa}"
    lines: list[RenderableType] = [
        Text(headline(model, summary), style="bold green"),
        Text(""),
        table,
        Text(""),
    ]
    lines += [Text(line) for line in contributions(summary)]
    lines.append(Text(price(calibration)))
    lines += [Text(warning, style="yellow") for warning in cautions(calibration, bench)]
    lines.append(Text(f"{settings}; medians of one interleaved run; sparsity weighted by MACs", style="dim"))
    return Panel(Group(*lines), expand=False, padding=(1, 2))


def _threads(count: int) -> str:
    return f"{count} thread" + ("s" if count != 1 else "")


def _bar(fraction: float | None) -> Text:
    if fraction is None:
        return Text("")
    filled = round(fraction * _BAR_WIDTH)
    return Text("█" * filled, style="green") + Text("░" * (_BAR_WIDTH - filled), style="dim")
