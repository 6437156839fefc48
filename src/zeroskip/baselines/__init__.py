"""The engines of a benchmark behind one protocol: precision and threads pinned, each in a process of its own.

:class:`Engine` is the protocol, :func:`create_engine` makes one in this process and :class:`EngineProcess` in
another. The packages of an engine are imported only when it is created.
"""

from __future__ import annotations

from .engine import Engine, Feed, Precision, Shapes
from .process import EngineProcess, LoadedEngine
from .registry import ENGINES, EngineEntry, available_engines, create_engine

__all__ = [
    "ENGINES",
    "Engine",
    "EngineEntry",
    "EngineProcess",
    "Feed",
    "LoadedEngine",
    "Precision",
    "Shapes",
    "available_engines",
    "create_engine",
]
