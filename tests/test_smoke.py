"""The first thing to run: does the installed package load a model and compute what onnxruntime computes?"""

from __future__ import annotations

import numpy as np
import onnxruntime as ort

import zeroskip as zs


def test_version_and_public_names() -> None:
    assert zs.__version__.count(".") == 2
    assert all(hasattr(zs, name) for name in zs.__all__)


def test_a_small_network_computes_what_onnxruntime_computes(small_network: bytes) -> None:
    x = np.random.default_rng(0).standard_normal((2, 3, 16, 16), np.float32)
    (expected,) = ort.InferenceSession(small_network).run(None, {"image": x})
    session = zs.InferenceSession(small_network)
    (result,) = session.run(None, {"image": x})
    np.testing.assert_allclose(result, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
    assert "conv+fatrelu" in str(session.explain())
