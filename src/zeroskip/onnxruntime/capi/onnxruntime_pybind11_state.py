"""The names that packages import from ONNX Runtime's extension module, above all its exceptions."""

# By absolute names: Python loads this file a second time, as onnxruntime.capi, where the package was only put
# into sys.modules under that name.
from typing import Any

from zeroskip.onnxruntime.devices import OrtArenaCfg, OrtDevice, OrtMemoryInfo
from zeroskip.onnxruntime.enums import (
    ExecutionMode,
    ExecutionOrder,
    GraphOptimizationLevel,
    OrtAllocatorType,
    OrtExecutionProviderDevicePolicy,
    OrtHardwareDeviceType,
    OrtMemType,
)
from zeroskip.onnxruntime.inference_session import InferenceSession
from zeroskip.onnxruntime.io_binding import IOBinding as SessionIOBinding
from zeroskip.onnxruntime.model_metadata import ModelMetadata
from zeroskip.onnxruntime.ort_value import OrtValue
from zeroskip.onnxruntime.process import (
    create_and_register_allocator,
    disable_telemetry_events,
    enable_telemetry_events,
    get_ep_devices,
    has_collective_ops,
    set_default_logger_severity,
    set_default_logger_verbosity,
    set_seed,
)
from zeroskip.onnxruntime.providers import get_all_providers, get_available_providers, get_device
from zeroskip.onnxruntime.real_names import real_name
from zeroskip.onnxruntime.run_options import RunOptions
from zeroskip.onnxruntime.session_options import SessionOptions
from zeroskip.onnxruntime.status import (
    EPFail,
    Fail,
    InvalidArgument,
    InvalidGraph,
    InvalidProtobuf,
    NoModel,
    NoSuchFile,
    RuntimeException,
)
from zeroskip.onnxruntime.status import UnsupportedModel as NotImplemented

__all__ = [
    "EPFail",
    "ExecutionMode",
    "ExecutionOrder",
    "Fail",
    "GraphOptimizationLevel",
    "InferenceSession",
    "InvalidArgument",
    "InvalidGraph",
    "InvalidProtobuf",
    "ModelMetadata",
    "NoModel",
    "NoSuchFile",
    "NotImplemented",
    "OrtAllocatorType",
    "OrtArenaCfg",
    "OrtDevice",
    "OrtExecutionProviderDevicePolicy",
    "OrtHardwareDeviceType",
    "OrtMemType",
    "OrtMemoryInfo",
    "OrtValue",
    "RunOptions",
    "RuntimeException",
    "SessionIOBinding",
    "SessionOptions",
    "create_and_register_allocator",
    "disable_telemetry_events",
    "enable_telemetry_events",
    "get_all_providers",
    "get_available_providers",
    "get_device",
    "get_ep_devices",
    "has_collective_ops",
    "set_default_logger_severity",
    "set_default_logger_verbosity",
    "set_seed",
]


def __getattr__(name: str) -> Any:
    """Take from the real onnxruntime what is not here."""
    return real_name("capi.onnxruntime_pybind11_state", name)
