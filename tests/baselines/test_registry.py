"""Which engines there are, and what a user hears about one that is not."""

from __future__ import annotations

import subprocess
import sys

import pytest

from zeroskip import EngineError
from zeroskip.baselines import ENGINES, available_engines, create_engine, registry


def test_our_engine_is_always_available() -> None:
    assert available_engines()[0] == "zeroskip"
    assert set(available_engines()) <= set(ENGINES)


def test_unknown_engine_lists_the_known_ones() -> None:
    with pytest.raises(EngineError, match=r"unknown engine 'tvm', known are \['zeroskip', 'onnxruntime'"):
        create_engine("tvm", 1)


@pytest.mark.parametrize("engine", [name for name in ENGINES if name != "zeroskip"])
def test_missing_package_says_what_to_install(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(EngineError, match=rf"engine '{engine}' needs the package .*: pip install"):
        create_engine(engine, 1)


def test_precision_an_engine_lacks_is_named() -> None:
    with pytest.raises(EngineError, match=r"'onnxruntime' computes in \['f32', 'int8'\] here, not in 'bf16'"):
        create_engine("onnxruntime", 1, "bf16")


def test_a_processor_without_bf16_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zeroskip.baselines.zeroskip.multiplies_bf16", lambda: False)
    with pytest.raises(EngineError, match="this CPU has no bfloat16 products, so zeroskip would compute in float32"):
        create_engine("zeroskip", 1, "bf16")


def test_threads_are_checked() -> None:
    with pytest.raises(EngineError, match="threads is 0"):
        create_engine("zeroskip", 0)


def test_asking_what_is_available_imports_nothing() -> None:
    code = (
        "import sys; from zeroskip.baselines import available_engines; available_engines();"
        "assert not {'torch', 'onnxruntime', 'openvino', 'ncnn', 'pnnx'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
