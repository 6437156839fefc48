"""A session of ONNX Runtime for the model of an island: how it is set up, and how weights are handed over."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import ModelError
from .lifetime import create, runtime

if TYPE_CHECKING:
    import onnx_ir as ir

_FATAL_ONLY = 4
_EXTERNAL_FROM_BYTES = 1 << 16
_RELABEL_ATTEMPTS = 4


def new_session(model: ir.Model, num_threads: int, *, spins: bool, is_optimised: bool) -> Any:
    """Return an ``onnxruntime.InferenceSession``.

    Args:
        model: With the types of its inputs. It is changed: large weights become references.
        num_threads: Of the session's pool.
        spins: Whether they spin between calls, or sleep.
        is_optimised: Whether ONNX Runtime rewrites the graph.

    Raises:
        ModelError: If ONNX Runtime refuses the model.
    """
    from ...onnx.partition import BOUNDED_CONSTANTS

    onnxruntime = runtime()
    model.ir_version = 10
    tensors = _externalized(model)
    # It would compute at once, without limits, whatever a model computes of constants.
    is_bounded = bool(model.graph.meta.get(BOUNDED_CONSTANTS))
    disabled = set() if is_bounded else {"ConstantFolding"}
    for attempt in range(_RELABEL_ATTEMPTS):
        options = _session_options(num_threads, spins, is_optimised)
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
        except Exception as error:  # onnxruntime has a class per status code, without a common base
            if attempt == _RELABEL_ATTEMPTS - 1 or not ("opset" in str(error).lower() and _relabel(model)):
                raise ModelError(f"ONNX Runtime cannot load {contents(model)}: {error}") from error
    raise AssertionError("unreachable")


def contents(model: ir.Model) -> str:
    """Describe a model in a message."""
    operators = sorted({node.op_type for node in model.graph})
    return f"{len(model.graph)} nodes ({', '.join(operators)})"


def _session_options(num_threads: int, spins: bool, is_optimised: bool) -> Any:
    onnxruntime = runtime()
    result = onnxruntime.SessionOptions()
    result.intra_op_num_threads = num_threads
    result.inter_op_num_threads = 1
    result.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    result.log_severity_level = _FATAL_ONLY
    result.add_session_config_entry("session.intra_op.allow_spinning", str(int(spins)))
    if not is_optimised:
        result.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
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
