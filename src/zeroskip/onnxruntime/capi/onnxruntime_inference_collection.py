"""The classes that ONNX Runtime defines in Python."""

from zeroskip.onnxruntime.inference_session import InferenceSession
from zeroskip.onnxruntime.io_binding import IOBinding
from zeroskip.onnxruntime.ort_value import OrtDevice, OrtValue

__all__ = ["IOBinding", "InferenceSession", "OrtDevice", "OrtValue"]
