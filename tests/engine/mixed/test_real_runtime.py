"""The real onnxruntime is found behind whatever has its name."""

from __future__ import annotations

import subprocess
import sys
import types

import pytest

from zeroskip.engine.mixed import real_runtime


def run(code: str) -> str:
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def test_a_module_that_must_not_be_imported_is_not_available(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert not real_runtime.is_available()


def test_finding_it_imports_nothing() -> None:
    code = "import sys; from zeroskip.engine.mixed.real_runtime import is_available"
    code += "; print(is_available(), 'onnxruntime' in sys.modules)"
    assert run(code) == "True False"


def test_what_stands_in_is_not_what_is_imported() -> None:
    code = """
import sys, types
sys.modules["onnxruntime"] = fake = types.ModuleType("fake")
from zeroskip.engine.mixed import real_runtime
real = real_runtime.import_real()
assert real.__name__ == "onnxruntime" and real.InferenceSession and real is real_runtime.import_real()
assert sys.modules["onnxruntime"] is fake and "onnxruntime.capi" not in sys.modules
real_runtime.release_real()
import onnxruntime, onnxruntime.capi
assert onnxruntime is real
print("same")
"""
    assert run(code) == "same"


def test_what_was_imported_before_is_used_again() -> None:
    """Its extension module can be loaded once only."""
    code = """
import sys, types, onnxruntime
state = sys.modules["onnxruntime.capi.onnxruntime_pybind11_state"]
sys.modules["onnxruntime"] = fake = types.ModuleType("fake")
from zeroskip.engine.mixed import real_runtime
real = real_runtime.import_real()
assert real.SessionOptions is state.SessionOptions and sys.modules["onnxruntime"] is fake
print("same")
"""
    assert run(code) == "same"


def test_a_folder_of_that_name_is_no_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    class Finder:
        @staticmethod
        def find_spec(name: str, path: object) -> object:
            return types.SimpleNamespace(origin=None) if name == "onnxruntime" else None

    monkeypatch.setattr(sys, "meta_path", [Finder])
    assert real_runtime.find_real() is None
