"""What is taken for an array, and that its memory is shared where it can be."""

from __future__ import annotations

import array

import numpy as np
import pytest

import zeroskip as zs
from zeroskip.engine.arrays import as_array

FLOAT = np.dtype(np.float32)


class Interface:
    """What has nothing but the array interface."""

    def __init__(self, values: np.ndarray) -> None:
        self.values = values
        self.__array_interface__ = values.__array_interface__


class Capsule:
    """What has nothing but DLPack."""

    def __init__(self, values: np.ndarray) -> None:
        self.values = values

    def __dlpack__(self, **options: object) -> object:
        return self.values.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.values.__dlpack_device__()


@pytest.mark.parametrize("kind", [Interface, Capsule, lambda values: values])
def test_memory_of_others_is_shared(kind: object) -> None:
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    found = as_array(kind(values), FLOAT, "x")
    assert np.shares_memory(found, values)
    np.testing.assert_array_equal(found, values)


def test_a_tensor_of_torch_is_not_copied() -> None:
    torch = pytest.importorskip("torch")
    tensor = torch.arange(6, dtype=torch.float32).reshape(2, 3).T
    found = as_array(tensor, FLOAT, "x")
    assert found.ctypes.data == tensor.data_ptr()
    assert found.shape == (3, 2)
    assert as_array(torch.ones(2, dtype=torch.bool), np.dtype(bool), "x").dtype == bool


@pytest.mark.parametrize("spoil", ["requires_grad_", "bfloat16"])
def test_a_tensor_whose_memory_numpy_cannot_read_is_refused(spoil: str) -> None:
    torch = pytest.importorskip("torch")
    with pytest.raises(zs.ShapeError, match=r"'x': the memory of a torch Tensor cannot be shared.*\.detach\(\)"):
        as_array(getattr(torch.ones(2), spoil)(), FLOAT, "x")


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([[1, 2], [3, 4]], np.float32),
        ([1.5, 2.5], np.float16),
        ((1, 2), np.int32),
        ([0, 255], np.uint8),
        ([True, False], np.bool_),
        ([True, False], np.float32),
        ([], np.int64),
        ([np.float64(1.5)], np.float32),
        (["a", "bc"], np.object_),
        ([float("nan"), float("inf")], np.float32),
    ],
)
def test_a_list_takes_the_dtype_that_is_expected(values: list, dtype: type) -> None:
    found = as_array(values, np.dtype(dtype), "x")
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, np.array(values, dtype))


@pytest.mark.parametrize(
    ("values", "dtype", "message"),
    [
        ([1.5], np.int64, "a list of float64 values does not fit dtype int64"),
        ([-1], np.uint8, "does not fit dtype uint8"),
        ([256], np.uint8, "does not fit dtype uint8"),
        ([1], np.bool_, "does not fit dtype bool"),
        (["1"], np.float32, "does not fit dtype float32"),
        ([[1.0], [1.0, 2.0]], np.float32, "a list of 2 is no array"),
        ([None], np.float32, "does not fit dtype float32"),
        (1.0, np.float32, "got float"),
        (b"12", np.float32, "got bytes"),
        ({"a": 1}, np.float32, "got dict"),
        (np.ndarray, np.float32, "got the class ndarray"),
        (array.array("f", [1.0]), np.float32, "got array"),
    ],
)
def test_what_is_no_array_of_that_type_is_refused(values: object, dtype: type, message: str) -> None:
    with pytest.raises(zs.ShapeError, match=message):
        as_array(values, np.dtype(dtype), "x")
