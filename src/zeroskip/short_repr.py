"""Reprs that fit a screen: what a value is and its figures, with long parts told by their size."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

_MOST_CHARS = 60
_MOST_ITEMS = 4


class ShortRepr:
    """Gives a dataclass (``@dataclass(repr=False)``) or a pydantic model, whose base it comes before, a short repr.

    Example:
        >>> from dataclasses import dataclass
        >>> @dataclass(repr=False)
        ... class Result(ShortRepr):
        ...     name: str
        ...     times: list[float]
        >>> Result("conv", [0.5] * 100)
        Result(name='conv', times=<100 float>)
    """

    def __repr__(self) -> str:
        inside = ", ".join(f"{name}={value!r}" for name, value in self.__repr_args__())
        return f"{type(self).__name__}({inside})"

    def __repr_args__(self) -> Iterator[tuple[str, _Text]]:  # what pydantic and rich ask for
        for name in _shown_fields(self):
            yield name, _Text(shorten(getattr(self, name)))

    def __rich_repr__(self) -> Iterator[tuple[str, _Text]]:
        yield from self.__repr_args__()


class _Text:
    """Is shown as it is, without quotes."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


def shorten(value: object) -> str:
    """Return a repr of at most about sixty characters: contents where they are short, else kind and size."""
    if isinstance(value, float):
        return f"{value:.5g}"
    if isinstance(value, bytes | bytearray):
        return f"<{len(value)} bytes>"
    if hasattr(value, "dtype") and hasattr(value, "shape"):  # an array; NumPy need not be loaded for this
        return f"<{value.dtype} {list(value.shape)}>"
    if isinstance(value, Mapping):
        return _mapping(value)
    if isinstance(value, Collection) and not isinstance(value, str):
        return _collection(value)
    text = repr(value)
    if len(text) <= _MOST_CHARS:
        return text
    return text[: _MOST_CHARS - 4] + "..." + (text[-1] if isinstance(value, str) else ")")


def _mapping(value: Mapping[Any, Any]) -> str:
    inside = ", ".join(f"{key!r}: {shorten(item)}" for key, item in list(value.items())[:_MOST_ITEMS])
    if len(value) <= _MOST_ITEMS and len(inside) < _MOST_CHARS:
        return f"{{{inside}}}"
    return f"<{len(value)} items>"


def _collection(value: Collection[Any]) -> str:
    if len(value) <= _MOST_ITEMS:
        text = ", ".join(shorten(item) for item in value)
        if len(text) < _MOST_CHARS:
            comma = "," if len(value) == 1 else ""
            return f"({text}{comma})" if isinstance(value, tuple) else f"[{text}]"
    kinds = {type(item).__name__ for item in value}
    return f"<{len(value)} {kinds.pop() if len(kinds) == 1 else 'items'}>"


def _shown_fields(value: Any) -> list[str]:
    if is_dataclass(value):
        return [field.name for field in fields(value) if field.repr]
    return [name for name, field in type(value).model_fields.items() if field.repr]
