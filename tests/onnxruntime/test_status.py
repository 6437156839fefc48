"""Exceptions have onnxruntime's names and are of our own tree."""

from __future__ import annotations

import pytest

import zeroskip as zs
from zeroskip import onnxruntime as ort
from zeroskip.onnxruntime.status import raises_status

STATUS = ort.capi.onnxruntime_pybind11_state


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (zs.ShapeError("x"), "InvalidArgument"),
        (zs.ModelError("x"), "InvalidGraph"),
        (zs.EngineError("x"), "Fail"),
        (zs.UnsupportedOperatorError("x"), "NotImplemented"),
    ],
)
def test_an_error_of_ours_has_a_name_there(error: zs.ZeroskipError, name: str) -> None:
    with pytest.raises(getattr(STATUS, name), match="x") as caught, raises_status():
        raise error
    assert isinstance(caught.value, type(error))
    assert isinstance(caught.value, RuntimeError)
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("kind", [zs.LimitError, zs.OutOfMemoryError, KeyError])
def test_what_has_no_name_there_stays_what_it_is(kind: type[Exception]) -> None:
    with pytest.raises(kind) as caught, raises_status():
        raise kind("x")
    assert type(caught.value) is kind


def test_every_name_is_of_our_tree() -> None:
    for name in (
        "EPFail", "Fail", "InvalidArgument", "InvalidGraph", "InvalidProtobuf", "NoModel", "NoSuchFile",
        "NotImplemented", "RuntimeException",
    ):  # fmt: skip
        assert issubclass(getattr(STATUS, name), zs.ZeroskipError)
