"""Tensors of the Open Inference Protocol to arrays and back; sizes are checked before anything is made of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
from numpy.typing import NDArray

from .kserve_parts import (
    InferInput,
    InferOutput,
    InferRequest,
    InferResponse,
    InvalidInput,
    RequestedOutput,
    from_np_dtype,
    to_np_dtype,
)

if TYPE_CHECKING:
    from .batching import Arrays

_MOST_DIMENSIONS = 64


def read_request(body: bytes, json_bytes: int | None, model_name: str) -> InferRequest:
    """Read the body of a REST request.

    KServe's own reader makes a Python list of every binary tensor, which takes longer than many networks run; here
    they stay bytes.

    Args:
        body: JSON, or JSON followed by the binary data of its inputs one after the other.
        json_bytes: Length of the JSON part (header ``Inference-Header-Content-Length``); None if there is no other.
        model_name: As the address names it.

    Raises:
        InvalidInput: If it is not such a request.
    """
    if json_bytes is not None and not 0 <= json_bytes <= len(body):
        raise InvalidInput(f"the header says {json_bytes} bytes of JSON, the body has {len(body)}")
    try:
        request = orjson.loads(body if json_bytes is None else body[:json_bytes])
    except orjson.JSONDecodeError as error:
        raise InvalidInput(f"the request is no JSON: {error}") from None
    inputs, start = [], len(body) if json_bytes is None else json_bytes
    raw: list[bytes | None] = []
    for item in _objects(request, "inputs"):
        size = _parameters(item).get("binary_data_size")
        if size is None:
            data = item.get("data")
            if not isinstance(data, list):
                raise InvalidInput(f"input '{_text(item, 'name')}' has neither a list 'data' nor a 'binary_data_size'")
            raw.append(None)
        elif isinstance(size, bool) or not isinstance(size, int) or not 0 <= size <= len(body) - start:
            raise InvalidInput(
                f"input '{_text(item, 'name')}': 'binary_data_size' is {size!r}, {len(body) - start} left"
            )
        else:
            data = None
            raw.append(body[start : start + size])
            start += size
        inputs.append(InferInput(_text(item, "name"), _shape(item), _text(item, "datatype"), data, _parameters(item)))
    if start != len(body):
        raise InvalidInput(f"{len(body) - start} bytes behind the last input belong to none")
    outputs = [RequestedOutput(_text(item, "name"), _parameters(item)) for item in _objects(request, "outputs", ())]
    return InferRequest(
        model_name,
        inputs,
        request_id=_text(request, "id", ""),
        raw_inputs=raw,
        parameters=_parameters(request),
        request_outputs=outputs or None,
    )


def to_arrays(request: InferRequest) -> Arrays:
    """Return the inputs of a request by name.

    Raises:
        InvalidInput: If a type is unknown, a name comes twice, or shape and data do not fit.
    """
    arrays: Arrays = {}
    for item in request.inputs:
        if item.name in arrays:
            raise InvalidInput(f"input '{item.name}' comes twice")
        arrays[item.name] = _to_array(item)
    return arrays


def _to_array(item: InferInput) -> NDArray[Any]:
    dtype = to_np_dtype(item.datatype)
    if dtype is None:
        raise InvalidInput(f"input '{item.name}': unknown datatype '{item.datatype}'")
    shape = tuple(item.shape)
    if len(shape) > _MOST_DIMENSIONS or any(size < 0 for size in shape):
        raise InvalidInput(f"input '{item.name}': shape {list(shape)[:8]} is none")
    count, raw = math.prod(shape), item._raw_data
    if raw is not None and item.datatype != "BYTES":
        size = count * np.dtype(dtype).itemsize
        if len(raw) != size:
            raise InvalidInput(f"input '{item.name}': {item.datatype} {list(shape)} has {size} bytes, got {len(raw)}")
        return np.frombuffer(raw, dtype).reshape(shape)
    try:
        array: NDArray[Any] = item.as_numpy() if raw is not None else np.asarray(item.data, dtype)
    except Exception as error:  # lists of anything, lengths of texts
        raise InvalidInput(f"input '{item.name}': the data is no {item.datatype}: {error}") from None
    if array.size != count:
        raise InvalidInput(f"input '{item.name}': shape {list(shape)} has {count} elements, got {array.size}")
    return array.reshape(shape)


def to_response(request: InferRequest, outputs: Mapping[str, NDArray[Any]], version: str) -> InferResponse:
    """Return outputs as the request wants them: binary where it says so, or came so by gRPC.

    Args:
        request: What is answered.
        outputs: Output name to array.
        version: Of the model.
    """
    wanted = {item.name: item.binary_data for item in request.request_outputs or ()}
    tensors = []
    for name, array in outputs.items():
        array = np.asarray(array)
        tensor = InferOutput(name, list(array.shape), from_np_dtype(array.dtype))
        is_binary = wanted.get(name)
        is_binary = request.use_binary_outputs if is_binary is None else is_binary
        tensor.set_data_from_numpy(array, binary_data=bool(is_binary) or array.dtype == np.float16)
        tensors.append(tensor)
    return InferResponse(
        response_id=request.id or "",
        model_name=request.model_name,
        infer_outputs=tensors,
        model_version=version,
        use_binary_outputs=request.use_binary_outputs,
        requested_outputs=request.request_outputs,
    )


def requested_seconds(request: InferRequest) -> float | None:
    """Return how long a request may take by its parameter ``timeout`` (microseconds, as Triton has it).

    Raises:
        InvalidInput: If it is no positive number.
    """
    value = request.parameters["timeout"] if request.parameters and "timeout" in request.parameters else None
    value = getattr(value, "int64_param", value)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        raise InvalidInput(f"parameter 'timeout' is {value!r}, expected microseconds above 0")
    return value / 1e6


def _objects(holder: Any, key: str, default: Sequence[Any] | None = None) -> Sequence[dict[str, Any]]:
    items = holder.get(key, default) if isinstance(holder, dict) else None
    if items is None and default is not None:
        items = default
    if not isinstance(items, (list, tuple)) or not all(isinstance(item, dict) for item in items):
        raise InvalidInput(f"the request has no list of objects '{key}'")
    return items


def _text(holder: dict[str, Any], key: str, default: str | None = None) -> str:
    value = holder.get(key, default)
    if not isinstance(value, str):
        raise InvalidInput(f"'{key}' is {str(value)[:40]!r}, expected a text")
    return value


def _shape(item: dict[str, Any]) -> list[int]:
    shape = item.get("shape")
    if not isinstance(shape, list) or not all(isinstance(size, int) and not isinstance(size, bool) for size in shape):
        raise InvalidInput(f"input '{_text(item, 'name')}': 'shape' is no list of integers")
    return shape


def _parameters(item: dict[str, Any]) -> dict[str, Any]:
    parameters = item.get("parameters")
    if parameters is None:
        return {}
    if not isinstance(parameters, dict):
        raise InvalidInput("'parameters' is no object")
    return parameters
