"""The session behaves as onnxruntime's does: what it takes, returns, tells of itself and refuses."""

from __future__ import annotations

import copy
import itertools
import json
import pathlib
import pickle
import threading
from typing import Any

import numpy as np
import onnxruntime as real
import pytest
from face import data, error_of, random_rows, relu_model
from onnx import TensorProto, helper

import zeroskip as zs
from zeroskip import onnxruntime as ort

MODULES = pytest.mark.parametrize("module", [real, ort], ids=["real", "zeroskip"])


@pytest.fixture(scope="module")
def session() -> ort.InferenceSession:
    return ort.InferenceSession(data())


def test_the_session_is_the_engine_s(small_network: bytes) -> None:
    session = ort.InferenceSession(small_network)
    assert isinstance(session, zs.InferenceSession)
    assert "conv" in str(session.explain()).lower()


def test_results_are_onnxruntime_s(small_network: bytes) -> None:
    x = np.random.default_rng(0).standard_normal((2, 3, 16, 16)).astype(np.float32)
    (expected,) = real.InferenceSession(small_network).run(None, {"image": x})
    (got,) = ort.InferenceSession(small_network, providers=["CPUExecutionProvider"]).run(["logits"], {"image": x})
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("names", [None, [], ["y"], ("y",)])
def test_outputs_are_asked_for_as_there(session: ort.InferenceSession, names: Any) -> None:
    x = random_rows()
    np.testing.assert_array_equal(session.run(names, {"x": x})[0], np.maximum(x, 0))


def test_a_model_is_a_path_or_bytes(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(data())
    for source in (path, str(path), data()):
        assert ort.InferenceSession(path_or_bytes=source).get_outputs()[0].name == "y"


@MODULES
@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("InvalidArgument", lambda s: s.run(None, {"x": random_rows(), "z": random_rows()})),
        ("InvalidArgument", lambda s: s.run(["q"], {"x": random_rows()})),
        ("InvalidArgument", lambda s: s.run(None, {"x": random_rows().astype(np.float64)})),
        ("InvalidArgument", lambda s: s.run(None, {"x": random_rows().astype(np.int64)})),
        ("InvalidArgument", lambda s: s.run(None, {"x": random_rows()[0]})),
        ("InvalidArgument", lambda s: s.run(None, {"x": random_rows()[:, :2]})),
    ],
    ids=["unknown input", "unknown output", "float64", "int64", "rank", "extent"],
)
def test_a_wrong_feed_raises_what_packages_catch(module: Any, name: str, call: Any) -> None:
    error = error_of(lambda: call(module.InferenceSession(data())))
    assert isinstance(error, getattr(module.capi.onnxruntime_pybind11_state, name))


@MODULES
def test_a_missing_input_is_a_value_error(module: Any) -> None:
    with pytest.raises(ValueError, match="x"):
        module.InferenceSession(data()).run(None, {})


@MODULES
@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("NoSuchFile", "no-such-model.onnx"),
        ("InvalidProtobuf", b"junkjunkjunk"),
        ("InvalidProtobuf", data()[: len(data()) // 2]),
        ("InvalidProtobuf", "/"),
        ("InvalidGraph", data(op="Nope")),
    ],
    ids=["no file", "junk", "truncated", "folder", "unknown operator"],
)
def test_a_model_that_is_none_raises_what_packages_catch(module: Any, name: str, source: Any) -> None:
    error = error_of(lambda: module.InferenceSession(source))
    assert isinstance(error, getattr(module.capi.onnxruntime_pybind11_state, name))


def test_an_operator_that_cannot_be_run_is_not_implemented() -> None:
    options = ort.SessionOptions()
    options.add_session_config_entry("zeroskip.fallback", "error")
    with pytest.raises(ort.capi.onnxruntime_pybind11_state.NotImplemented, match="Atan") as caught:
        ort.InferenceSession(data(op="Atan"), options)
    assert isinstance(caught.value, zs.UnsupportedOperatorError)
    assert caught.value.nodes


def test_names_of_dimensions_bind_no_sizes() -> None:
    graph = helper.make_graph(
        [helper.make_node("Add", ["a", "b"], ["y"])],
        "graph",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 3]) for name in "ab"],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9).SerializeToString()
    feed = {"a": random_rows(2), "b": random_rows(1)}
    np.testing.assert_array_equal(ort.InferenceSession(model).run(None, feed)[0], feed["a"] + feed["b"])
    with pytest.raises(zs.ShapeError, match="already 2"):
        zs.InferenceSession(model).run(None, feed)


@pytest.mark.parametrize("shape", [("n", 3), (None, 3), ("", 2), ("a b", 3), (1, 3), (), None])
@pytest.mark.parametrize("element", [TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL, TensorProto.FLOAT16])
def test_inputs_and_outputs_are_told_as_there(shape: Any, element: int) -> None:
    model = data(shape=shape, element=element, op="Identity")
    one, other = ort.InferenceSession(model), real.InferenceSession(model)
    for side in ("get_inputs", "get_outputs"):
        found, expected = getattr(one, side)(), getattr(other, side)()
        assert [(item.name, item.shape, item.type) for item in found] == [
            (item.name, item.shape, item.type) for item in expected
        ]


def test_other_questions_are_answered_as_there(session: ort.InferenceSession) -> None:
    other = real.InferenceSession(data(), providers=["CPUExecutionProvider"])
    assert session.get_providers() == other.get_providers()
    assert session.get_provider_options() == other.get_provider_options()
    assert session.get_overridable_initializers() == other.get_overridable_initializers()
    assert session.get_profiling_start_time_ns() == other.get_profiling_start_time_ns()
    assert session.end_profiling() == other.end_profiling() == ""
    assert session.get_session_options().intra_op_num_threads == 0


@pytest.mark.parametrize("first", ["CUDAExecutionProvider", ("CUDAExecutionProvider", {"device_id": 0})])
def test_another_provider_gives_a_warning_and_the_cpu(first: Any) -> None:
    with pytest.warns(UserWarning, match="'CUDAExecutionProvider' is not in available provider names") as caught:
        session = ort.InferenceSession(data(), providers=[first, "CPUExecutionProvider"])
    assert session.get_providers() == ["CPUExecutionProvider"]
    assert caught[0].filename == __file__


@pytest.mark.parametrize("from_file", [True, False], ids=["path", "bytes"])
def test_a_session_is_pickled(from_file: bool, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(data())
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(str(path) if from_file else data(), options)
    content = pickle.dumps(session)
    assert (str(path).encode() in content) == from_file
    x = random_rows()
    for other in (pickle.loads(content), copy.deepcopy(session)):
        assert isinstance(other, ort.InferenceSession)
        assert other.get_session_options().intra_op_num_threads == other.options.intra_op_num_threads == 1
        np.testing.assert_array_equal(other.run(None, {"x": x})[0], session.run(None, {"x": x})[0])
    path.unlink()
    if from_file:
        with pytest.raises(ort.capi.onnxruntime_pybind11_state.NoSuchFile):
            pickle.loads(content)


def test_a_subclass_may_pickle_itself() -> None:
    """As insightface's does."""
    session = Pickable(data())
    assert session.run(None, {"x": random_rows()})[0].shape == (2, 3)
    assert pickle.loads(pickle.dumps(session)).model == session.model


class Pickable(ort.InferenceSession):
    def __init__(self, model: bytes, **kwargs: Any) -> None:
        super().__init__(model, **kwargs)
        self.model = model

    def __getstate__(self) -> dict[str, Any]:
        return {"model": self.model}

    def __setstate__(self, values: dict[str, Any]) -> None:
        self.__init__(values["model"])  # type: ignore[misc]


def test_a_run_that_was_told_to_end_fails(session: ort.InferenceSession) -> None:
    options = ort.RunOptions()
    session.run(None, {"x": random_rows()}, options)
    options.terminate = True
    with pytest.raises(ort.capi.onnxruntime_pybind11_state.Fail, match="terminate"):
        session.run(None, {"x": random_rows()}, options)


def test_a_run_in_a_thread_of_its_own_calls_back(session: ort.InferenceSession) -> None:
    for feed, fault in (({"x": random_rows()}, ""), ({"x": random_rows()[0]}, "dimensions")):
        done = threading.Event()
        got: list[Any] = []

        def callback(*values: Any, got: list[Any] = got, done: threading.Event = done) -> None:
            got.extend(values)
            done.set()

        session.run_async(None, feed, callback, 7)
        assert done.wait(60)
        assert got[1] == 7
        assert fault in got[2]
        assert (got[2] == "") == (fault == "") == (len(got[0]) == 1)


@MODULES
def test_a_run_of_its_own_misses_inputs_at_once(module: Any) -> None:
    with pytest.raises(ValueError, match="x"):
        module.InferenceSession(data()).run_async(None, {"z": random_rows()}, print, None)


@MODULES
@pytest.mark.parametrize("options", [{}, "options"])
def test_options_of_a_run_have_their_type(module: Any, options: Any) -> None:
    with pytest.raises(TypeError):
        module.InferenceSession(data()).run(None, {"x": random_rows()}, options)


@MODULES
def test_options_that_are_none_or_nothing_are_the_default(module: Any) -> None:
    assert module.InferenceSession(data(), {}).run(None, {"x": random_rows()})
    with pytest.raises(TypeError):
        module.InferenceSession(data(), "options")


@MODULES
@pytest.mark.parametrize("texts", [["a", "bc"], np.array(["a", "bc"]), np.array(["a", "bc"], object)])
def test_texts_are_objects(module: Any, texts: Any) -> None:
    (got,) = module.InferenceSession(data(shape=("n",), element=TensorProto.STRING, op="Identity")).run(
        None, {"x": texts}
    )
    assert got.dtype == object
    assert got.tolist() == ["a", "bc"]


def test_bytes_are_texts_in_utf8() -> None:
    session = ort.InferenceSession(data(shape=("n",), element=TensorProto.STRING, op="Identity"))
    assert session.run(None, {"x": np.array(["\u00e4".encode(), b"b"])})[0].tolist() == ["\u00e4", "b"]
    with pytest.raises(ort.capi.onnxruntime_pybind11_state.InvalidArgument, match="UTF-8"):
        session.run(None, {"x": np.array([b"\xff"])})


@MODULES
def test_what_is_private_but_used_is_there(module: Any) -> None:
    session = module.InferenceSession(data())
    assert session._sess.run(["y"], {"x": random_rows()}, None)[0].shape == (2, 3)
    assert session._inputs_meta[0].name == "x"
    assert session._outputs_meta[0].name == "y"
    assert session._model_meta.graph_name == "graph"
    assert [item.name for item in session.get_input_memory_infos() + session.get_output_memory_infos()] == ["Cpu"] * 2


@MODULES
def test_a_seed_is_a_number(module: Any) -> None:
    assert module.set_seed(3) is None
    for seed in ("3", 2.5):
        with pytest.raises(TypeError):
            module.set_seed(seed)


def test_values_are_run_on(session: ort.InferenceSession) -> None:
    x = random_rows()
    (got,) = session.run_with_ort_values(["y"], {"x": ort.OrtValue.ortvalue_from_numpy(x)})
    assert isinstance(got, ort.OrtValue)
    np.testing.assert_array_equal(got.numpy(), np.maximum(x, 0))


def test_metadata_is_onnxruntime_s(session: ort.InferenceSession) -> None:
    found, expected = session.get_modelmeta(), real.InferenceSession(data()).get_modelmeta()
    for name in dir(expected):
        if not name.startswith("_"):
            assert getattr(found, name) == getattr(expected, name), name
    versioned = relu_model()
    versioned.model_version = 3
    assert ort.InferenceSession(versioned.SerializeToString()).get_modelmeta().version == 3


def test_profiling_leaves_a_chrome_trace(small_network: bytes, tmp_path: pathlib.Path) -> None:
    options = ort.SessionOptions()
    options.enable_profiling = True
    options.profile_file_prefix = str(tmp_path / "profile")
    session = ort.InferenceSession(small_network, options)
    session.run(None, {"image": np.ones((1, 3, 16, 16), np.float32)})
    path = pathlib.Path(session.end_profiling())
    assert path.parent == tmp_path
    assert session.end_profiling() == ""
    events = json.loads(path.read_text())
    assert {"cat", "pid", "tid", "dur", "ts", "ph", "name", "args"} == set(events[0])
    assert [event["name"] for event in events if event["cat"] == "Session"] == [
        "model_loading_and_initialization", "model_run",
    ]  # fmt: skip
    steps = [event for event in events if event["cat"] == "Node"]
    assert any(event["args"]["input_density"] is not None for event in steps)
    assert all(one["ts"] <= other["ts"] for one, other in itertools.pairwise(steps))


def test_arguments_without_meaning_are_taken() -> None:
    options = {"disabled_optimizers": ["ConstantFolding"], "enable_fallback": 0, "provider_options": [{}]}
    assert ort.InferenceSession(data(), providers=["CPUExecutionProvider"], **options)


def test_options_of_the_real_one_are_refused() -> None:
    with pytest.raises(ort.capi.onnxruntime_pybind11_state.InvalidArgument, match="install"):
        ort.InferenceSession(data(), real.SessionOptions())
