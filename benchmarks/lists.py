"""Comma-separated lists on the command line."""

from __future__ import annotations


def words(text: str) -> list[str]:
    """Read ``"a, b"`` as two words."""
    return [part.strip() for part in text.split(",") if part.strip()]


def integers(text: str) -> list[int]:
    """Read ``"1,2"`` as two numbers."""
    return [int(part) for part in words(text)]


def floats(text: str) -> list[float]:
    """Read ``"0,0.5"`` as two numbers."""
    return [float(part) for part in words(text)]
