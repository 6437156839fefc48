"""int8 rows of a benchmark: quantised by the engine's own tool, judged on inputs it did not see."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from tiny_network import tiny_data, tiny_network
from zeroskip.baselines.quantizers import ONNXRUNTIME_TOOL, quantize_for
from zeroskip.bench import EngineSpec, bench
from zeroskip.bench.precision import halves, model_of
from zeroskip.bench.table import render_table
from zeroskip.errors import EngineError
from zeroskip.onnx import LoadedModel

FEEDS = [{"image": tiny_data(4).array()[index : index + 1]} for index in range(4)]


def operators(model: bytes) -> set[str]:
    return {node.op_type for node in onnx.load_from_string(model).graph.node}


def test_onnx_runtime_has_its_own_tool() -> None:
    pytest.importorskip("onnxruntime.quantization")
    made, tool = quantize_for("onnxruntime", tiny_network(), FEEDS)
    assert tool == ONNXRUNTIME_TOOL
    assert {"QuantizeLinear", "DequantizeLinear"} <= operators(made)


def test_openvino_has_nncf_or_borrows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "nncf" else object())
    assert quantize_for("openvino", tiny_network(), FEEDS)[1] == ONNXRUNTIME_TOOL
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(EngineError, match="'openvino:int8' needs a quantiser: pip install onnxruntime, or nncf"):
        quantize_for("openvino", tiny_network(), FEEDS)


def test_what_a_tool_raises_is_told() -> None:
    with pytest.raises(EngineError, match=f"'onnxruntime:int8' could not be {ONNXRUNTIME_TOOL}"):
        quantize_for("onnxruntime", b"no model", FEEDS)


def test_accuracy_stands_beside_the_time() -> None:
    data = tiny_data(8)
    result = bench(tiny_network(), data, ["onnxruntime", "onnxruntime:int8"], threads=1, seconds=0.1)
    exact, int8 = result.rows
    assert (exact.label, int8.label, int8.precision) == ("onnxruntime", "onnxruntime:int8", "int8")
    assert exact.model_sha256 != int8.model_sha256
    assert exact.accuracy is not None
    assert int8.accuracy is not None
    assert exact.accuracy.agreement == 1.0
    assert int8.accuracy.inputs == len(halves(data)[1])
    assert render_table(result) is not None


def test_a_model_of_its_own_is_not_quantised_again() -> None:
    model = LoadedModel.of(tiny_network())
    spec = EngineSpec("onnxruntime", model=model, precision="int8")
    assert model_of(spec, model, tiny_data(4), "f32").model is model.model


def test_precisions_are_read() -> None:
    assert EngineSpec.parse("openvino:int8").precision == "int8"
    with pytest.raises(EngineError, match=r"unknown precision 'int4' .* known are \['f32', 'bf16', 'int8'\]"):
        EngineSpec.parse("openvino:int4")


def test_bf16_needs_a_cpu_that_has_it() -> None:
    openvino = pytest.importorskip("openvino")
    has_bf16 = "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    if has_bf16:
        pytest.skip("this CPU has it")
    with pytest.raises(EngineError, match="this CPU has no bfloat16 products"):
        bench(tiny_network(), tiny_data(2), ["openvino:bf16"], threads=1, seconds=0.1)


def test_halves_are_apart() -> None:
    first, second = halves(tiny_data(8))
    assert len(first) == len(second) == 4
    assert not np.isin(first.indices, second.indices).any()
