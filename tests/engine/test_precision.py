"""Where the CPU has no bf16 products: one message and float32."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from zeroskip import _core
from zeroskip.engine import InferenceSession, SessionOptions
from zeroskip.engine.options import ISAS
from zeroskip.errors import EngineError


def convolution() -> bytes:
    weight = np.random.default_rng(1).normal(size=(32, 32, 1, 1)).astype(np.float32)
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, 32, 4, 4)) for name in "xy")
    node = helper.make_node("Conv", ["x", "w"], ["y"], name="conv")
    graph = helper.make_graph([node], "g", [x], [y], [numpy_helper.from_array(weight, "w")])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


def test_without_bf16_products_it_is_float32_and_said_once(caplog: pytest.LogCaptureFixture) -> None:
    options = SessionOptions(precision="bf16", isa="generic")
    x = np.random.default_rng(2).normal(size=(1, 32, 4, 4)).astype(np.float32)
    with caplog.at_level(logging.WARNING, "zeroskip"):
        session = InferenceSession(convolution(), options)
        (got,) = session.run(None, {"x": x})
    (record,) = caplog.records
    assert "generic has no bf16 products" in record.getMessage()
    assert "float32" in record.getMessage()
    (want,) = InferenceSession(convolution(), SessionOptions(isa="generic")).run(None, {"x": x})
    assert np.array_equal(got, want)


def test_emulation_is_asked_for_by_the_environment(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("ZEROSKIP_EMULATE_BF16", "1")
    session = InferenceSession(convolution(), SessionOptions(precision="bf16", isa="generic"))
    assert not caplog.records
    assert "bf16_bdconv" in str(session.explain()) or "bf16_bspconv" in str(session.explain())


@pytest.mark.parametrize("isa", ISAS)
def test_which_instruction_sets_multiply_bf16(isa: str) -> None:
    if isa not in _core.isas_supported():
        pytest.skip(f"this CPU does not run {isa}")
    assert _core.multiplies_bf16(isa) is (isa == "avx512bf16")


def test_unknown_precisions_are_refused() -> None:
    with pytest.raises(EngineError, match="precision is 'int4'; expected one of float32, bf16"):
        SessionOptions(precision="int4")  # type: ignore[arg-type]
