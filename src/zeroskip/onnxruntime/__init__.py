"""ONNX Runtime's face: a package that stands in for ``onnxruntime`` in programs written for it.

::

    import zeroskip.onnxruntime
    zeroskip.onnxruntime.install()            # from here on `import onnxruntime` means this package

or, in code of one's own, ``import zeroskip.onnxruntime as ort``. The session is :class:`zeroskip.InferenceSession`
with other arguments; this package only translates names, options and errors. What is not here is taken from the
real onnxruntime where that is installed.
"""

from __future__ import annotations

import importlib.metadata
from typing import Any

from ..engine import NodeArg
from ..engine.mixed.real_runtime import find_real
from . import capi
from .devices import OrtArenaCfg, OrtDevice, OrtMemoryInfo
from .enums import (
    ExecutionMode,
    ExecutionOrder,
    GraphOptimizationLevel,
    OrtAllocatorType,
    OrtExecutionProviderDevicePolicy,
    OrtHardwareDeviceType,
    OrtMemType,
)
from .inference_session import InferenceSession
from .io_binding import IOBinding
from .model_metadata import ModelMetadata
from .ort_value import OrtValue
from .process import (
    create_and_register_allocator,
    disable_telemetry_events,
    enable_telemetry_events,
    get_ep_devices,
    has_collective_ops,
    preload_dlls,
    register_execution_provider_library,
    set_default_logger_severity,
    set_default_logger_verbosity,
    set_global_thread_pool_sizes,
    set_seed,
    unregister_execution_provider_library,
)
from .providers import get_all_providers, get_available_providers, get_device
from .real_names import real_name
from .run_options import RunOptions
from .session_options import SessionOptions
from .stand_in import install, uninstall

__all__ = [
    "ExecutionMode",
    "ExecutionOrder",
    "GraphOptimizationLevel",
    "IOBinding",
    "InferenceSession",
    "ModelMetadata",
    "NodeArg",
    "OrtAllocatorType",
    "OrtArenaCfg",
    "OrtDevice",
    "OrtExecutionProviderDevicePolicy",
    "OrtHardwareDeviceType",
    "OrtMemType",
    "OrtMemoryInfo",
    "OrtValue",
    "RunOptions",
    "SessionIOBinding",
    "SessionOptions",
    "capi",
    "create_and_register_allocator",
    "disable_telemetry_events",
    "enable_telemetry_events",
    "get_all_providers",
    "get_available_providers",
    "get_build_info",
    "get_device",
    "get_ep_devices",
    "get_version_string",
    "has_collective_ops",
    "install",
    "preload_dlls",
    "register_execution_provider_library",
    "set_default_logger_severity",
    "set_default_logger_verbosity",
    "set_global_thread_pool_sizes",
    "set_seed",
    "uninstall",
    "unregister_execution_provider_library",
]

SessionIOBinding = IOBinding
_MIRRORED_VERSION = "1.32.0"


def _version() -> str:
    """Return the version of the onnxruntime installed, which programs compare; else that whose names these are."""
    try:
        return importlib.metadata.version("onnxruntime")
    except importlib.metadata.PackageNotFoundError:
        return _MIRRORED_VERSION


__version__ = _version()
_real = find_real()
if _real is not None:  # its other parts are found as parts of this package
    __path__.extend(_real.submodule_search_locations or ())


def get_version_string() -> str:
    """Return the version of ONNX Runtime that this package stands in for."""
    return __version__


def get_build_info() -> str:
    """Return what this is."""
    from .. import __version__ as own_version

    return f"zeroskip {own_version}, standing in for ONNX Runtime {__version__}"


def __getattr__(name: str) -> Any:
    """Take from the real onnxruntime what is not here."""
    return real_name("", name)
