"""Finds and imports the real onnxruntime, also while another module stands in for it under its name.

Its modules import each other by that name, and its extension module can be loaded once only. So while something else
has the name, the real modules are kept here and have it only as long as they are being imported.
"""

from __future__ import annotations

import importlib
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

_NAME = "onnxruntime"
_PACKAGE = Path(__file__).resolve().parents[2]

_kept: dict[str, ModuleType] = {}
"""Real modules that do not have their names in ``sys.modules``."""


def find_real() -> ModuleSpec | None:
    """Return where onnxruntime is installed, None if it is not; it is not imported."""
    if _NAME in sys.modules and sys.modules[_NAME] is None:  # how Python is told that a module must not be imported
        return None
    for finder in sys.meta_path:
        spec = finder.find_spec(_NAME, None)
        if spec is not None and spec.origin is not None:  # not a folder that happens to be called so
            return spec
    return None


def is_available() -> bool:
    """Tell whether onnxruntime is installed, without importing it."""
    return find_real() is not None


def import_real() -> ModuleType:
    """Return the real onnxruntime, importing it if nobody has.

    Raises:
        ImportError: If it is not installed, or cannot be loaded.
    """
    present = sys.modules.get(_NAME)
    if present is None or _is_real(_NAME, present):
        return importlib.import_module(_NAME)
    others = take_names()
    _kept.update({name: module for name, module in others.items() if _is_real(name, module)})
    others = {name: module for name, module in others.items() if name not in _kept or module is not _kept[name]}
    sys.modules.update(_kept)
    try:
        return importlib.import_module(_NAME)
    finally:  # another thread that imports it just now may get the real one
        _kept.update(take_names())
        sys.modules.update(others)


def keep_real() -> None:
    """Take the name away from the real modules; :func:`import_real` still finds them."""
    _kept.update(take_names())


def release_real() -> None:
    """Give the real modules their names back."""
    take_names()
    sys.modules.update(_kept)
    _kept.clear()


def take_names() -> dict[str, ModuleType]:
    """Remove onnxruntime and its submodules from ``sys.modules`` and return them."""
    names = [name for name in sys.modules if name == _NAME or name.startswith(f"{_NAME}.")]
    return {name: sys.modules.pop(name) for name in names}


def _is_real(name: str, module: ModuleType) -> bool:
    """Tell a module of the real runtime from one that stands in; of its submodules only the core is told apart."""
    if name != _NAME and not name.startswith(f"{_NAME}.capi"):
        return False
    file = getattr(module, "__file__", None)
    return module.__name__ == name and (file is None or _PACKAGE not in Path(file).resolve().parents)
