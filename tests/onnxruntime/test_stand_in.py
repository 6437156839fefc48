"""The package in the place of onnxruntime, and the real one behind it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SETUP = """
import sys, numpy as np, onnx
from onnx import helper
def model(*ops):
    names = ["x", *(f"v{i}" for i in range(len(ops) - 1)), "y"]
    nodes = [helper.make_node(op, [names[i]], [names[i + 1]]) for i, op in enumerate(ops)]
    ends = [helper.make_tensor_value_info(name, 1, ["n", 3]) for name in "xy"]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9).SerializeToString()
x = np.array([[-1.0, 0.0, 2.0]], np.float32)
"""
WAYS = {
    "install": "import zeroskip.onnxruntime as face; assert face.install() is face",
    "assigned": "import sys, zeroskip.onnxruntime as face; sys.modules['onnxruntime'] = face",
    "installed after the real one": "import onnxruntime, zeroskip.onnxruntime as face; face.install()",
}


def run(code: str, folder: Path | None = None) -> str:
    command = [sys.executable, "-W", "error" if folder is None else "default", "-c", code]
    result = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


@pytest.mark.parametrize("way", WAYS)
def test_programs_get_it_and_islands_the_real_one(way: str) -> None:
    code = f"""{SETUP}
{WAYS[way]}
import onnxruntime as ort
from onnxruntime import InferenceSession, SessionOptions, GraphOptimizationLevel
from onnxruntime.capi._pybind_state import set_default_logger_severity, InvalidArgument
from onnxruntime.capi.onnxruntime_inference_collection import OrtValue
from onnxruntime.capi.onnxruntime_pybind11_state import NoSuchFile
assert ort is face and InferenceSession is face.InferenceSession and OrtValue is face.OrtValue
session = InferenceSession(model("Relu", "Atan", "Relu"))            # Atan needs the real onnxruntime
np.testing.assert_allclose(session.run(None, {{"x": x}})[0], np.arctan(np.maximum(x, 0)), rtol=1e-6)
assert session.explain_islands()
for _ in range(2):
    assert sys.modules["onnxruntime"] is face
    try:
        ort.InferenceSession("no-such-model.onnx")
    except NoSuchFile as error:
        assert isinstance(error, ort.capi.onnxruntime_pybind11_state.NoSuchFile)
try:
    session.run(None, {{"z": x}})
except InvalidArgument:
    print("caught")
"""
    assert run(code) == "caught"


def test_it_is_taken_away_again() -> None:
    code = f"""{SETUP}
import zeroskip.onnxruntime as face
face.install(); face.install()
face.InferenceSession(model("Atan"))
face.uninstall()
import onnxruntime, onnxruntime.capi.onnxruntime_pybind11_state as state
assert onnxruntime is not face and onnxruntime.InferenceSession(model("Relu")).run(None, {{"x": x}})
face.uninstall()
import onnxruntime as again
assert again is onnxruntime
face.install()
import onnxruntime as other
assert other is face and face.InferenceSession(model("Atan")).run(None, {{"x": x}})
print("same")
"""
    assert run(code) == "same"


def test_other_parts_are_the_real_one_s() -> None:
    code = """
import zeroskip.onnxruntime as face
face.install()
import onnxruntime as ort
from onnxruntime.transformers.io_binding_helper import TypeHelper
from onnxruntime import SparseTensor
import importlib.metadata, importlib.util
assert importlib.util.find_spec("onnxruntime") is not None
assert ort.__version__ == importlib.metadata.version("onnxruntime")
assert not hasattr(ort, "no_such_thing") and not hasattr(ort, "__wrapped__")
print(TypeHelper.__module__, "zeroskip" in ort.get_build_info())
"""
    assert run(code) == "onnxruntime.transformers.io_binding_helper True"


def test_names_that_are_not_here_are_the_real_one_s() -> None:
    """Also in ``capi``, where the tools of onnxruntime find theirs."""
    code = """
import zeroskip.onnxruntime as face
face.install()
from onnxruntime.capi import _ld_preload, onnxruntime_validation
import onnxruntime.capi.build_and_package_info
from onnxruntime.capi.onnxruntime_inference_collection import Session, SparseTensor, InferenceSession
from onnxruntime.capi.onnxruntime_pybind11_state import ModelLoaded, OrtValueVector, OrtMemoryInfo, InvalidArgument
from onnxruntime.capi._pybind_state import quantize_matmul_4bits, OrtArenaCfg
from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer
assert InferenceSession is face.InferenceSession and InvalidArgument.__module__.startswith("zeroskip")
try:
    from onnxruntime.capi._pybind_state import no_such_name
except ImportError:
    print("refused")
"""
    assert run(code) == "refused"


def test_the_tools_of_the_real_one_work(tmp_path: Path) -> None:
    """They make a session only for the model that it leaves behind."""
    code = f"""{SETUP}
import zeroskip.onnxruntime as face
face.install()
from pathlib import Path
from onnxruntime.quantization.shape_inference import quant_pre_process
from onnxruntime.tools.onnx_model_utils import optimize_model
Path("model.onnx").write_bytes(model("Relu", "Neg"))
quant_pre_process("model.onnx", "prepared.onnx")
optimize_model(Path("model.onnx"), Path("optimized.onnx"))
for name in ("prepared.onnx", "optimized.onnx"):
    print(face.InferenceSession(name).run(None, {{"x": x}})[0].min())
"""
    assert run(code, tmp_path) == "-2.0\n-2.0"


def test_without_the_real_one_it_is_complete(tmp_path: Path) -> None:
    """Native models run; what would need the real one says so."""
    code = f"""{SETUP}
import importlib.machinery, importlib.metadata
original = importlib.machinery.PathFinder.find_spec
importlib.machinery.PathFinder.find_spec = classmethod(
    lambda cls, name, path=None, target=None: None if name == "onnxruntime" else original(name, path, target)
)
version = importlib.metadata.version
def without(name):
    if name == "onnxruntime":
        raise importlib.metadata.PackageNotFoundError(name)
    return version(name)
importlib.metadata.version = without
import zeroskip.onnxruntime as face
face.install()
import onnxruntime as ort
assert ort.InferenceSession(model("Relu")).run(None, {{"x": x}})[0].max() == 2 and ort.__version__
try:
    ort.InferenceSession(model("Relu", "Atan"))
except ort.capi.onnxruntime_pybind11_state.NotImplemented as error:
    assert "zeroskip[fallback]" in str(error), error
try:
    ort.SparseTensor
except AttributeError as error:
    print(error)
"""
    assert run(code).endswith("has no attribute 'SparseTensor', and no onnxruntime is installed that has it")


def test_importing_it_loads_no_onnxruntime() -> None:
    names = ("onnxruntime", "torch", "matplotlib")
    code = f"import sys, zeroskip.onnxruntime; print([name for name in {names} if name in sys.modules])"
    assert run(code) == "[]"
