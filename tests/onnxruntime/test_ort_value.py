"""Values as onnxruntime hands them around."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime as real
import pytest

from zeroskip import onnxruntime as ort

MODULES = pytest.mark.parametrize("module", [real, ort], ids=["real", "zeroskip"])


@MODULES
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, np.int64, np.uint8, np.bool_])
def test_a_value_tells_what_it_is(module: Any, dtype: type) -> None:
    array = np.ones((2, 3), dtype)
    value = module.OrtValue.ortvalue_from_numpy(array)
    expected = real.OrtValue.ortvalue_from_numpy(array)
    for name in (
        "shape", "data_type", "element_type", "device_name", "is_tensor", "has_value", "is_tensor_sequence",
        "is_sparse_tensor", "tensor_size_in_bytes", "__dlpack_device__",
    ):  # fmt: skip
        assert getattr(value, name)() == getattr(expected, name)(), name
    assert value.data_ptr()
    np.testing.assert_array_equal(value.numpy(), array)
    np.testing.assert_array_equal(np.asarray(value), array)


@MODULES
def test_a_value_shares_the_memory_of_its_array(module: Any) -> None:
    array = np.ones(3, np.float32)
    value = module.OrtValue.ortvalue_from_numpy(array, "cpu", 0)
    array[0] = 5
    assert value.numpy()[0] == 5


@MODULES
@pytest.mark.parametrize("element", [np.float32, np.int64, 1, 16, 10])
def test_a_value_is_made_from_shape_and_type(module: Any, element: Any) -> None:
    value = module.OrtValue.ortvalue_from_shape_and_type([2, 3], element)
    expected = real.OrtValue.ortvalue_from_shape_and_type([2, 3], element)
    assert (value.shape(), value.data_type(), value.element_type()) == (
        expected.shape(), expected.data_type(), expected.element_type(),
    )  # fmt: skip


@MODULES
def test_a_value_is_filled_in_place(module: Any) -> None:
    value = module.OrtValue.ortvalue_from_shape_and_type([2, 3], np.float32)
    value.update_inplace(np.full((2, 3), 2, np.float32))
    assert (value.numpy() == 2).all()
    with pytest.raises(RuntimeError):
        value.update_inplace(np.ones((1, 3), np.float32))


@MODULES
def test_memory_is_shared_with_torch(module: Any) -> None:
    torch = pytest.importorskip("torch")
    tensor = torch.ones(2, 3)
    value = module.OrtValue.from_dlpack(tensor)
    assert value.data_ptr() == tensor.data_ptr()
    assert torch.from_dlpack(value).data_ptr() == tensor.data_ptr()


def test_what_cannot_be_a_value_is_refused() -> None:
    status = ort.capi.onnxruntime_pybind11_state
    with pytest.raises(status.InvalidArgument, match="no element type"):
        ort.OrtValue.ortvalue_from_shape_and_type([1], 999)
    with pytest.raises(status.Fail, match="cuda"):
        ort.OrtValue.ortvalue_from_numpy(np.ones(1), "cuda", 0)
    with pytest.raises(status.Fail, match="cuda"):
        ort.OrtDevice.make("cuda", 0)
    with pytest.raises(status.InvalidArgument, match="not a tensor"):
        ort.OrtValue([np.ones(1)]).shape()
    assert ort.OrtValue([np.ones(1, np.int64)]).data_type() == "seq(tensor(int64))"
    assert ort.OrtDevice.make("cpu", 0).device_type() == 0


@MODULES
def test_what_is_private_but_used_is_there(module: Any) -> None:
    value = module.OrtValue.ortvalue_from_numpy(np.ones(3, np.float32))
    assert value._ortvalue.data_ptr() == value.data_ptr()
    assert value._ortvalue.to_dlpack() is not None
