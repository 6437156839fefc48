"""Puts this package in the place of onnxruntime, and takes it away again."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

from ..engine.mixed.real_runtime import keep_real, release_real

_PACKAGE = __name__.rpartition(".")[0]
_SUBMODULES = (
    "capi", "capi._pybind_state", "capi.onnxruntime_inference_collection", "capi.onnxruntime_pybind11_state",
)  # fmt: skip


def install() -> ModuleType:
    """Have ``import onnxruntime`` mean this package from now on.

    Modules that imported the real one before keep it; so install first. Islands still reach the real one. Parts of
    onnxruntime that are not here, such as ``onnxruntime.quantization``, are the real ones, if it is installed.

    Returns:
        This package.

    Example::

        import zeroskip.onnxruntime

        zeroskip.onnxruntime.install()
        import rapidocr                       # runs on zeroskip
    """
    package = importlib.import_module(_PACKAGE)
    if sys.modules.get("onnxruntime") is not package:
        keep_real()
    sys.modules["onnxruntime"] = package
    for name in _SUBMODULES:
        sys.modules[f"onnxruntime.{name}"] = importlib.import_module(f"{_PACKAGE}.{name}")
    return package


def uninstall() -> None:
    """Have ``import onnxruntime`` mean the real one again; nothing happens if this package has not its place."""
    if sys.modules.get("onnxruntime") is importlib.import_module(_PACKAGE):
        release_real()
