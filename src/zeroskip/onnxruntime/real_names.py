"""Names of the real onnxruntime that are not here, found where it is installed."""

from __future__ import annotations

from typing import Any

from ..engine.mixed.lifetime import runtime
from ..engine.mixed.real_runtime import find_real


def real_name(module: str, name: str) -> Any:
    """Return what a module of the real onnxruntime calls so.

    Args:
        module: Its name below ``onnxruntime``, empty for the package itself.
        name: Of the attribute.

    Raises:
        AttributeError: If it has no such name, or is not installed. Private names are never looked up, since Python
            and its tools ask any module for them.
    """
    if not name.startswith("_") and find_real() is not None:
        found: Any = runtime()
        for part in filter(None, module.split(".")):
            found = getattr(found, part)
        if hasattr(found, name):
            return getattr(found, name)
    full = ".".join(filter(None, (__package__, module)))
    raise AttributeError(f"module '{full}' has no attribute '{name}', and no onnxruntime is installed that has it")
