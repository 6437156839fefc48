"""What ``import zeroskip`` offers, and that whatever it hands out prints in less than a screen."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from rich.console import Console

import zeroskip as zs
from tiny_network import tiny_data, tiny_network
from zeroskip.analysis import ActivationSparsity, LayerSparsity
from zeroskip.bench import EngineResult
from zeroskip.calibration import CurvePoint, LayerSensitivity, Score, Trial
from zeroskip.onnx import LayerWeights
from zeroskip.system import SystemInfo

SCREEN = 1000
"""Characters: half of a terminal of 80 columns and 24 rows."""
MANY = 60


def profile() -> zs.SparsityProfile:
    layer = LayerSparsity(
        name="features.denseblock4/conv", op="conv", kernel="f32_spconv_ukernel_2x64", input="relu", macs=10**8,
        can_skip=True, input_sparsity=0.512345678, latency_ms=1.23456789, latency_share=0.1,
        predicted_ms=(1.0, 0.9, 0.8),
    )  # fmt: skip
    activation = ActivationSparsity(name="relu", elements=10**6, sparsity=0.5, consumers=("conv",))
    return zs.SparsityProfile(
        model="m.onnx", model_sha256="0" * 64, data="500 images " * 30, is_random_input=False, samples=64, batch_size=1,
        threads=2, isa="avx2", cpu="A processor with a long name", latency_ms=12.0, dense_latency_ms=20.0,
        gains=(0.1, 0.2, 0.3), predicted_latency_ms=(11.0, 10.0, 9.0), activations=(activation,) * MANY,
        layers=(layer,) * MANY,
    )  # fmt: skip


def calibration() -> zs.CalibrationResult:
    score = Score(samples=250, baseline=1.0, optimized=0.99, information_loss=0.01)
    trial = Trial(stage="search", strength=0.5, sparsity=0.6, score=score, passed=True)
    point = CurvePoint(
        strength=0.5, sparsity=0.6, predicted_speedup=1.2, calibration=score, holdout=score, is_efficient=True
    )
    sensitivity = LayerSensitivity(
        activation="relu", gain_ms=0.1, levels=(0.5,), damages=(0.1,), is_per_channel=True, fraction=0.5,
        damage_per_ms=1.0,
    )  # fmt: skip
    weights = LayerWeights(np.zeros((64, 64, 3, 3), np.float32), np.zeros(64, np.float32))
    return zs.CalibrationResult(
        thresholds=thresholds(), layers={f"conv{number}": weights for number in range(MANY)}, metric="agreement",
        max_drop=0.01, max_information_loss=0.1, target_sparsity=None, calibration=score, holdout=score,
        sparsity_before=0.5, sparsity_after=0.6, strategy="sensitivity", seed=0, trials=(trial,) * MANY,
        curve=(point,) * MANY, sensitivities=(sensitivity,) * MANY, was_interrupted=False, seconds=100.0,
    )  # fmt: skip


def thresholds() -> zs.ThresholdSet:
    return zs.ThresholdSet(
        {f"relu{number}": np.full(512, 0.25, np.float32) for number in range(MANY)},
        model_sha256="0" * 64, data="500 images", metric="top1", provenance={"curve": [{"drop": 0.1}] * MANY},
    )  # fmt: skip


def measurement() -> zs.BenchResult:
    row = EngineResult(
        label="zeroskip", engine="zeroskip", version="1", description="2 threads", precision="f32", threads=2,
        model_sha256="0" * 64, load_ms=1.0, p50_ms=1.0, p90_ms=1.0, p99_ms=1.0, mean_ms=1.0, throughput=1.0,
        iterations=100, round_p50_ms=(1.0,) * MANY, relative_difference=None, is_match=None, sparsity_seen=0.5,
        gflops=1.0,
    )  # fmt: skip
    return zs.BenchResult(
        date="2026", command="zeroskip " * 99, system=SystemInfo.collect(), data="500 images", is_random_input=False,
        batch_size=1, threads=2, precision="f32", seconds=1.0, tolerance=1e-3, dropped_rounds=tuple(range(MANY)),
        is_unstable=False, rows=(row,) * MANY,
    )  # fmt: skip


def values() -> Iterator[Any]:
    session = zs.InferenceSession(tiny_network())
    x = np.zeros((1, 3, 32, 32), np.float32)
    yield from (profile(), calibration(), thresholds(), measurement(), SystemInfo.collect(), tiny_data(24))
    yield from (session, session.plan(), session.profile({"image": x}, iterations=1), session.explain())
    yield session.options
    yield from (zs.apply(tiny_network(), zs.ThresholdSet({"relu1": 0.1})), session.cost_model, zs.Preprocess())


@pytest.mark.parametrize("value", list(values()), ids=lambda value: type(value).__name__)
def test_a_repr_fits_a_screen(value: Any) -> None:
    text = repr(value)
    assert type(value).__name__ in text
    assert len(text) <= SCREEN
    assert "\n" not in text
    console = Console(width=80, record=True)
    with console.capture() as capture:
        console.print(value)
    assert len(capture.get().splitlines()) <= 40


def test_a_session_says_what_it_takes() -> None:
    text = repr(zs.InferenceSession(tiny_network(), zs.SessionOptions(intra_op_num_threads=2)))
    assert text == (
        "InferenceSession(['image: tensor(float) [N, 3, 32, 32]'] -> ['logits: tensor(float) [N, 5]'], "
        "threads=2, isa=best)"
    )


def test_every_name_resolves() -> None:
    for name in dir(zs):
        assert getattr(zs, name) is not None
    assert {"CalibrationResult", "BenchResult", "OptimizeResult", "Summary", "Verification", "Profile"} <= set(dir(zs))


@pytest.mark.parametrize("name", ["bench", "data", "metrics", "onnx", "thresholds", "torch"])
def test_parts_resolve_after_a_bare_import(name: str) -> None:
    if name == "torch":
        pytest.importorskip("torch")
    code = f"import zeroskip; assert {name!r} in dir(zeroskip); print(zeroskip.{name}.__name__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"zeroskip.{name}"
