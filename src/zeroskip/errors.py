"""The exception tree of zeroskip: every error raised on purpose derives from :class:`ZeroskipError`.

Messages say what was got, what was expected, where, and what to do about it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any


class ZeroskipError(Exception):
    """Base of every error that zeroskip raises on purpose."""


class ModelError(ZeroskipError):
    """The model cannot be read or is not valid: names the node, operator, opset or attribute."""


class LimitError(ModelError):
    """The model asks for more memory, work or depth than is spent on any; no other runtime is given it either."""


class UnsupportedOperatorError(ModelError):
    """The model holds operators the engine cannot run; the message lists all of them at once.

    Args:
        message: The list, for people.
        nodes: The same as values (``zeroskip.onnx.UnsupportedNode``).
    """

    def __init__(self, message: str, nodes: Sequence[Any] = ()) -> None:
        super().__init__(message)
        self.nodes = tuple(nodes)


class ShapeError(ZeroskipError, ValueError):
    """An array or a tensor has the wrong rank, shape or dtype."""


class DataError(ZeroskipError):
    """The data cannot be used: empty folder, unreadable image, missing labels, wrong preprocessing."""


class CalibrationError(ZeroskipError):
    """The threshold search cannot start or cannot reach what was asked."""


class RecipeError(ZeroskipError):
    """A recipe or a threshold set does not fit the model it is applied to."""


class ProcessError(ZeroskipError):
    """Another process of the same run failed or cannot be reached; its own message says why."""


class EngineError(ZeroskipError):
    """The native engine refused a plan or failed while running it."""


class OutputError(ZeroskipError, OSError):
    """A file or folder cannot be written, for example because the disk is full; the message names it."""

    def __str__(self) -> str:
        return f"cannot write '{os.fspath(self.filename)}': {self.strerror}"


class ServeError(ZeroskipError):
    """A server cannot start as it was told, or cannot answer a request."""


class OverloadError(ServeError):
    """As many requests wait as may wait: 429 in REST, ``RESOURCE_EXHAUSTED`` in gRPC."""


class DeadlineError(ServeError, TimeoutError):
    """A request's time was over before its result was there: 504 in REST, ``DEADLINE_EXCEEDED`` in gRPC."""


class DrainingError(ServeError):
    """The server is stopping and takes no new requests: 503 in REST, ``UNAVAILABLE`` in gRPC."""


class OutOfMemoryError(EngineError, MemoryError):
    """A run would need more memory than there is; nothing was allocated."""
