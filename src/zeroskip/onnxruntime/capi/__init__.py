"""The modules of ONNX Runtime that packages reach into."""

from pathlib import Path

from zeroskip.engine.mixed.real_runtime import find_real
from zeroskip.onnxruntime.capi import _pybind_state, onnxruntime_inference_collection, onnxruntime_pybind11_state

__all__ = ["_pybind_state", "onnxruntime_inference_collection", "onnxruntime_pybind11_state"]

_real = find_real()
if _real is not None:  # its other modules are found as modules of this package
    __path__.extend(str(Path(folder) / "capi") for folder in _real.submodule_search_locations or ())
