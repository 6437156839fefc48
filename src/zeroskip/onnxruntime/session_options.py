"""SessionOptions under ONNX Runtime's names, and what they are for the engine."""

from __future__ import annotations

import operator
from dataclasses import fields
from typing import Any, ClassVar

from ..engine import options as engine_options
from ..errors import EngineError
from .attributes import Attributes
from .enums import ExecutionMode, ExecutionOrder, GraphOptimizationLevel
from .notes import note_ignored
from .ort_value import OrtValue
from .status import Fail, InvalidArgument, InvalidType

PREFIX = "zeroskip."
"""Of the configuration entries that set options of the engine, such as ``zeroskip.weight_storage``."""
_BOOLEANS = {"0": False, "false": False, "1": True, "true": True}
_ENTRIES = tuple(item.name for item in fields(engine_options.SessionOptions) if item.name != "intra_op_num_threads")


class SessionOptions(Attributes):
    """Options of a session, with ONNX Runtime's names; to be changed until a session is made with them.

    ``intra_op_num_threads``, ``enable_profiling``, ``profile_file_prefix`` and ``optimized_model_filepath`` have their
    effect; what is written to the last is the model as it was read, which computes the same. All others are accepted,
    and the first use of each is logged at debug level: graphs are always rewritten, memory is always planned. Options
    that only zeroskip has are configuration entries.

    Example:
        >>> options = SessionOptions()
        >>> options.intra_op_num_threads = 2
        >>> options.add_session_config_entry("zeroskip.weight_storage", "bf16")
        >>> options.engine_options().weight_storage
        'bf16'
    """

    enable_cpu_mem_arena: bool
    enable_mem_pattern: bool
    enable_mem_reuse: bool
    enable_profiling: bool
    execution_mode: ExecutionMode
    execution_order: ExecutionOrder
    graph_optimization_level: GraphOptimizationLevel
    inter_op_num_threads: int
    intra_op_num_threads: int
    dimensions: dict[str, int]
    denoted_dimensions: dict[str, int]
    log_severity_level: int
    log_verbosity_level: int
    logid: str
    optimized_model_filepath: str
    profile_file_prefix: str
    use_deterministic_compute: bool
    use_per_session_threads: bool

    _defaults: ClassVar[dict[str, Any]] = {
        "enable_cpu_mem_arena": True,
        "enable_mem_pattern": True,
        "enable_mem_reuse": True,
        "enable_profiling": False,
        "execution_mode": ExecutionMode.ORT_SEQUENTIAL,
        "execution_order": ExecutionOrder.DEFAULT,
        "graph_optimization_level": GraphOptimizationLevel.ORT_ENABLE_ALL,
        "inter_op_num_threads": 0,
        "intra_op_num_threads": 0,
        "log_severity_level": -1,
        "log_verbosity_level": 0,
        "logid": "",
        "optimized_model_filepath": "",
        "profile_file_prefix": "onnxruntime_profile_",
        "use_deterministic_compute": False,
        "use_per_session_threads": True,
    }
    _effective: ClassVar[frozenset[str]] = frozenset(
        {"intra_op_num_threads", "enable_profiling", "profile_file_prefix", "optimized_model_filepath"}
    )

    def __init__(self) -> None:
        super().__init__()
        self.__dict__.update(_entries={}, dimensions={}, denoted_dimensions={})

    def add_session_config_entry(self, key: str, value: str) -> None:
        """Set a configuration entry.

        Args:
            key: ``zeroskip.`` and the name of a field of :class:`zeroskip.SessionOptions`, which sets that; of any
                other the value is only kept.
            value: Text. Booleans are ``0`` or ``1``.

        Raises:
            TypeError: If one is no text.
            InvalidArgument: If the engine has no such option.
        """
        if not isinstance(key, str) or not isinstance(value, str):
            raise TypeError(f"a configuration entry is two texts, got {key!r} and {value!r}")
        if not key.startswith(PREFIX):
            note_ignored(f"the configuration entry {key}")
        elif key.removeprefix(PREFIX) not in _ENTRIES:
            known = ", ".join(PREFIX + name for name in _ENTRIES)
            raise InvalidArgument(f"there is no option '{key}'; there are {known}")
        self.__dict__["_entries"][key] = value

    def get_session_config_entry(self, key: str) -> str:
        """Return the value of a configuration entry.

        Raises:
            InvalidArgument: If it was not set.
        """
        entries: dict[str, str] = self.__dict__["_entries"]
        if key not in entries:
            raise InvalidArgument(f"SessionOptions has no configuration entry '{key}'; it has {sorted(entries)}")
        return entries[key]

    def add_free_dimension_override_by_name(self, name: str, value: int) -> None:
        """Set the size of an open dimension by its name; raises ``TypeError`` if they are no text and no integer."""
        self.dimensions[_text(name)] = operator.index(value)

    def add_free_dimension_override_by_denotation(self, denotation: str, value: int) -> None:
        """Set the size of an open dimension by its meaning, such as ``DATA_BATCH``; raises likewise."""
        self.denoted_dimensions[_text(denotation)] = operator.index(value)

    def add_provider(self, provider: str, options: dict[str, str] | None = None) -> None:
        """Do nothing: the CPU is all there is."""
        note_ignored("SessionOptions.add_provider")

    def add_provider_for_devices(self, devices: Any, options: dict[str, str] | None = None) -> None:
        """Do nothing: the CPU is all there is."""
        note_ignored("SessionOptions.add_provider_for_devices")

    def set_provider_selection_policy(self, policy: Any) -> None:
        """Do nothing: the CPU is all there is."""
        note_ignored("SessionOptions.set_provider_selection_policy")

    def has_providers(self) -> bool:
        """Return False: none was added."""
        return False

    def register_custom_ops_library(self, library_path: str) -> None:
        """Refuse a library of operators.

        Raises:
            Fail: Always.
        """
        raise Fail(
            f"the operators of '{library_path}' cannot be used: their library is written for ONNX Runtime, and "
            "zeroskip does not load it; run this model with the real onnxruntime"
        )

    def add_initializer(self, name: str, value: Any) -> None:
        """Do nothing: ONNX Runtime shares the memory of such a value, but computes with the model's own.

        Raises:
            InvalidType: If it is no ``OrtValue``.
        """
        if not isinstance(value, OrtValue):
            raise InvalidType(f"initializer '{name}' is a {type(value).__name__}; expected an OrtValue")
        note_ignored("SessionOptions.add_initializer")

    def add_external_initializers(self, names: Any, values: Any) -> None:
        """Refuse weights from elsewhere.

        Raises:
            Fail: Always.
        """
        raise Fail("weights cannot be handed over beside the model; have them in the model or in a file beside it")

    def engine_options(self) -> engine_options.SessionOptions:
        """Return them as the engine takes them.

        Raises:
            InvalidArgument: If a configuration entry of zeroskip's has no value that the engine takes.
        """
        found: dict[str, Any] = {"intra_op_num_threads": max(0, self.intra_op_num_threads)}
        for key, text in self.__dict__["_entries"].items():
            if key.startswith(PREFIX):
                found[key.removeprefix(PREFIX)] = _value(key, text)
        try:
            return engine_options.SessionOptions(**found)
        except EngineError as error:
            raise InvalidArgument(str(error)) from error


def _text(name: Any) -> str:
    if not isinstance(name, str):
        raise TypeError(f"a dimension is named by a text, got {name!r}")
    return name


def _value(key: str, text: str) -> Any:
    default = getattr(engine_options.SessionOptions(), key.removeprefix(PREFIX))
    try:
        if isinstance(default, bool):
            return _BOOLEANS[text.lower()]
        return int(text) if isinstance(default, int) else text
    except (KeyError, ValueError) as error:
        expected = "0 or 1" if isinstance(default, bool) else "a number"
        raise InvalidArgument(f"{key} is '{text}'; expected {expected}") from error
