"""Options have onnxruntime's names and defaults; what means nothing is taken, what cannot be is refused."""

from __future__ import annotations

import copy
import logging
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as real
import pytest
from face import data, random_rows, relu_model

from zeroskip import onnxruntime as ort
from zeroskip.onnxruntime import notes

STATUS = ort.capi.onnxruntime_pybind11_state


@pytest.mark.parametrize("kind", ["SessionOptions", "RunOptions"])
def test_every_attribute_and_method_is_there_with_its_default(kind: str) -> None:
    expected, found = getattr(real, kind)(), getattr(ort, kind)()
    for name in dir(expected):
        if name.startswith("_") or callable(getattr(expected, name)):
            continue
        default = getattr(expected, name)
        assert getattr(found, name) == (int(default) if hasattr(default, "__members__") else default), name
    methods = {name for name in dir(expected) if not name.startswith("_") and callable(getattr(expected, name))}
    absent = methods - set(dir(found))
    assert not {name for name in absent if "ep_context" not in name} - {
        "add_active_adapter", "add_external_initializers_from_files_in_memory", "set_load_cancellation_flag",
        "set_provider_selection_policy_delegate",
    }  # fmt: skip


@pytest.mark.parametrize(
    "name", ["GraphOptimizationLevel", "ExecutionMode", "ExecutionOrder", "OrtAllocatorType", "OrtMemType",
             "OrtExecutionProviderDevicePolicy", "OrtHardwareDeviceType"]
)  # fmt: skip
def test_enumerations_have_its_members(name: str) -> None:
    expected = getattr(real, name).__members__
    assert {f"{value}" for value in getattr(ort, name)} == {f"{value}" for value in expected.values()}
    assert {key: int(value) for key, value in getattr(ort, name).__members__.items()} == {
        key: int(value) for key, value in expected.items()
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("intra_op_num_threads", 2),
        ("intra_op_num_threads", -1),
        ("inter_op_num_threads", 4),
        ("enable_mem_pattern", False),
        ("graph_optimization_level", ort.GraphOptimizationLevel.ORT_DISABLE_ALL),
        ("execution_mode", ort.ExecutionMode.ORT_PARALLEL),
        ("logid", "here"),
        ("optimized_model_filepath", "there.onnx"),
    ],
)
def test_attributes_are_set(name: str, value: Any) -> None:
    options = ort.SessionOptions()
    setattr(options, name, value)
    assert getattr(options, name) == value
    assert options.engine_options().intra_op_num_threads == (2 if value == 2 else 0)
    assert getattr(copy.copy(options), name) == getattr(pickle.loads(pickle.dumps(options)), name) == value


@pytest.mark.parametrize("module", [real, ort], ids=["real", "zeroskip"])
def test_wrong_names_and_types_are_refused_as_there(module: Any) -> None:
    options = module.SessionOptions()
    with pytest.raises(AttributeError):
        options.no_such_option = 1
    for name, value in (("intra_op_num_threads", "2"), ("graph_optimization_level", 99), ("enable_profiling", "yes")):
        with pytest.raises(TypeError):
            setattr(options, name, value)
    with pytest.raises(TypeError):
        options.add_session_config_entry("key", 1)
    with pytest.raises(RuntimeError):
        options.get_session_config_entry("key")
    with pytest.raises(module.capi.onnxruntime_pybind11_state.Fail):
        options.register_custom_ops_library("no-such-library.so")


def test_what_means_nothing_is_logged_once(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notes, "_told", set())
    caplog.set_level(logging.DEBUG, "zeroskip")
    for _ in range(2):
        options = ort.SessionOptions()
        options.enable_mem_pattern = False
        options.intra_op_num_threads = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.add_initializer("w", ort.OrtValue.ortvalue_from_numpy(np.ones(2, np.float32)))
    assert [record.levelno for record in caplog.records] == [logging.DEBUG] * 3
    assert "SessionOptions.enable_mem_pattern of ONNX Runtime means nothing" in caplog.text


def test_entries_set_options_of_the_engine() -> None:
    options = ort.SessionOptions()
    for key, text in {"weight_storage": "bf16", "winograd": "0", "max_cached_plans": "3", "isa": "generic"}.items():
        options.add_session_config_entry(f"zeroskip.{key}", text)
    found = options.engine_options()
    assert (found.weight_storage, found.winograd, found.max_cached_plans, found.isa) == ("bf16", False, 3, "generic")
    with pytest.raises(STATUS.InvalidArgument, match=r"zeroskip\.isa"):
        options.add_session_config_entry("zeroskip.nope", "1")


@pytest.mark.parametrize(
    ("key", "text", "message"),
    [
        ("winograd", "maybe", "expected 0 or 1"),
        ("max_cached_plans", "many", "expected a number"),
        ("max_cached_plans", "0", "expected 1 or more"),
        ("isa", "mmx", "expected one of"),
    ],
)
def test_a_wrong_entry_is_refused_by_the_session(key: str, text: str, message: str) -> None:
    options = ort.SessionOptions()
    options.add_session_config_entry(f"zeroskip.{key}", text)
    with pytest.raises(STATUS.InvalidArgument, match=message):
        options.engine_options()


BOTH = pytest.mark.parametrize("module", [real, ort], ids=["real", "zeroskip"])


@BOTH
@pytest.mark.parametrize(("value", "expected"), [(0, False), (1, True), (None, False), (np.bool_(True), True)])
def test_switches_take_whatever_is_true_or_false(module: Any, value: Any, expected: bool) -> None:
    for options, name in ((module.SessionOptions(), "enable_mem_pattern"), (module.RunOptions(), "terminate")):
        setattr(options, name, value)
        assert getattr(options, name) is expected


@BOTH
def test_sizes_of_dimensions_are_set_beforehand(module: Any) -> None:
    options = module.SessionOptions()
    options.add_free_dimension_override_by_name("n", 3)
    options.add_free_dimension_override_by_name("not there", 5)
    session = module.InferenceSession(data(), options)
    assert [item.shape for item in (*session.get_inputs(), *session.get_outputs())] == [[3, 3], [3, 3]]
    assert session.run(None, {"x": random_rows(3)})[0].shape == (3, 3)
    with pytest.raises(module.capi.onnxruntime_pybind11_state.InvalidArgument):
        session.run(None, {"x": random_rows(2)})
    for name, value in ((3, 3), ("n", "3"), ("n", 2.5)):
        with pytest.raises(TypeError):
            options.add_free_dimension_override_by_name(name, value)


@BOTH
def test_sizes_are_set_by_meaning(module: Any) -> None:
    model = relu_model()
    model.graph.input[0].type.tensor_type.shape.dim[0].denotation = "DATA_BATCH"
    options = module.SessionOptions()
    options.add_free_dimension_override_by_denotation("DATA_BATCH", 4)
    session = module.InferenceSession(model.SerializeToString(), options)
    assert [item.shape for item in (*session.get_inputs(), *session.get_outputs())] == [[4, 3], [4, 3]]


@BOTH
def test_the_optimized_model_is_written_and_computes_the_same(
    module: Any, small_network: bytes, tmp_path: Path
) -> None:
    options = module.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    x = np.random.default_rng(0).standard_normal((2, 3, 16, 16)).astype(np.float32)
    (expected,) = module.InferenceSession(small_network, options).run(None, {"image": x})
    written = (tmp_path / "optimized.onnx").read_bytes()
    np.testing.assert_allclose(
        real.InferenceSession(written).run(None, {"image": x})[0], expected, rtol=1e-4, atol=1e-5
    )


@BOTH
def test_an_added_initializer_changes_nothing(module: Any, small_network: bytes) -> None:
    options = module.SessionOptions()
    options.add_initializer("no such weight", module.OrtValue.ortvalue_from_numpy(np.ones(2, np.float32)))
    assert module.InferenceSession(small_network, options)
    with pytest.raises(RuntimeError):
        options.add_initializer("w", np.ones(2, np.float32))
