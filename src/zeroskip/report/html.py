"""The HTML report: one page without scripts or links to elsewhere, made of the values of all stages."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from ..analysis import SparsityProfile
from ..bench import BenchResult
from ..calibration import CalibrationResult
from ..calibration.sentences import amount, metric_words
from ..calibration.strategies.sensitivity import MIDDLE_LEVEL
from ..files import atomic_write_text
from ..summary import Summary
from ..text import time_cell, time_words
from ..verification import Verification
from .chart import search_chart
from .sensitivities import sensitivity_rows
from .words import budget_words, caution, contributions, headline, measurement_caution, method_words, price


def write_report(
    path: str | os.PathLike[str],
    *,
    summary: Summary,
    profile: SparsityProfile,
    profile_after: SparsityProfile,
    calibration: CalibrationResult,
    bench: BenchResult,
    verifications: Sequence[Verification] = (),
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
) -> str:
    """Return the page of :func:`write_report` as text."""
    environment = Environment(
        loader=PackageLoader("zeroskip.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = lambda value, digits=1: f"{value:.{digits}%}"
    environment.filters["amount"] = partial(amount, calibration.metric)
    environment.filters["fixed"] = lambda value, digits=2: f"{value:.{digits}f}"
    environment.filters["time"] = time_words
    environment.filters["cell"] = time_cell
    return environment.get_template("report.html.j2").render(
        model=profile.model,
        headline=headline(profile.model, summary),
        price=price(calibration),
        contributions=contributions(summary),
        cautions=[text for text in (caution(calibration), measurement_caution(bench)) if text],
        budget=budget_words(calibration),
        method=method_words(calibration),
        metric=metric_words(calibration.metric),
        summary=summary,
        profile=profile,
        profile_after=profile_after,
        calibration=calibration,
        bench=bench,
        verifications=verifications,
        latencies=_latencies(summary),
        layers=_layers(profile, profile_after),
        search=search_chart(calibration),
        level=MIDDLE_LEVEL,
        sensitivities=sensitivity_rows(calibration),
    )


def _latencies(summary: Summary) -> list[dict[str, Any]]:
    """Return the bars of the latency chart: label, time, width as a share of the longest."""
    latency = summary.latency_ms
    named = [
        ("ONNX Runtime", latency.onnxruntime, "peer"),
        ("zeroskip, exact results", latency.zeroskip_exact, "exact"),
        ("zeroskip, with thresholds", latency.zeroskip, "ours"),
    ]
    present = [(label, value, kind) for label, value, kind in named if value is not None]
    longest = max(value for _, value, _ in present)
    return [
        {"label": label, "ms": value, "width": value / longest, "kind": kind}
        for label, value, kind in present
    ]


def _layers(before: SparsityProfile, after: SparsityProfile) -> list[dict[str, Any]]:
    now = {layer.name: layer for layer in after.layers}
    rows = []
    for layer in before.layers:
        changed = now.get(layer.name, layer)
        rows.append(
            {
                "name": layer.title,
                "op": layer.op,
                "mmacs": layer.macs / 1e6,
                "before": layer.input_sparsity,
                "after": changed.input_sparsity,
                "ms_before": layer.latency_ms,
                "ms_after": changed.latency_ms,
                "share": layer.latency_share,
            }
        )
    return rows
