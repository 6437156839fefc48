"""Execution providers: there is one, the CPU's, whatever is asked for."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

CPU = "CPUExecutionProvider"


def get_available_providers() -> list[str]:
    """Return the names of the execution providers: the CPU's."""
    return [CPU]


def get_all_providers() -> list[str]:
    """Return the names of the execution providers: the CPU's."""
    return [CPU]


def get_device() -> str:
    """Return the kind of device: ``"CPU"``."""
    return "CPU"


def check_providers(providers: Any) -> None:
    """Warn about the execution providers that there are not; the CPU's is taken in any case, as ONNX Runtime does.

    Args:
        providers: Names, or pairs of name and options; None for the default.
    """
    items: Iterable[Any] = [providers] if isinstance(providers, str) else providers or ()
    for item in items:
        name = item[0] if isinstance(item, tuple | list) and item else item
        if name != CPU:
            warnings.warn(
                f"Specified provider '{name}' is not in available provider names. Available providers: '{CPU}'",
                stacklevel=3,
            )
