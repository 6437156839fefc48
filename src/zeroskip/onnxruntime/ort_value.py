"""OrtValue: a tensor, or a list of them, as ONNX Runtime hands it around. Always in CPU memory."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..engine.arrays import as_array
from .devices import OrtDevice, check_device
from .element_types import dtype_of_element, element_number, type_text
from .status import InvalidArgument


class OrtValue:
    """A value of a session: a tensor, or a sequence of tensors.

    Args:
        value: An array, whose memory is shared, or a list of arrays.
        data_type: Its ONNX type; by default what follows from the array's dtype.

    Example:
        >>> value = OrtValue.ortvalue_from_numpy(np.zeros((2, 3), np.float32))
        >>> value.shape(), value.data_type()
        ([2, 3], 'tensor(float)')
    """

    def __init__(self, value: Any, data_type: str | None = None) -> None:
        self._value = value
        self._type = data_type or type_text(value)

    @staticmethod
    def ortvalue_from_numpy(
        numpy_obj: NDArray[Any], device_type: str | OrtDevice = "cpu", device_id: int = 0
    ) -> OrtValue:
        """Return an array as a value, which shares its memory if it is C-contiguous.

        Raises:
            Fail: For another device than the CPU.
        """
        check_device(device_type)
        return OrtValue(np.asarray(numpy_obj, order="C"))

    @staticmethod
    def ortvalue_from_numpy_with_onnx_type(data: NDArray[Any], onnx_element_type: int) -> OrtValue:
        """Return the memory of an array as a tensor of an ONNX type of the same size, such as bfloat16 in uint16.

        Raises:
            InvalidArgument: If there is no such type.
        """
        return OrtValue(data, f"tensor({dtype_of_element(onnx_element_type)[0]})")

    @staticmethod
    def ortvalue_from_shape_and_type(
        shape: Any,
        element_type: Any = np.float32,
        device_type: str | OrtDevice = "cpu",
        device_id: int = 0,
        vendor_id: int = -1,
    ) -> OrtValue:
        """Return a tensor of undefined content.

        Args:
            shape: Of the tensor.
            element_type: A numpy dtype, or the number of an ONNX type.
            device_type: ``"cpu"``.
            device_id: Not used.
            vendor_id: Not used.

        Raises:
            Fail: For another device.
            InvalidArgument: If there is no such type.
        """
        check_device(device_type)
        name, dtype = dtype_of_element(element_type)
        return OrtValue(np.empty(tuple(shape), dtype), f"tensor({name})")

    @classmethod
    def from_dlpack(cls, data: Any, is_bool_tensor: bool = False) -> OrtValue:
        """Return a value that shares the memory of another library's tensor.

        Raises:
            InvalidArgument: If its memory cannot be shared.
        """
        try:
            array = as_array(data, None, "data")
        except ValueError as error:
            raise InvalidArgument(str(error)) from error
        return cls(array.view(np.bool_) if is_bool_tensor and array.dtype == np.uint8 else array)

    def __dlpack__(self, **options: Any) -> Any:
        return self._array().__dlpack__(**options)

    def to_dlpack(self) -> Any:
        """Return the tensor as a DLPack capsule."""
        return self.__dlpack__()

    def __dlpack_device__(self) -> tuple[int, int]:
        return (1, 0)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        array = self._array()
        return array.copy() if copy and dtype is None else array.astype(dtype or array.dtype, copy=bool(copy))

    def _array(self) -> NDArray[Any]:
        if not isinstance(self._value, np.ndarray):
            raise InvalidArgument(f"the value is a {self._type}, not a tensor")
        return self._value

    def numpy(self) -> Any:
        """Return the tensor, whose memory is shared, or the list of a sequence."""
        return self._value

    def shape(self) -> list[int]:
        """Return the shape of the tensor."""
        return list(self._array().shape)

    def data_type(self) -> str:
        """Return the ONNX type, for example ``"tensor(float)"``."""
        return self._type

    def element_type(self) -> int:
        """Return the number of the ONNX type of the elements, for example 1 for float32."""
        return element_number(self._type)

    def tensor_size_in_bytes(self) -> int:
        """Return the size of the tensor in bytes."""
        return self._array().nbytes

    def device_name(self) -> str:
        """Return ``"cpu"``."""
        return "cpu"

    def data_ptr(self) -> int:
        """Return the address of the tensor."""
        return int(self._array().ctypes.data)

    def has_value(self) -> bool:
        """Return whether it holds anything: an optional may not."""
        return self._value is not None

    def is_tensor(self) -> bool:
        """Return whether it is a tensor."""
        return isinstance(self._value, np.ndarray)

    def is_tensor_sequence(self) -> bool:
        """Return whether it is a sequence of tensors."""
        return isinstance(self._value, list)

    def is_sparse_tensor(self) -> bool:
        """Return False."""
        return False

    @property
    def _ortvalue(self) -> OrtValue:  # private in ONNX Runtime, too; packages use it nevertheless
        return self

    def update_inplace(self, np_arr: ArrayLike) -> None:
        """Copy an array into the tensor.

        Raises:
            InvalidArgument: If its shape or dtype is another.
        """
        copy_into(self._array(), np.asarray(np_arr), "the value")


def copy_into(target: NDArray[Any], value: Any, what: str) -> None:
    """Copy a result into memory of the caller.

    Raises:
        InvalidArgument: If shapes or dtypes differ.
    """
    got = np.asarray(value)
    if target.shape != got.shape or target.dtype != got.dtype:
        raise InvalidArgument(
            f"{what} has shape {list(target.shape)} and dtype {target.dtype}, but is to hold shape "
            f"{list(got.shape)} and dtype {got.dtype}"
        )
    np.copyto(target, got)
