"""RunOptions under ONNX Runtime's names."""

from __future__ import annotations

from typing import Any, ClassVar

from .attributes import Attributes
from .notes import note_ignored
from .status import Fail, InvalidArgument


class RunOptions(Attributes):
    """Options of one run. ``terminate`` ends a run before it begins; nothing else has an effect."""

    log_severity_level: int
    log_verbosity_level: int
    logid: str
    only_execute_path_to_fetches: bool
    terminate: bool

    _defaults: ClassVar[dict[str, Any]] = {
        "log_severity_level": -1,
        "log_verbosity_level": 0,
        "logid": "",
        "only_execute_path_to_fetches": False,
        "terminate": False,
    }
    _effective: ClassVar[frozenset[str]] = frozenset({"terminate"})

    def __init__(self) -> None:
        super().__init__()
        self.__dict__["_entries"] = {}

    def add_run_config_entry(self, key: str, value: str) -> None:
        """Keep a configuration entry, which has no effect."""
        note_ignored(f"the configuration entry {key}")
        self.__dict__["_entries"][key] = value

    def get_run_config_entry(self, key: str) -> str:
        """Return the value of a configuration entry.

        Raises:
            InvalidArgument: If it was not set.
        """
        entries: dict[str, str] = self.__dict__["_entries"]
        if key not in entries:
            raise InvalidArgument(f"RunOptions has no configuration entry '{key}'; it has {sorted(entries)}")
        return entries[key]

    def check(self) -> None:
        """Refuse to run if it was asked for.

        Raises:
            Fail: If ``terminate`` is set.
        """
        if self.terminate:
            raise Fail("the run ends at once, because terminate is set in its options")
