"""The HTML report: one page that needs nothing from elsewhere, made of the values of all stages."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Sequence
from functools import partial
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from ..analysis import SparsityProfile, ZeroMaps
from ..bench import BenchResult
from ..calibration import CalibrationResult
from ..calibration.sentences import amount, metric_words
from ..calibration.strategies.sensitivity import MIDDLE_LEVEL
from ..files import atomic_write_text
from ..summary import Summary
from ..text import time_cell, time_words
from ..verification import Verification
from .charts import draw_curve, draw_histograms, draw_search, draw_time
from .figures import can_draw
from .heat import aspect, map_rows
from .sensitivities import sensitivity_rows
from .words import budget_words, cautions, contributions, headline, method_words, price

ENGINE_NAMES = {"onnxruntime": "ONNX Runtime", "openvino": "OpenVINO", "ncnn": "ncnn", "torch": "PyTorch"}
_ROWS = {
    "zeroskip_exact": ("zeroskip, exact results", "exact"),
    "zeroskip": ("zeroskip, with thresholds", "ours"),
}
_SEARCH_WORDS = (
    "Every threshold set that was tried: circles on the calibration data, squares on the holdout; filled ones kept "
    "within the budget. What lies above the frame is drawn at its top."
)


def write_report(
    path: str | os.PathLike[str],
    *,
    summary: Summary,
    profile: SparsityProfile,
    profile_after: SparsityProfile,
    calibration: CalibrationResult,
    bench: BenchResult,
    verifications: Sequence[Verification] = (),
    maps: ZeroMaps | None = None,
    maps_after: ZeroMaps | None = None,
) -> None:
    """Write the report; the file appears whole or not at all.

    Args:
        path: File to create or replace.
        summary: The outcome.
        profile: The original model.
        profile_after: The model with thresholds.
        calibration: Thresholds and how they were found.
        bench: The measurement.
        verifications: Comparisons with another engine.
        maps: Where the original model has zeros.
        maps_after: Where the model with thresholds has them, on the same inputs; without it the page has no zero maps.

    Raises:
        OSError: If it cannot be written.
    """
    page = render_report(
        summary=summary,
        profile=profile,
        profile_after=profile_after,
        calibration=calibration,
        bench=bench,
        verifications=verifications,
        maps=maps,
        maps_after=maps_after,
    )
    atomic_write_text(path, page)


def render_report(
    *,
    summary: Summary,
    profile: SparsityProfile,
    profile_after: SparsityProfile,
    calibration: CalibrationResult,
    bench: BenchResult,
    verifications: Sequence[Verification] = (),
    maps: ZeroMaps | None = None,
    maps_after: ZeroMaps | None = None,
) -> str:
    """Return the page of :func:`write_report` as text."""
    script = _asset("report.js")
    draws = can_draw()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        _environment(calibration.metric)
        .get_template("report.html.j2")
        .render(
            model=profile.model,
            headline=headline(profile.model, summary),
            price=price(calibration),
            contributions=contributions(summary),
            cautions=cautions(calibration, bench),
            budget=budget_words(calibration),
            method=method_words(calibration),
            metric=metric_words(calibration.metric),
            summary=summary,
            profile=profile,
            profile_after=profile_after,
            calibration=calibration,
            bench=bench,
            verifications=verifications,
            latencies=_latencies(bench),
            intervals={row.label: _interval(bench, row.label) for row in bench.rows},
            layers=_layers(profile, profile_after),
            skipped=sum(layer.skipped_macs for layer in profile_after.layers) / 1e6,
            time_figure=draw_time(profile, profile_after) if draws else None,
            histograms=draw_histograms(profile.activations, calibration, draws),
            figures=_figures(calibration) if draws else [],
            draws=draws,
            maps_after=maps_after,
            map_rows=map_rows(maps, maps_after),
            aspect=aspect(maps_after),
            level=MIDDLE_LEVEL,
            sensitivities=sensitivity_rows(calibration),
            style=_asset("style.css"),
            script=script,
            script_hash=f"sha256-{digest}",
        )
    )


def _environment(metric: str) -> Environment:
    environment = Environment(
        loader=PackageLoader("zeroskip.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = lambda value, digits=1: f"{value:.{digits}%}"
    environment.filters["amount"] = partial(amount, metric)
    environment.filters["fixed"] = lambda value, digits=2: f"{value:.{digits}f}"
    environment.filters["time"] = time_words
    environment.filters["cell"] = time_cell
    return environment


def _asset(name: str) -> str:
    return (files("zeroskip.report") / "templates" / name).read_text("utf-8")


def _figures(calibration: CalibrationResult) -> list[tuple[str, str]]:
    """Return the figures of accuracy against speed, each with what it shows."""
    drawn = [
        (draw_search(calibration), _SEARCH_WORDS),
        (draw_curve(calibration), "Accuracy against speed; the line joins the points that no other beats in both."),
    ]
    return [(figure, words) for figure, words in drawn if figure]


def _latencies(bench: BenchResult) -> list[dict[str, Any]]:
    """Return the bars of the latency table: label, time and interval, also as shares of the longest."""
    longest = max(bench.interval_ms(row.label)[1] for row in bench.rows)
    bars = []
    for row in bench.rows:
        low, high = bench.interval_ms(row.label)
        label, kind = _ROWS.get(row.label, (ENGINE_NAMES.get(row.engine, row.label), "peer"))
        bars.append(
            {
                "label": label,
                "kind": kind,
                "ms": row.p50_ms,
                "interval": _interval(bench, row.label),
                "width": row.p50_ms / longest,
                "low": low / longest,
                "spread": (high - low) / longest,
            }
        )
    return bars


def _interval(bench: BenchResult, label: str) -> str:
    low, high = bench.interval_ms(label)
    return f"{time_words(low)} to {time_words(high)}"


def _layers(before: SparsityProfile, after: SparsityProfile) -> list[dict[str, Any]]:
    now = {layer.name: layer for layer in after.layers}
    rows = []
    for layer in before.layers:
        changed = now.get(layer.name, layer)
        rows.append(
            {
                "name": layer.title,
                "mmacs": layer.macs / 1e6,
                "before": layer.input_sparsity,
                "after": changed.input_sparsity,
                "skipped": changed.skipped_macs / 1e6,
                "skips": layer.can_skip,
                "ms_dense": layer.dense_ms,
                "ms_before": layer.latency_ms,
                "ms_after": changed.latency_ms,
                "share": layer.latency_share,
                "precision": changed.precision,
                "choice": changed.choice,
                "note": changed.note,
            }
        )
    return rows
