"""The names that packages import from ONNX Runtime's extension module, above all its exceptions."""

# By absolute names: Python loads this file a second time, as onnxruntime.capi, where the package was only put
# into sys.modules under that name.
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
from zeroskip.onnxruntime.ort_value import OrtDevice, OrtValue
from zeroskip.onnxruntime.process import (
    disable_telemetry_events,
    enable_telemetry_events,
    get_ep_devices,
    has_collective_ops,
    set_default_logger_severity,
    set_default_logger_verbosity,
    set_seed,
)
from zeroskip.onnxruntime.providers import get_all_providers, get_available_providers, get_device
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
    "OrtDevice",
    "OrtExecutionProviderDevicePolicy",
    "OrtHardwareDeviceType",
    "OrtMemType",
    "OrtValue",
    "RunOptions",
    "RuntimeException",
    "SessionIOBinding",
    "SessionOptions",
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
