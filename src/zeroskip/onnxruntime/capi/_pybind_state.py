"""The same names as the extension module's, where ONNX Runtime's own Python code looks for them."""

from zeroskip.onnxruntime.capi.onnxruntime_pybind11_state import *  # noqa: F403
from zeroskip.onnxruntime.capi.onnxruntime_pybind11_state import __all__ as __all__
from zeroskip.onnxruntime.capi.onnxruntime_pybind11_state import __getattr__ as __getattr__
