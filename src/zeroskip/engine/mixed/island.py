"""An island: a part of a model that ONNX Runtime runs.

ONNX Runtime gets as many threads as the native engine. Between native parts they sleep between calls instead of
spinning: two pools of spinning threads on the same cores would fight each other. An island that is the whole model
has the cores to itself, and spins as ONNX Runtime does by default.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ...errors import EngineError, ModelError, OutOfMemoryError
from ..locks import ForkSafeLock
from ..options import SessionOptions
from ..run.memory_check import check_copies
from . import lifetime
from .ort_session import contents, new_session

if TYPE_CHECKING:
    import onnx_ir as ir

INSTALL_HINT = "pip install 'zeroskip[fallback]' (that is, onnxruntime) to have them run by ONNX Runtime"
_NO_MEMORY = ("Failed to allocate memory", "bad_alloc")

_logger = logging.getLogger(__name__)

_SessionKey: TypeAlias = tuple[tuple[str, ...], bool]
"""Taps, and whether ONNX Runtime optimises the graph."""


_PLAIN: _SessionKey = ((), True)


class Island:
    """A model run by ONNX Runtime.

    Args:
        model: Standard ONNX of whatever domains and types ONNX Runtime knows. Types of inputs may be missing;
            they are then taken from the first values.
        options: Threads.
        is_alone: Whether no native part runs beside it, so that its threads may spin.

    Raises:
        ModelError: If ONNX Runtime refuses the model; later, at the first run, where types are missing.
    """

    def __init__(self, model: ir.Model, options: SessionOptions, *, is_alone: bool = False) -> None:
        self._model = model
        self._is_alone = is_alone
        self._options = options
        self._is_optimised = True
        self._sessions: dict[_SessionKey, tuple[Any, Callable[..., list[Any]]]] = {}
        self._lock = ForkSafeLock()
        self._generation = lifetime.generation
        # An initializer among the inputs is a default, which stays.
        inputs = [value for value in model.graph.inputs if value.const_value is None]
        self.input_names = tuple(value.name or "" for value in inputs)
        self.output_names = tuple(value.name or "" for value in model.graph.outputs)
        if all(value.type is not None for value in inputs):
            self._load_first()

    def _load_first(self) -> None:
        try:
            self._session(((), True), {})
        except ModelError as error:
            with self._without_optimisation(error):
                self._session(((), False), {})

    def run(self, feed: Mapping[str, Any], taps: tuple[str, ...] = ()) -> list[Any]:
        """Return the outputs, then the values named by ``taps``.

        Args:
            feed: Values by name; more than the inputs may be in it.
            taps: Names of intermediate values to return as well.

        Raises:
            EngineError: If ONNX Runtime fails, with and without its optimisation of the graph.
            ModelError: If it refuses the model.
            OutOfMemoryError: If it gets no memory, or copies of the inputs, where they need one, do not fit into it.
        """
        values = {name: feed[name] for name in self.input_names}
        for value in values.values():
            if isinstance(value, np.ndarray) and not (value.flags.c_contiguous and value.dtype.isnative):
                check_copies(values.values())
                values = {name: _as_native(given) for name, given in values.items()}
                break
        names = (*self.output_names, *taps) if taps else self.output_names
        if not self._is_optimised:
            return self._call((taps, False), names, values)
        try:
            return self._call((taps, True), names, values)
        except OutOfMemoryError:
            raise
        except (EngineError, ModelError) as error:
            with self._without_optimisation(error):
                return self._call((taps, False), names, values)

    def run_usual(self, feed: Mapping[str, Any]) -> list[Any]:
        """Do the same for what is fed again and again, on as short a way as there is; raises like :meth:`run`.

        Between two runs of ONNX Runtime what Python looks at falls out of the caches, so each further step costs three
        times what it does in a loop: 28 of 280 microseconds on the long way, for a model of voice activity (Zen 3,
        November 2026).

        Args:
            feed: The inputs and nothing else, arrays in native byte order.
        """
        known = self._sessions.get(_PLAIN) if self._generation == lifetime.generation else None
        if known is None or not all(value.flags.c_contiguous for value in feed.values()):
            return self.run(feed)
        try:
            with lifetime.CALLS:
                return known[1](self.output_names, feed, None)
        except Exception as error:
            failure = _failure_of(error)
            if isinstance(failure, OutOfMemoryError):
                raise failure from error
            return self.run(feed)  # for its reason, or without optimisation

    def _call(self, key: _SessionKey, names: Sequence[str], values: Mapping[str, Any]) -> list[Any]:
        known = self._sessions.get(key) if self._generation == lifetime.generation else None
        run = self._session(key, values) if known is None else known[1]
        try:
            with lifetime.CALLS:
                return run(names, values, None)
        except Exception as error:  # onnxruntime has a class per status code, without a common base
            raise _failure_of(error) from error

    def _session(self, key: _SessionKey, values: Mapping[str, Any]) -> Callable[..., list[Any]]:
        with self._lock:
            if self._generation != lifetime.generation:  # what a fork inherits cannot be used, see lifetime.py
                self._sessions.clear()
                self._generation = lifetime.generation
            if key not in self._sessions:
                session = self._load(*key, values)
                self._sessions[key] = (session, lifetime.run_of(session))
            return self._sessions[key][1]

    @contextmanager
    def _without_optimisation(self, error: EngineError | ModelError) -> Iterator[None]:
        """Raise ``error`` if the body fails, too; else go on like it: ONNX Runtime's rewriting broke the model."""
        try:
            yield
        except (EngineError, ModelError):
            raise error from error.__cause__
        with self._lock:
            if not self._is_optimised:
                return
            self._is_optimised = False
            self._sessions = {key: session for key, session in self._sessions.items() if not key[1]}
        _logger.warning("ONNX Runtime runs %s only without optimising its graph: %s", contents(self._model), error)

    def _load(self, taps: tuple[str, ...], is_optimised: bool, values: Mapping[str, Any]) -> Any:
        from ...onnx.rewriting import copy_model, release_weights

        model = copy_model(self._model)
        try:
            for item in model.graph.inputs:
                if item.type is None:
                    item.type = _type_of(values[item.name or ""])
            if taps:
                known = {value.name: value for node in model.graph for value in node.outputs}
                model.graph.outputs.extend(known[name] for name in taps)
            return new_session(model, self._options.num_threads, spins=self._is_alone, is_optimised=is_optimised)
        finally:
            release_weights(model)


def _failure_of(error: Exception) -> EngineError | OutOfMemoryError:
    kind = OutOfMemoryError if any(sign in str(error) for sign in _NO_MEMORY) else EngineError
    return kind(f"ONNX Runtime failed: {error}")


def _as_native(value: Any) -> Any:
    """Return an array in the byte order of the machine, which onnxruntime takes for granted."""
    if isinstance(value, np.ndarray) and not value.dtype.isnative:
        return value.astype(value.dtype.newbyteorder("="))
    return value


def _type_of(value: Any) -> ir.TypeProtocol:
    import onnx_ir as ir

    if isinstance(value, list):
        element = _type_of(value[0]) if value else ir.TensorType(ir.DataType.FLOAT)
        return ir.SequenceType(element)
    array = np.asarray(value)
    if array.dtype.kind in "OUS":
        return ir.TensorType(ir.DataType.STRING)
    return ir.TensorType(ir.DataType.from_numpy(array.dtype))
