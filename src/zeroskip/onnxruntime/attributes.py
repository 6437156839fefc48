"""Attributes: an object with a fixed set of typed, mutable attributes, as pybind11 makes them."""

from __future__ import annotations

from enum import IntEnum
from typing import Any, ClassVar

from .notes import note_ignored


class Attributes:
    """Base of the option classes: knows its attributes, their types and which of them have no effect.

    Raises:
        AttributeError: If an attribute is set that there is not.
        TypeError: If a value is of another type.
    """

    _defaults: ClassVar[dict[str, Any]]
    _effective: ClassVar[frozenset[str]] = frozenset()

    def __init__(self) -> None:
        self.__dict__.update(self._defaults)

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in self._defaults:
            raise AttributeError(f"{type(self).__name__} has no attribute '{name}'; it has {', '.join(self._defaults)}")
        self.__dict__[name] = _checked(f"{type(self).__name__}.{name}", value, type(self._defaults[name]))
        if name not in self._effective and value != self._defaults[name]:
            note_ignored(f"{type(self).__name__}.{name}")

    def __repr__(self) -> str:
        changed = {name: getattr(self, name) for name in self._defaults if getattr(self, name) != self._defaults[name]}
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in changed.items())})"


def _checked(name: str, value: Any, kind: type) -> Any:
    if issubclass(kind, IntEnum):
        if isinstance(value, kind):
            return value
    elif kind is bool:
        if value is None or hasattr(value, "__bool__"):  # numbers and numpy's booleans, but no texts
            return bool(value)
    elif kind is int:
        if hasattr(value, "__index__") or isinstance(value, float):
            return int(value)
    elif isinstance(value, kind) or (kind is str and hasattr(value, "__fspath__")):
        return str(value)
    raise TypeError(f"{name} is {value!r} ({type(value).__name__}); expected {kind.__name__}")
