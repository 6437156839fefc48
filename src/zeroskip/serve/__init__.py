"""Serving models by the Open Inference Protocol (REST and gRPC), on KServe's parts; needs ``zeroskip[serve]``.

:func:`serve` runs both protocols in one process; :class:`ServedModel` is the runtime for a ``kserve.ModelServer`` of
one's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import ServeError
from ..extras import needs
from .model_files import ModelFile, find_models
from .options import BatchOptions, ServerOptions

if TYPE_CHECKING:
    from .model import ServedModel
    from .server import Addresses, serve

__all__ = ["Addresses", "BatchOptions", "ModelFile", "ServedModel", "ServerOptions", "find_models", "serve"]

_HOMES = {
    "Addresses": "server",
    "ServedModel": "model",
    "serve": "server",
}


def __getattr__(name: str) -> Any:
    """Load what needs KServe when it is asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    from importlib import import_module

    with needs("serving", ServeError):
        return getattr(import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
