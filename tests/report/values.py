"""Results made up for reports: small, and with names that do their worst."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
from PIL import Image

from zeroskip.analysis import ActivationSparsity, Histogram, LayerSparsity, SparsityProfile, ZeroMap, ZeroMaps
from zeroskip.bench import BenchResult, EngineResult
from zeroskip.calibration import CalibrationOptions, CalibrationResult, LayerSensitivity, Score, Trial
from zeroskip.gain import Gain
from zeroskip.report import render_report
from zeroskip.summary import LatencyMs, Summary
from zeroskip.system import SystemInfo
from zeroskip.thresholds import ThresholdSet

HOSTILE = "<script>window.hurt=1</script><img src=x onerror='window.hurt=2'>&amp;$x^2$\x1b[2J"
"""A layer's name that would run, load, be set as a formula, or steer a terminal."""
LONG = "model/" + "block_with_a_long_name/" * 6 + "conv"


def around(ratio: float) -> Gain:
    """Return a gain that is known to 5 %."""
    return Gain(ratio=ratio, low=ratio / 1.05, high=ratio * 1.05)


def summary(onnxruntime: float | None, exact: float, thresholded: float) -> Summary:
    """Return the outcome of a run with these times in ms."""
    return Summary(
        metric="agreement",
        baseline=1.0,
        optimized=0.99,
        drop=0.01,
        sparsity_before=0.5,
        sparsity_after=0.7,
        latency_ms=LatencyMs(onnxruntime=onnxruntime, zeroskip_exact=exact, zeroskip=thresholded),
        speedup_exact=None if onnxruntime is None else onnxruntime / exact,
        speedup=None if onnxruntime is None else onnxruntime / thresholded,
        gain_exact=None if onnxruntime is None else around(onnxruntime / exact),
        gain_thresholds=around(exact / thresholded),
        recommended="thresholds" if exact / thresholded > 1.05 else "exact",
        threads=2,
        batch_size=1,
        isa="generic",
        versions={},
    )


def calibration(**changes: object) -> CalibrationResult:
    """Return a calibration that found one threshold, with some of its fields changed."""
    score = Score(samples=100, baseline=1.0, optimized=0.99, information_loss=0.004)
    values: dict[str, object] = {
        "thresholds": ThresholdSet({"relu": 0.5}),
        "metric": "agreement",
        "max_drop": 0.01,
        "max_information_loss": 0.01,
        "calibration": score,
        "holdout": score,
        "sparsity_before": 0.5,
        "sparsity_after": 0.7,
        "strategy": "uniform",
        "options": CalibrationOptions(),
        "trials": (),
        "sensitivities": (),
        "was_interrupted": False,
        "seconds": 1.0,
    }
    return CalibrationResult(**{**values, **changes})  # type: ignore[arg-type]


def profile(factor: float = 1.0) -> SparsityProfile:
    """Return a profile of six layers.

    Args:
        factor: Of all times.
    """
    titles = ["stem", HOSTILE, LONG, "conv10", "conv9", "head"]
    layers = tuple(
        LayerSparsity(
            name=f"step{number}",
            op="conv",
            kernel="f32_spconv_ukernel_2x64",
            input=f"relu{number}",
            macs=1_000_000 * (number + 1),
            can_skip=number > 0,
            input_sparsity=0.1 * number if number else None,
            latency_ms=factor * (number % 4 + 1),
            latency_share=(number % 4 + 1) / 13,
            predicted_ms=(),
            label=title,
            dense_ms=2.0 if number else None,
            choice="auto: sparse" if number else "dense",
            note=f"because of {title}",
        )
        for number, title in enumerate(titles)
    )
    histogram = Histogram(upper=2.0, counts=tuple(range(48, 0, -1)))
    names = ("relu", HOSTILE)
    return SparsityProfile(
        model="tiny",
        model_sha256="0" * 64,
        data="blobs",
        is_random_input=False,
        samples=4,
        batch_size=1,
        threads=1,
        isa="generic",
        cpu="a CPU",
        latency_ms=13.0 * factor,
        dense_latency_ms=20.0,
        gains=(),
        predicted_latency_ms=(),
        activations=tuple(
            ActivationSparsity(name=name, elements=9, sparsity=0.5, consumers=("a",), histogram=histogram)
            for name in names
        ),
        layers=layers,
    )


def engine(label: str, name: str, ms: float) -> EngineResult:
    """Return the row of a benchmark of nine rounds that spread by 10 %."""
    return EngineResult(
        label=label, engine=name, version="1.0", description="", precision="f32", threads=1, model_sha256="0",
        load_ms=1.0, p50_ms=ms, p90_ms=ms, p99_ms=ms, mean_ms=ms, throughput=1.0, iterations=9,
        round_p50_ms=tuple(ms * (0.96 + 0.01 * number) for number in range(9)),
        relative_difference=None, is_match=None, sparsity_seen=None, gflops=None,
    )  # fmt: skip


def bench() -> BenchResult:
    """Return a benchmark of four engines."""
    rows = (
        engine("onnxruntime", "onnxruntime", 20.0),
        engine("openvino", "openvino", 18.0),
        engine("zeroskip_exact", "zeroskip", 15.0),
        engine("zeroskip", "zeroskip", 10.0),
    )
    return BenchResult(
        date="2026-01-01", command="zeroskip optimize", data="blobs", is_random_input=False, batch_size=1, threads=1,
        precision="f32", seconds=1.0, tolerance=1e-3, dropped_rounds=(), is_unstable=False, rows=rows,
        system=SystemInfo(cpu="a CPU", isas=("generic",), physical_cores=1, platform="p", python="3", versions={}),
    )  # fmt: skip


def grey(height: int, width: int, form: str = "PNG") -> str:
    """Return a ramp from black to white as a picture in base64."""
    stream = io.BytesIO()
    ramp = np.broadcast_to(np.linspace(0, 255, width).astype(np.uint8), (height, width))
    Image.fromarray(np.ascontiguousarray(ramp)).save(stream, form)
    return base64.b64encode(stream.getvalue()).decode()


def maps(sparsity: float) -> ZeroMaps:
    """Return zero maps of two activations on two pictures."""
    layers = tuple(
        ZeroMap(
            activation=name, label=name, sparsity=sparsity, channels=16, height=8, width=8,
            pixels=(grey(8, 8), grey(8, 8)), channel_strip=grey(1, 16),
        )
        for name in ("relu", HOSTILE)
    )  # fmt: skip
    return ZeroMaps(names=("a.png", "b.png"), pictures=(grey(20, 30, "JPEG"), grey(20, 30, "JPEG")), layers=layers)


def trials() -> tuple[Trial, ...]:
    """Return one trial within the budget, and one far beyond it."""
    return tuple(
        Trial(
            stage=stage, strength=0.5, sparsity=0.6, predicted_speedup=1.1, passed=loss <= 0.01,
            score=Score(samples=10, baseline=1.0, optimized=1.0, information_loss=loss),
        )
        for stage, loss in (("search", 0.005), ("search", float("inf")), ("holdout", 0.02))
    )  # fmt: skip


def page(**changes: Any) -> str:
    """Return a report with everything in it, some of its parts changed."""
    sensitivity = LayerSensitivity(
        activation=HOSTILE, gain_ms=1.0, levels=(0.3,), damages=(0.01,), is_per_channel=False, fraction=0.3,
        damage_per_ms=0.1,
    )  # fmt: skip
    parts: dict[str, Any] = {
        "summary": summary(20.0, 15.0, 10.0),
        "profile": profile(),
        "profile_after": profile(0.7),
        "calibration": calibration(trials=trials(), sensitivities=(sensitivity,)),
        "bench": bench(),
        "maps": maps(0.4),
        "maps_after": maps(0.6),
    }
    return render_report(**{**parts, **changes})
