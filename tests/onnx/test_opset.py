"""Old forms of operators are raised to one form; versions out of reach are refused."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from onnx_graphs import assert_parity, build, op_types, random_array, random_feeds, run
from zeroskip.engine import InferenceSession, SessionOptions
from zeroskip.errors import ModelError
from zeroskip.onnx import canonicalize, load_model, to_bytes, to_standard, unsupported_nodes
from zeroskip.onnx.opset import TARGET_OPSET, raise_opset

CONSTANTS = {
    "low": 0.0, "six": 6.0, "pads": np.array([0, 0, 1, 1, 0, 0, 1, 1]), "axes": np.array([2]),
    "spatial": np.array([2, 3]), "starts": np.array([1]), "ends": np.array([3]), "w": random_array(4, 3, 3, 3),
}  # fmt: skip


@pytest.mark.parametrize(
    ("body", "opsets"),
    [
        ("y = Clip <min = 0.0, max = 6.0> (x)", (7, 10)),
        ("y = Clip <max = 0.5> (x)", (7,)),
        ("y = Clip(x, low, six)", (11, 12, 13, 22)),
        ("y = Pad <pads = [0, 0, 1, 1, 0, 0, 1, 1], value = 0.5> (x)", (7, 10)),
        ("y = Pad(x, pads)", (11, 13, 18, 22)),
        ("y = Slice <starts = [1], ends = [3], axes = [2]> (x)", (7, 9)),
        ("y = Slice <starts = [0, 1], ends = [1, 3]> (x)", (7, 9)),
        ("y = Slice(x, starts, ends, axes)", (10, 11, 13, 22)),
        ("y = Unsqueeze <axes = [2]> (x)", (7, 11, 12)),
        ("y = Unsqueeze(x, axes)", (13, 21, 22)),
        ("u = Unsqueeze <axes = [2]> (x) y = Squeeze <axes = [2]> (u)", (7, 12)),
        ("y = ReduceMean <axes = [2, 3]> (x)", (7, 11, 13, 17)),
        ("y = ReduceMean <axes = [-1], keepdims = 0> (x)", (11, 17)),
        ("y = ReduceMean <keepdims = 0> (x)", (7, 17)),
        ("y = ReduceMean(x, spatial)", (18, 22)),
        ("y = ReduceMax <axes = [2, 3]> (x)", (7, 12, 17)),
        ("y = Softmax(x)", (7, 12, 13, 22)),
        ("y = Softmax <axis = 1> (x)", (7, 12, 13)),
        ("y = Softmax <axis = -1> (x)", (11, 12, 13)),
        ("f = Flatten(x) y = Softmax(f)", (7, 12, 13)),
        ("p = GlobalAveragePool(x) y = Softmax(p)", (9, 12)),
        ("y = Conv <pads = [1, 1, 1, 1]> (x, w)", (7, 11, 22)),
    ],
)
def test_old_and_new_forms(body: str, opsets: tuple[int, ...]) -> None:
    for opset in opsets:
        assert_parity(build(body, constants=CONSTANTS, opset=opset))


def test_softmax_over_all_axes_behind_the_first() -> None:
    """Before opset 13 the tensor was flattened: channels and positions compete together."""
    canonical = assert_parity(build("y = Softmax <axis = 1> (x)", opset=12))
    assert op_types(canonical) == ["Reshape", "Softmax", "Reshape"]
    assert op_types(assert_parity(build("f = Flatten(x) y = Softmax(f)", opset=12))) == ["Reshape", "Softmax"]


@pytest.mark.parametrize("opset", [23, onnx.defs.onnx_opset_version()])
def test_newer_opset_with_operators_that_kept_their_meaning(opset: int) -> None:
    model = build("c = Conv(x, w) r = Relu(c) f = Flatten(r) y = Softmax(f)", constants=CONSTANTS, opset=opset)
    relabelled = onnx.ModelProto()
    relabelled.CopyFrom(model)
    relabelled.opset_import[0].version = 20  # what ONNX Runtime can read
    feeds = random_feeds(model)
    lowered = to_bytes(to_standard(canonicalize(load_model(model))))
    np.testing.assert_allclose(run(lowered, feeds)[0], run(relabelled, feeds)[0], atol=1e-6)


@pytest.mark.parametrize("opset", [1, 6, onnx.defs.onnx_opset_version() + 1])
def test_versions_out_of_reach(opset: int) -> None:
    with pytest.raises(ModelError, match=rf"uses opset {opset} .* versions 7 to \d+ are supported"):
        load_model(build("y = Relu(x)", opset=opset))


def test_operators_without_an_operator_set() -> None:
    model = build("y = Relu(x)")
    del model.opset_import[:]
    with pytest.raises(ModelError, match="does not import the default ONNX operator set"):
        load_model(model)


def test_long_name_of_the_default_domain() -> None:
    model = build("y = Relu(x)", opset=17)
    model.opset_import[0].domain = model.graph.node[0].domain = "ai.onnx"
    assert op_types(canonicalize(load_model(model))) == ["FatRelu"]


def test_what_cannot_be_raised_is_returned() -> None:
    loaded = load_model(build("g = Hardmax(x) y = Relu(g)", opset=12))
    assert [node.op_type for node in raise_opset(loaded)] == ["Hardmax"]
    assert loaded.opset_imports[""] == TARGET_OPSET


def test_model_of_an_old_version_is_left_to_the_other_runtime() -> None:
    model = build("c = Conv(x, w) y = Relu(c)", constants=CONSTANTS, opset=6)
    session = InferenceSession(model)
    x = random_array(2, 3, 8, 8)
    np.testing.assert_allclose(session.run(None, {"x": x})[0], run(model, {"x": x})[0], atol=1e-5)
    assert len(session.explain_islands()) == 1
    with pytest.raises(ModelError, match="uses opset 6"):
        InferenceSession(model, SessionOptions(fallback="error"))


@pytest.mark.parametrize(("opset", "extra"), [(7, 4), (9, 4), (13, 4)])
def test_batch_normalization_of_several_outputs_trains(opset: int, extra: int) -> None:
    """So says the standard before opset 14, and ONNX Runtime normalises by the batch, whoever reads the others."""
    names = ", ".join(["y", *(f"o{index}" for index in range(extra))])
    constants = {name: np.full(3, value) for name, value in (("s", 1.5), ("b", 0.1), ("m", 0.5), ("v", 2.0))}
    model = build(f"{names} = BatchNormalization (x, s, b, m, v)", constants=constants, opset=opset)
    x = random_array(2, 3, 8, 8)
    np.testing.assert_allclose(InferenceSession(model).run(None, {"x": x})[0], run(model, {"x": x})[0], atol=1e-5)
    assert unsupported_nodes(canonicalize(load_model(model)))


def test_batch_normalization_whose_other_outputs_have_no_names_does_not_train() -> None:
    constants = {name: np.full(3, value) for name, value in (("s", 1.5), ("b", 0.1), ("m", 0.5), ("v", 2.0))}
    plain = build("y = BatchNormalization (x, s, b, m, v)", constants=constants, opset=9)
    spelled = onnx.ModelProto()
    spelled.CopyFrom(plain)
    spelled.graph.node[0].output.extend(["", ""])
    x = random_array(2, 3, 8, 8)
    np.testing.assert_allclose(InferenceSession(spelled).run(None, {"x": x})[0], run(plain, {"x": x})[0], atol=1e-5)
