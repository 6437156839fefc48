"""An island: a part of a model that ONNX Runtime runs.

ONNX Runtime gets as many threads as the native engine. Between native parts they sleep between calls instead of
spinning: two pools of spinning threads on the same cores would fight each other. An island that is the whole model
has the cores to itself, and spins as ONNX Runtime does by default.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import EngineError, ModelError
from ..locks import ForkSafeLock
from ..options import SessionOptions
from ..run.memory_check import check_copies
from .lifetime import call, create, runtime

if TYPE_CHECKING:
    import onnx_ir as ir

INSTALL_HINT = "pip install 'zeroskip[fallback]' (that is, onnxruntime) to have them run by ONNX Runtime"
_FATAL_ONLY = 4
_EXTERNAL_FROM_BYTES = 1 << 16
_RELABEL_ATTEMPTS = 4


def is_available() -> bool:
    """Tell whether onnxruntime is installed, without importing it."""
    return importlib.util.find_spec("onnxruntime") is not None


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
        self._sessions: dict[tuple[str, ...], Any] = {}
        self._lock = ForkSafeLock()
        self._process = os.getpid()
        # An initializer among the inputs is a default, which stays.
        inputs = [value for value in model.graph.inputs if value.const_value is None]
        self.input_names = tuple(value.name or "" for value in inputs)
        self.output_names = tuple(value.name or "" for value in model.graph.outputs)
        if all(value.type is not None for value in inputs):
            self._session(())

    def run(self, feed: Mapping[str, Any], taps: Sequence[str] = ()) -> list[Any]:
        """Return the outputs, then the values named by ``taps``.

        Args:
            feed: Values by name; more than the inputs may be in it.
            taps: Names of intermediate values to return as well.

        Raises:
            EngineError: If ONNX Runtime fails.
            ModelError: If it refuses the model.
            OutOfMemoryError: If copies of the inputs, where they need one, do not fit into memory.
        """
        check_copies([feed[name] for name in self.input_names])
        values = {name: _as_native(feed[name]) for name in self.input_names}
        session = self._session(tuple(taps), values)
        try:
            return call(session, [*self.output_names, *taps], values)
        except Exception as error:  # onnxruntime has a class per status code, without a common base
            raise EngineError(f"ONNX Runtime failed: {error}") from error

    def _session(self, taps: tuple[str, ...], values: Mapping[str, Any] | None = None) -> Any:
        with self._lock:
            if self._process != os.getpid():  # what a fork inherits cannot be used, see lifetime.py
                self._sessions.clear()
                self._process = os.getpid()
            if taps not in self._sessions:
                self._sessions[taps] = self._load(taps, values or {})
            return self._sessions[taps]

    def _load(self, taps: tuple[str, ...], values: Mapping[str, Any]) -> Any:
        from ...onnx.rewriting import copy_model, release_weights

        model = copy_model(self._model)
        try:
            return self._load_copy(model, taps, values)
        finally:
            release_weights(model)

    def _load_copy(self, model: ir.Model, taps: tuple[str, ...], values: Mapping[str, Any]) -> Any:
        from ...onnx.partition import BOUNDED_CONSTANTS

        onnxruntime = runtime()
        model.ir_version = 10
        for item in model.graph.inputs:
            if item.type is None:
                item.type = _type_of(values[item.name or ""])
        if taps:
            known = {value.name: value for node in model.graph for value in node.outputs}
            model.graph.outputs.extend(known[name] for name in taps)
        tensors = _externalized(model)
        # It would compute at once, without limits, whatever a model computes of constants.
        is_bounded = bool(model.graph.meta.get(BOUNDED_CONSTANTS))
        disabled = set() if is_bounded else {"ConstantFolding"}
        for attempt in range(_RELABEL_ATTEMPTS):
            options = self._session_options()
            if tensors:
                arrays = [onnxruntime.OrtValue.ortvalue_from_numpy(array) for array in tensors.values()]
                options.add_external_initializers(list(tensors), arrays)
            data = _serialized(model)
            try:
                return create(
                    partial(
                        onnxruntime.InferenceSession,
                        data,
                        options,
                        providers=["CPUExecutionProvider"],
                        disabled_optimizers=disabled,
                    )
                )
            except Exception as error:  # as above
                if attempt == _RELABEL_ATTEMPTS - 1 or not ("opset" in str(error).lower() and _relabel(model)):
                    raise ModelError(f"ONNX Runtime cannot load {_contents(model)}: {error}") from error
        raise AssertionError("unreachable")

    def _session_options(self) -> Any:
        result = runtime().SessionOptions()
        result.intra_op_num_threads = self._options.num_threads
        result.inter_op_num_threads = 1
        result.execution_mode = runtime().ExecutionMode.ORT_SEQUENTIAL
        result.log_severity_level = _FATAL_ONLY
        result.add_session_config_entry("session.intra_op.allow_spinning", str(int(self._is_alone)))
        return result


def _serialized(model: ir.Model) -> bytes:
    import onnx_ir as ir

    data: bytes = ir.serde.serialize_model(model).SerializeToString()
    return data


def _externalized(model: ir.Model) -> dict[str, Any]:
    """Replace large tensors by references; return their arrays by name.

    They are handed over in memory: a serialised model ends at 2 GB, and would be one more copy of the weights.
    """
    import onnx_ir as ir

    found: dict[str, Any] = {}
    for name, value in model.graph.initializers.items():
        tensor = value.const_value
        if tensor is None or tensor.dtype == ir.DataType.STRING or tensor.nbytes < _EXTERNAL_FROM_BYTES:
            continue
        array = tensor.numpy()
        if array.dtype.kind not in "fiub":  # an element type of ml_dtypes, which onnxruntime does not take
            continue
        found[name] = np.ascontiguousarray(array)
        value.const_value = ir.ExternalTensor(
            "memory", 0, array.nbytes, tensor.dtype, shape=ir.Shape(array.shape), name=name
        )
    return found


def _relabel(model: ir.Model) -> bool:
    """Lower the version of the default domain by one if all operators are the same in it; tell whether."""
    import onnx.defs

    version = model.graph.opset_imports.get("")
    if version is None:
        return False
    for node in model.graph.all_nodes():
        if node.domain != "":
            continue
        try:
            same = onnx.defs.get_schema(node.op_type, version, "").since_version < version
        except onnx.defs.SchemaError:
            return False
        if not same:
            return False
    model.graph.opset_imports[""] = version - 1
    return True


def _contents(model: ir.Model) -> str:
    operators = sorted({node.op_type for node in model.graph})
    return f"{len(model.graph)} nodes ({', '.join(operators)})"


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
