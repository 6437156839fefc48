"""The classes that ONNX Runtime defines in Python; what is not here is the real one's."""

from typing import Any

from zeroskip.onnxruntime.devices import OrtDevice
from zeroskip.onnxruntime.inference_session import InferenceSession
from zeroskip.onnxruntime.io_binding import IOBinding
from zeroskip.onnxruntime.ort_value import OrtValue
from zeroskip.onnxruntime.real_names import real_name

__all__ = ["IOBinding", "InferenceSession", "OrtDevice", "OrtValue"]


def __getattr__(name: str) -> Any:
    return real_name("capi.onnxruntime_inference_collection", name)
