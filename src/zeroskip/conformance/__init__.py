"""The engine held against outside judges: the backend interface of the ONNX standard."""

from __future__ import annotations

from . import backend

__all__ = ["backend"]
