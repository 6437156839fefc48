"""What ONNX Runtime sets for a whole process: its logger, its telemetry, its devices. Little of it is here."""

from __future__ import annotations

import logging
import operator
from typing import Any

from ..engine.mixed.lifetime import runtime
from ..engine.mixed.real_runtime import is_available
from .notes import note_ignored
from .status import Fail, InvalidArgument

_LEVELS = (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL)


def set_default_logger_severity(severity: int) -> None:
    """Set how much is logged.

    Args:
        severity: 0 for all, 1 information, 2 warnings, 3 errors, 4 fatal errors; sets the level of the logger
            ``zeroskip``.

    Raises:
        InvalidArgument: If it is another number.
    """
    if severity not in range(len(_LEVELS)):
        raise InvalidArgument(f"severity is {severity!r}; expected 0 (all) to 4 (fatal errors only)")
    logging.getLogger("zeroskip").setLevel(_LEVELS[severity])


def set_default_logger_verbosity(verbosity: int) -> None:
    """Do nothing: there is one level of detail."""
    note_ignored("set_default_logger_verbosity")


def set_seed(seed: int) -> None:
    """Set the seed of random operators, which run in islands.

    Raises:
        TypeError: If it is no integer.
    """
    seed = operator.index(seed)
    if is_available():
        runtime().set_seed(seed)


def set_global_thread_pool_sizes(intra_op_num_threads: int, inter_op_num_threads: int) -> None:
    """Do nothing: sessions of one process share one pool of threads in any case."""
    note_ignored("set_global_thread_pool_sizes")


def enable_telemetry_events() -> None:
    """Do nothing: there is no telemetry."""


def disable_telemetry_events() -> None:
    """Do nothing: there is no telemetry."""


def preload_dlls(cuda: bool = True, cudnn: bool = True, msvc: bool = True, directory: str | None = None) -> None:
    """Do nothing: no libraries of a GPU are needed."""


def has_collective_ops() -> bool:
    """Return False: a session runs in one process."""
    return False


def get_ep_devices() -> list[Any]:
    """Return nothing: there are no devices to choose from."""
    return []


def register_execution_provider_library(registration_name: str, library_path: str) -> None:
    """Refuse the library of an execution provider.

    Raises:
        Fail: Always.
    """
    raise Fail(f"execution provider '{registration_name}' cannot be registered: zeroskip runs on the CPU")


def unregister_execution_provider_library(registration_name: str) -> None:
    """Refuse, since none can be registered.

    Raises:
        Fail: Always.
    """
    raise Fail(f"no execution provider '{registration_name}' is registered")


def create_and_register_allocator(mem_info: Any, arena_cfg: Any = None) -> None:
    """Do nothing: sessions plan their memory."""
    note_ignored("create_and_register_allocator")
