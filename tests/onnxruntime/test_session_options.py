"""Options have onnxruntime's names and defaults; what means nothing is taken, what cannot be is refused."""

from __future__ import annotations

import copy
import logging
import pickle
from typing import Any

import onnxruntime as real
import pytest

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
        options.add_free_dimension_override_by_name("batch", 1)
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
