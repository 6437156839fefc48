"""The benchmark scripts: networks are what they claim, sparsity is what was asked for, the page is made."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

pytest.importorskip("onnxruntime")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the scripts are not part of the package

from benchmarks.kernels.result import KernelTable, KernelTiming
from benchmarks.layers import predict
from benchmarks.layers import run as layers_run
from benchmarks.layers.result import LayerTable
from benchmarks.models.cases import Case
from benchmarks.models.networks import NETWORKS, build
from benchmarks.models.networks.graph import INPUT, HeWeights, NetworkBuilder
from benchmarks.models.result import CaseResult
from benchmarks.models.sparsify import with_sparsity
from benchmarks.page import readme
from benchmarks.report import page
from benchmarks.threads import run as threads_run
from benchmarks.weights import run as weights_run

import zeroskip
from zeroskip import _core
from zeroskip.bench import BenchResult, EngineResult
from zeroskip.engine import CostModel
from zeroskip.system import SystemInfo

# From the papers and the usual counting tools; convolutions only.
GMACS = {
    "resnet18": 1.81,
    "resnet50": 4.09,
    "vgg16": 15.35,
    "mobilenet_v1": 0.57,
    "squeezenet_1_1": 0.35,
    "densenet121": 2.83,
}


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_have_the_work_of_their_architecture(name: str) -> None:
    network = build(name, layers_run.NoWeights())
    assert sum(layer.macs for layer in network.convolutions) / 1e9 == pytest.approx(GMACS[name], abs=0.01)


def small_network() -> onnx.ModelProto:
    """A residual block, a concatenation before a pooling, and a classifier."""
    builder = NetworkBuilder("small", HeWeights())
    x = builder.conv_relu("a", INPUT, 16, 3, stride=8)
    y = builder.relu(builder.add("sum", builder.conv("b", x, 16, 3), x))
    z = builder.concat("both", [builder.conv_relu("c", y, 16, 1), builder.conv_relu("d", y, 16, 3)])
    z = builder.max_pool("pool", z, 2, 2)
    return builder.finish(builder.linear("fc", builder.flatten(builder.global_average_pool(z)), 5)).model


@pytest.mark.parametrize("sparsity", [0.7, 0.9])
def test_every_activation_gets_the_sparsity_asked_for(sparsity: float) -> None:
    x = np.random.default_rng(0).standard_normal((2, 3, 224, 224), np.float32)
    session = zeroskip.InferenceSession(with_sparsity(small_network(), x, sparsity))
    for name, value in session.observe(["a.relu", "sum.relu", "pool"], {INPUT: x}).items():
        assert np.mean(value == 0) == pytest.approx(sparsity, abs=0.01), name


def test_natural_sparsity_is_left_alone() -> None:
    x = np.random.default_rng(0).standard_normal((1, 3, 224, 224), np.float32)
    session = zeroskip.InferenceSession(with_sparsity(small_network(), x, None))
    assert 0.3 < np.mean(session.observe(["a.relu"], {INPUT: x})["a.relu"] == 0) < 0.7


def test_layers_are_timed() -> None:
    shape, count = layers_run.layer_table("resnet18")[-1]
    timing, isa = layers_run.time_layer(shape, count, 1, [0.0, 0.9], seconds=0.001)
    assert isa in zeroskip.engine.options.ISAS
    assert min(*timing.dense_ms, *timing.sparse_ms, *timing.auto_ms) > 0.0
    assert "spconv" in timing.kernel


def row(engine: str, p50_ms: float) -> EngineResult:
    return EngineResult(
        label=engine,
        engine=engine,
        version="1",
        description="2 threads, avx2",
        precision="f32",
        threads=2,
        model_sha256="",
        load_ms=1.0,
        p50_ms=p50_ms,
        p90_ms=p50_ms,
        p99_ms=p50_ms,
        mean_ms=p50_ms,
        throughput=1.0,
        iterations=5,
        round_p50_ms=(p50_ms,) * 5,
        relative_difference=None,
        is_match=None,
        sparsity_seen=0.5 if engine == "zeroskip" else None,
        gflops=None,
    )


def case(kind: str) -> CaseResult:
    bench = BenchResult(
        date="2026-01-02T00:00:00+00:00",
        command="run",
        system=SystemInfo.collect(()),
        data="pictures",
        is_random_input=False,
        batch_size=1,
        threads=2,
        precision="f32",
        seconds=1.0,
        tolerance=1e-3,
        dropped_rounds=(),
        is_unstable=False,
        rows=(row("zeroskip", 10.0), row("onnxruntime", 25.0), row("openvino", 20.0)),
    )
    return CaseResult.model_validate(
        {"kind": kind, "network": "resnet50", "target_sparsity": None, "command": "run", "bench": bench}
    )


def test_page_shows_ratios_to_the_best_peer_with_their_origin() -> None:
    text = page([case("random"), case("trained")], [], None, None)
    assert "**2.00** (2.00-2.00)" in text
    assert "20.00 (OpenVINO)" in text
    assert "2026-01-02" in text
    assert "shared virtual machine" in text


def test_page_without_results_says_how_to_get_them() -> None:
    assert "python -m benchmarks.models.run" in page([], [], None, None)


def test_page_shows_layers() -> None:
    timing, isa = layers_run.time_layer(layers_run.layer_table("resnet18")[0][0], 2, 1, [0.5], seconds=0.001)
    table = LayerTable(
        network="resnet18",
        threads=1,
        isa=isa,
        date="2026-01-02",
        command="run",
        system=SystemInfo.collect(()),
        layers=(timing,),
    )
    assert "| 3x3 s1 | 2 |" in page([], [table], None, None)


def test_readme_gets_its_numbers_between_the_markers() -> None:
    before = (
        "# t\n<!-- headline:begin -->\nold\n<!-- headline:end -->\nkept\n<!-- table:begin -->\n<!-- table:end -->\n"
    )
    after = readme.filled(before, [case("trained")])
    assert "[2.00x](docs/results/performance.md) (2.00-2.00 over the rounds)" in after
    assert "old" not in after
    assert "\nkept\n" in after
    assert readme.filled(before, [case("random")]) == before


def test_predictions_are_compared_with_every_layer_that_can_skip() -> None:
    model = CostModel.for_isa(_core.active_isa())
    (comparison,) = predict.compare("squeezenet_1_1", 1, [0.5], rounds=1, model=model)
    layers = len(layers_run.layer_table("squeezenet_1_1"))
    assert len(comparison.layers) == len(comparison.regret) == layers
    assert all(len(times) == layers and (times > 0).all() for times in comparison.measured.values())
    assert np.median(comparison.errors("dense", comparison.speed)) < np.median(comparison.errors("dense", 1e-3))
    lines = predict.as_text([comparison]).splitlines()
    assert lines[1].split()[0] == "0.50"
    assert "geometric mean" in lines[-1]


def test_threads_are_timed_in_turns() -> None:
    times = threads_run.scaling("squeezenet_1_1", [1, 2], rounds=2)
    assert times.shape == (2, 2)
    assert (times > 0).all()
    rates = threads_run.beside_numpy("squeezenet_1_1", 2, seconds=0.2)
    assert set(rates) == {"runs alone", "products alone", "runs together", "products together"}
    assert min(rates.values()) > 0


def test_kernels_are_shown_with_their_share_of_the_peak() -> None:
    timings = [
        KernelTiming(isa="avx2", kernel=kernel, sparsity=sparsity, gflops=80.0, executed_gflops=40.0, peak_gflops=peak)
        for kernel, sparsity, peak in (("f32_x", 0.5, 100.0), ("f32_y", 0.5, 50.0), ("f32_x", 0.9, 100.0))
    ]
    result = KernelTable(date="2026-01-02", command="run it", system=SystemInfo.collect(), timings=tuple(timings))
    text = page([], [], result, None)
    assert "| isa | kernel | 50% zeros | 90% zeros |" in text
    assert "| avx2 | f32_x | 80.0 (0.40) | 80.0 (0.40) |" in text
    assert "| avx2 | f32_y | 80.0 (0.80) | - |" in text
    assert "`run it`" in text


def test_weight_storages_are_timed_by_kind_of_layer() -> None:
    x = np.zeros((1, 3, 224, 224), np.float32)
    data = zeroskip.data.arrays(x)
    network = Case("random", "small", small_network().SerializeToString(), data)
    times = weights_run.time_case(network, threads=1, rounds=2, iterations=1)
    assert set(times) == {"float32", "bf16", "fp16"}
    assert all(len(rounds) == 2 for groups in times.values() for rounds in groups.values())
    assert min(times["bf16"]["fully connected"]) > 0.0
