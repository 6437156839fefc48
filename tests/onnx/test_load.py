"""Reading models: every source, and a clear error for everything that is wrong with one."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onnx_graphs import build, op_types, random_array, run, values_of
from zeroskip.engine import InferenceSession
from zeroskip.errors import ModelError, ZeroskipError
from zeroskip.onnx import canonicalize, load_model, to_bytes

MODEL = build("c = Conv(x, w) r = Relu(c) y = Add(r, half)", constants={"w": random_array(4, 3, 3, 3), "half": 0.5})
DATA = MODEL.SerializeToString()


def test_every_source_gives_the_same_model(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(DATA)
    loaded = [load_model(source) for source in (path, str(path), DATA, MODEL)]
    assert len({to_bytes(model) for model in loaded}) == 1
    assert load_model(loaded[0]) is loaded[0]


def test_constants_become_initializers_and_nodes_get_names() -> None:
    model = build("k = Constant <value_float = 2.0> () y = Mul(x, k)")
    loaded = load_model(model)
    assert op_types(loaded) == ["Mul"]
    assert values_of(loaded.graph.initializers["k"]) == 2.0
    assert [node.name for node in load_model(MODEL).graph] == ["c", "r", "y"]


def test_nodes_of_the_same_name_are_told_apart() -> None:
    model = build("a = Relu(x) b = Relu(a) y = Relu(b)")
    for node in model.graph.node:
        node.name = "relu"
    assert [node.name for node in load_model(model).graph] == ["relu", "relu_1", "relu_2"]


def test_unsorted_graph_is_sorted() -> None:
    model = build("a = Relu(x) b = Sigmoid(a) y = Tanh(b)")
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(reversed(nodes))
    assert op_types(load_model(model)) == ["Relu", "Sigmoid", "Tanh"]


def test_external_data_is_read_from_the_folder_of_the_file(tmp_path: Path) -> None:
    model = onnx.ModelProto.FromString(DATA)
    path = tmp_path / "model.onnx"
    onnx.save(model, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    loaded = load_model(path)
    np.testing.assert_array_equal(values_of(loaded.graph.initializers["w"]), random_array(4, 3, 3, 3))
    feeds = {"x": random_array(2, 3, 8, 8)}
    np.testing.assert_array_equal(run(to_bytes(loaded), feeds)[0], run(DATA, feeds)[0])


@pytest.mark.parametrize("location", ["weights.bin", "../weights.bin", "/etc/hostname"])
def test_external_data_that_is_missing_or_outside(tmp_path: Path, location: str) -> None:
    model = onnx.ModelProto.FromString(DATA)
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", "0"), ("length", "432")):
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value
    path = tmp_path / "inner" / "model.onnx"
    path.parent.mkdir()
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match=r"tensor .w. (lies in|cannot be read)"):
        load_model(path)


def changed(edit: object) -> onnx.ModelProto:
    model = onnx.ModelProto.FromString(DATA)
    edit(model.graph)
    return model


def rename_input(graph: onnx.GraphProto) -> None:
    graph.node[1].input[0] = "nowhere"


def make_cycle(graph: onnx.GraphProto) -> None:
    graph.node[0].input[0] = "r"


def write_twice(graph: onnx.GraphProto) -> None:
    graph.node[1].output[0] = "c"


def drop_output(graph: onnx.GraphProto) -> None:
    graph.output[0].name = "nowhere"


def shorten_tensor(graph: onnx.GraphProto) -> None:
    graph.initializer[0].raw_data = graph.initializer[0].raw_data[:-4]


def enlarge_tensor(graph: onnx.GraphProto) -> None:
    graph.initializer[0].dims[0] = 1 << 40


def drop_data(graph: onnx.GraphProto) -> None:
    graph.initializer[0].ClearField("raw_data")


def change_type(graph: onnx.GraphProto) -> None:
    graph.initializer[0].data_type = 99


def poison(graph: onnx.GraphProto) -> None:
    weight = random_array(4, 3, 3, 3)
    weight[1, 2] = np.nan
    graph.initializer[0].CopyFrom(onnx.numpy_helper.from_array(weight, "w"))


def remove_nodes(graph: onnx.GraphProto) -> None:
    del graph.node[:]


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (rename_input, r"node 'r' \(Relu\) reads 'nowhere', which nothing computes"),
        (make_cycle, "not a valid ONNX graph"),
        (write_twice, "not a valid ONNX graph"),
        (drop_output, "graph output 'nowhere' is computed by nothing"),
        (shorten_tensor, "initializer 'w' cannot be read"),
        (drop_data, r"tensor 'w' of shape \[4, 3, 3, 3\] cannot be read: it has no data"),
        (enlarge_tensor, "initializer 'w' cannot be read"),
        (change_type, "99"),
        (poison, r"initializer 'w' holds 9 NaN among 108 values"),
        (remove_nodes, "holds no graph with nodes and outputs"),
    ],
)
def test_broken_graphs(edit: object, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        load_model(changed(edit))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b"not a model", "not an ONNX file, or is truncated"),
        (DATA[: len(DATA) // 2], "not an ONNX file, or is truncated"),
        (DATA[:-1], "not an ONNX file, or is truncated"),
        (b"\x08\x0a", "holds no graph"),
    ],
)
def test_files_that_are_no_model(data: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(data)
    with pytest.raises(ModelError, match=rf"model '.*broken.onnx'.*{message}"):
        load_model(path)
    with pytest.raises(ModelError, match=message):
        load_model(data)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"cannot read model '.*absent.onnx': No such file"):
        load_model(tmp_path / "absent.onnx")
    with pytest.raises(ModelError, match="cannot read model"):
        load_model(tmp_path)
    with pytest.raises(ModelError, match="a model is a path, bytes"):
        load_model(3)  # type: ignore[arg-type]


def test_infinite_weights_are_allowed() -> None:
    loaded = load_model(build("y = Clip(x, low, high)", constants={"low": -np.inf, "high": np.inf}))
    assert isinstance(loaded, ir.Model)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(DATA) - 1), st.integers(0, 255)), min_size=1, max_size=4))
def test_hostile_bytes_end_in_an_error_of_ours(edits: list[tuple[int, int]]) -> None:
    data = bytearray(DATA)
    for place, byte in edits:
        data[place] = byte
    with contextlib.suppress(ZeroskipError):
        canonicalize(load_model(bytes(data)))


@pytest.mark.parametrize(
    ("body", "outputs"),
    [
        ("y = Relu(x)", ["y", "y"]),
        ("y = Relu(x) z = Sigmoid(y)", ["y", "z", "y", "y"]),
        ("y = Identity(k) z = Relu(x)", ["y", "z", "y"]),
        ("y = Relu(x)", ["x", "y", "x"]),
    ],
)
def test_one_value_may_be_returned_more_than_once(body: str, outputs: list[str]) -> None:
    model = build(body, constants={"k": np.ones(3)}, outputs=outputs[0])
    for name in outputs[1:]:
        model.graph.output.add().CopyFrom(model.graph.output[0])
        model.graph.output[-1].name = name
    x = random_array(2, 3, 8, 8)
    results = InferenceSession(model).run(None, {"x": x})
    for want, got in zip(run(model, {"x": x}), results, strict=True):
        np.testing.assert_allclose(got, want, atol=1e-6)
    assert len({id(array) for array in results}) == len(results)


FILL = np.array(np.nan, np.float32)


@pytest.mark.parametrize(
    "body",
    [
        "r = Relu(x) g = Greater(r, one) y = Where(g, nan, r)",
        "r = Relu(x) y = Pad(r, pads, nan)",
        "c = Conv(x, w) r = Relu(c) y = Add(r, nan)",
        "c = Conv(x, w) y = Mul(c, nans)",
        "r = Relu(x) m = Mul(r, nans) y = Conv(m, w)",
        "y = Clip(x, nan, one)",
        "r = Relu(x) y = Concat <axis = 1> (r, map)",
    ],
)
def test_nan_that_is_filled_in_or_added_is_a_number_like_others(body: str) -> None:
    constants = {
        "nan": FILL, "one": 1.0, "pads": np.array([0, 0, 1, 1, 0, 0, 1, 1]), "w": random_array(3, 3, 2, 2),
        "nans": np.float32([0, np.nan, 1]).reshape(3, 1, 1), "map": np.full((2, 1, 8, 8), np.nan),
    }  # fmt: skip
    model = build(body, constants=constants)
    for sign in (1, -1):  # all of it beyond the rectifier, and nothing
        x = sign * np.abs(random_array(2, 3, 8, 8))
        (want,), (got,) = run(model, {"x": x}), InferenceSession(model).run(None, {"x": x})
        np.testing.assert_allclose(got, want, atol=1e-5)


@pytest.mark.parametrize("body", ["y = Conv(x, bad)", "t = Flatten(x) y = MatMul(t, flat)"])
def test_nan_among_factors_is_damage(body: str) -> None:
    constants = {"bad": np.full((4, 3, 3, 3), np.nan), "flat": np.full((192, 5), np.nan)}
    with pytest.raises(ModelError, match="NaN among"):
        load_model(build(body, constants=constants))
