"""bf16: which steps take it, where conversions stand, and how far results lie from float32."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from zeroskip.engine import InferenceSession, SessionOptions
from zeroskip.engine.plan.types import Plan

BF16 = SessionOptions(precision="bf16", intra_op_num_threads=2)
UNIT = 2.0**-8  # the largest relative error of one rounding


@pytest.fixture(autouse=True)
def emulated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZEROSKIP_EMULATE_BF16", "1")


class Graph:
    """Writes a model node by node; values are named."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.random = np.random.default_rng(18)
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.input = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)

    def constant(self, *shape: int, scale: float = 1.0) -> str:
        values = (scale * self.random.normal(size=shape)).astype(np.float32)
        self.constants.append(numpy_helper.from_array(values, f"c{len(self.constants)}"))
        return self.constants[-1].name

    def node(self, op: str, *inputs: str, **attributes: object) -> str:
        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [name], name=f"{op}{len(self.nodes)}", **attributes))
        return name

    def conv(self, x: str, inputs: int, outputs: int, kernel: int = 3, **attributes: object) -> str:
        pads, scale = [kernel // 2] * 4, (inputs * kernel * kernel) ** -0.5
        weight = self.constant(outputs, inputs // int(str(attributes.get("group", 1))), kernel, kernel, scale=scale)
        return self.node("Conv", x, weight, self.constant(outputs, scale=0.1), pads=pads, **attributes)

    def relu_conv(self, x: str, inputs: int, outputs: int, kernel: int = 3, **attributes: object) -> str:
        return self.node("Relu", self.conv(x, inputs, outputs, kernel, **attributes))

    def model(self, *outputs: str) -> bytes:
        results = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
        graph = helper.make_graph(self.nodes, "g", [self.input], results, self.constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


def plan_of(model: bytes) -> Plan:
    session = InferenceSession(model, BF16)
    assert session._region is not None
    (compiled,) = session._region._plans.values()
    return compiled.native.plan


def ops_of(model: bytes) -> list[str]:
    return [step.op for step in plan_of(model).steps]


def differences(model: bytes, shape: tuple[int, ...]) -> list[float]:
    """Return for each output its largest difference from float32, as a part of the largest value."""
    x = np.random.default_rng(5).normal(size=shape).astype(np.float32)
    wanted, got = InferenceSession(model).run(None, {"x": x}), InferenceSession(model, BF16).run(None, {"x": x})
    assert all(a.dtype == b.dtype == np.float32 and a.shape == b.shape for a, b in zip(got, wanted, strict=True))
    return [float(np.abs(a - b).max() / np.abs(b).max()) for a, b in zip(got, wanted, strict=True)]


def residual_network() -> bytes:
    graph = Graph((1, 3, 20, 20))
    stem = graph.node("MaxPool", graph.relu_conv("x", 3, 32), kernel_shape=[2, 2], strides=[2, 2])
    block = graph.conv(graph.relu_conv(stem, 32, 48, 1), 48, 32)
    block = graph.node("Relu", graph.node("Add", block, stem))
    both = graph.node("Concat", block, graph.relu_conv(block, 32, 32, 1), axis=1)
    last = graph.relu_conv(both, 64, 40, strides=[2, 2])
    pooled = graph.node("Flatten", graph.node("GlobalAveragePool", last))
    return graph.model(graph.node("Gemm", pooled, graph.constant(10, 40, scale=0.2), graph.constant(10), transB=1))


def test_convolutions_keep_bf16_between_them() -> None:
    plan = plan_of(residual_network())
    ops = [step.op for step in plan.steps]
    assert ops.count("bf16_conv") == 4
    assert ops.count("bf16_linear") == 1
    assert ops.count("conv") == 1
    assert ops.count("convert") == 2, "behind the first layer, and in front of the linear one"
    for step in plan.steps:
        if step.op == "bf16_conv":
            assert plan.tensors[step.inputs[0]].dtype == "bf16"


def test_a_result_that_only_float32_reads_is_stored_so() -> None:
    graph = Graph((1, 32, 6, 6))
    pooled = graph.node("GlobalAveragePool", graph.relu_conv("x", 32, 32))
    plan = plan_of(graph.model(pooled))
    (conv,) = [step for step in plan.steps if step.op == "bf16_conv"]
    assert plan.tensors[conv.outputs[0]].dtype == "float32"
    assert [step.op for step in plan.steps].count("convert") == 1


def test_outputs_are_float32() -> None:
    graph = Graph((1, 32, 6, 6))
    first = graph.relu_conv("x", 32, 32)
    model = graph.model(first, graph.conv(first, 32, 48, 1))
    assert max(differences(model, (1, 32, 6, 6))) < 4 * UNIT


@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize("group", [1, 2])
def test_the_error_of_a_layer_is_bounded(kernel: int, group: int) -> None:
    """Two roundings a product and, in float32, one an addition."""
    graph = Graph((2, 64, 9, 7))
    model = graph.model(graph.conv("x", 64, 48, kernel, group=group))
    loaded = onnx.load_model_from_string(model)
    for constant in loaded.graph.initializer:
        constant.CopyFrom(numpy_helper.from_array(np.abs(numpy_helper.to_array(constant)), constant.name))
    x = np.random.default_rng(5).normal(size=(2, 64, 9, 7)).astype(np.float32)
    (want,), (got,) = (InferenceSession(model, options).run(None, {"x": x}) for options in (None, BF16))
    (magnitude,) = InferenceSession(loaded).run(None, {"x": np.abs(x)})
    terms = 64 // group * kernel * kernel
    bound = (2 * UNIT + UNIT**2 + terms * 2.0**-23) * magnitude
    assert (np.abs(got - want) <= bound).all()
    assert np.abs(got - want).max() > 0, "it was computed in bf16"


def test_networks_stay_close() -> None:
    assert differences(residual_network(), (1, 3, 20, 20))[0] < 8 * UNIT


def test_separable_convolutions_mix_types() -> None:
    graph = Graph((1, 32, 8, 8))
    wide = graph.relu_conv(graph.relu_conv("x", 32, 32, group=32), 32, 64, 1)
    model = graph.model(graph.relu_conv(graph.relu_conv(wide, 64, 64, group=64), 64, 32, 1))
    ops = ops_of(model)
    assert ops.count("depthwise") == 2
    assert ops.count("bf16_conv") == 2
    assert ops.count("convert") == 2
    assert differences(model, (1, 32, 8, 8))[0] < 6 * UNIT


def test_what_has_no_form_stays_float32() -> None:
    graph = Graph((1, 3, 8, 8))
    model = graph.model(graph.node("Relu", graph.conv("x", 3, 8)))
    assert not {"convert", "bf16_conv"} & set(ops_of(model))
    assert differences(model, (1, 3, 8, 8)) == [0.0]


def test_values_seen_twice_are_converted_once() -> None:
    graph = Graph((1, 32, 8, 8))
    smooth = graph.node("Tanh", "x")
    a, b = graph.conv(smooth, 32, 32, 1), graph.conv(smooth, 32, 32)
    model = graph.model(graph.node("Sub", a, b))
    assert ops_of(model).count("convert") == 1
    assert differences(model, (1, 32, 8, 8))[0] < 6 * UNIT
