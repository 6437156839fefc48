"""Requests as hostile clients write them: an error of the protocol, and nothing allocated for what they claim."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

pytest.importorskip("kserve", reason="needs the extra 'serve'")

from zeroskip.serve.kserve_parts import InvalidInput
from zeroskip.serve.tensors import read_request, requested_seconds, to_arrays, to_response


def body(raw: bytes = b"", /, **changes: Any) -> tuple[bytes, int]:
    tensor = {"name": "x", "shape": [2, 2], "datatype": "FP32", "parameters": {"binary_data_size": 16}} | changes
    text = json.dumps({"id": "7", "inputs": [tensor]}).encode()
    return text + raw, len(text)


def test_binary_tensors_are_not_copied() -> None:
    values = np.arange(4, dtype=np.float32)
    array = to_arrays(read_request(*body(values.tobytes()), "m"))["x"]
    np.testing.assert_array_equal(array, values.reshape(2, 2))


@pytest.mark.parametrize("data", [[1, 2, 3, 4], [[1, 2], [3, 4]], [[[1], [2]], [[3], [4]]]])
def test_json_tensors_are_flat_or_nested(data: Any) -> None:
    content, _ = body(data=data, parameters=None)
    np.testing.assert_array_equal(to_arrays(read_request(content, None, "m"))["x"], [[1, 2], [3, 4]])


@pytest.mark.parametrize(
    "changes",
    [
        {"shape": [1 << 40, 1 << 40]},
        {"shape": [-1, -4]},
        {"shape": [2, 3]},
        {"shape": [2.0, 2.0]},
        {"shape": [True, 4]},
        {"shape": "22"},
        {"shape": None},
        {"shape": [1] * 100},
        {"datatype": "FP99"},
        {"datatype": None},
        {"datatype": "BYTES", "shape": [2, 3]},
        {"name": 3},
        {"parameters": {"binary_data_size": 17}},
        {"parameters": {"binary_data_size": 8}},
        {"parameters": {"binary_data_size": -16}},
        {"parameters": {"binary_data_size": "16"}},
        {"parameters": {"binary_data_size": True}},
        {"parameters": [1]},
        {"parameters": None},
        {"parameters": None, "data": "1234"},
        {"parameters": None, "data": [1, 2, 3]},
        {"parameters": None, "data": [[1, 2], [3]]},
        {"parameters": None, "data": ["a", "b", "c", "d"]},
        {"parameters": None, "data": [{}, {}, {}, {}]},
    ],
)
def test_tensors_that_are_none(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        to_arrays(read_request(*body(bytes(16), **changes), "m"))


@pytest.mark.parametrize(
    ("content", "length"),
    [
        (b"", None),
        (b"{", None),
        (b"[]", None),
        (b"3", None),
        (b"{}", None),
        (b'{"inputs": {}}', None),
        (b'{"inputs": [3]}', None),
        (b'{"inputs": [], "outputs": 3}', None),
        (b'{"inputs": [], "id": 3}', None),
        (b'{"inputs": []}', 1000),
        (b'{"inputs": []}trailing', 14),
        (b'{"inputs": ' + b"[" * 100_000, None),
        (b"\xff\xfe", None),
    ],
)
def test_bodies_that_are_no_requests(content: bytes, length: int | None) -> None:
    with pytest.raises(InvalidInput):
        read_request(content, length, "m")


def test_a_name_that_comes_twice() -> None:
    tensor = {"name": "x", "shape": [1], "datatype": "FP32", "data": [1]}
    with pytest.raises(InvalidInput, match="twice"):
        to_arrays(read_request(json.dumps({"inputs": [tensor, tensor]}).encode(), None, "m"))


@pytest.mark.parametrize("value", [0, -5, "soon", 1.5, True])
def test_a_timeout_that_is_none(value: Any) -> None:
    content = json.dumps({"inputs": [], "parameters": {"timeout": value}}).encode()
    with pytest.raises(InvalidInput, match="timeout"):
        requested_seconds(read_request(content, None, "m"))


def test_a_timeout_is_in_microseconds() -> None:
    content = json.dumps({"inputs": [], "parameters": {"timeout": 1500}}).encode()
    assert requested_seconds(read_request(content, None, "m")) == pytest.approx(1.5e-3)


@pytest.mark.parametrize("dtype", ["float32", "float16", "int64", "uint8", "bool"])
def test_outputs_are_binary_where_that_was_asked(dtype: str) -> None:
    array = np.array([[0, 1], [2, 3]]).astype(dtype)
    content = json.dumps({"inputs": [], "outputs": [{"name": "y", "parameters": {"binary_data": True}}]})
    sent, length = to_response(read_request(content.encode(), None, "m"), {"y": array}, "1").to_rest()
    assert sent[length:] == array.tobytes()
