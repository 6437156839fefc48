"""Every engine computes the same, in a process of its own."""

from __future__ import annotations

import numpy as np
import pytest

from zeroskip.baselines import ENGINES, EngineProcess, available_engines
from zeroskip.system import cpu_isas

PEERS = [name for name in ENGINES if name != "onnxruntime"]


def images(batch_size: int) -> np.ndarray:
    return np.random.default_rng(1).standard_normal((batch_size, 3, 16, 16)).astype(np.float32)


def outputs(engine: str, model: bytes, x: np.ndarray, precision: str = "f32") -> np.ndarray:
    with EngineProcess(engine, threads=1, precision=precision) as process:  # type: ignore[arg-type]
        loaded = process.load(model, {"image": x.shape})
        assert loaded.version
        assert loaded.description
        assert loaded.load_ms > 0
        process.set_feeds([{"image": x}])
        [[logits]] = process.outputs()
        assert len(process.time(seconds=0.0, warmup=1)) == 1
        assert len(process.time(seconds=0.05, warmup=0)) >= 2
        return logits


@pytest.mark.parametrize("engine", PEERS)
def test_engine_agrees_with_onnxruntime(engine: str, small_network: bytes) -> None:
    for name in (engine, "onnxruntime"):
        if name not in available_engines():
            pytest.skip(f"engine {name} is not installed")
    x = images(3)
    expected = outputs("onnxruntime", small_network, x)
    assert expected.shape == (3, 5)
    np.testing.assert_allclose(outputs(engine, small_network, x), expected, rtol=1e-4, atol=1e-5)


def test_openvino_computes_in_the_precision_asked_for(small_network: bytes) -> None:
    pytest.importorskip("openvino")
    if "avx512bf16" not in cpu_isas():
        pytest.skip("this processor has no bf16")
    x = images(2)
    exact, lower = (outputs("openvino", small_network, x, precision) for precision in ("f32", "bf16"))
    assert not np.array_equal(exact, lower)
    np.testing.assert_allclose(lower, exact, atol=0.1 * np.abs(exact).max())


def test_dense_engines_claim_no_sparsity(small_network: bytes) -> None:
    pytest.importorskip("onnxruntime")
    with EngineProcess("onnxruntime", threads=1) as process:
        process.load(small_network, {"image": (1, 3, 16, 16)})
        process.set_feeds([{"image": images(1)}])
        assert process.sparsity_seen() is None


def test_zeroskip_reports_the_sparsity_it_met(small_network: bytes) -> None:
    with EngineProcess("zeroskip", threads=1) as process:
        process.load(small_network, {"image": (1, 3, 16, 16)})
        process.set_feeds([{"image": images(1)}])
        seen = process.sparsity_seen()
    assert seen is not None
    assert 0.0 < seen < 1.0
