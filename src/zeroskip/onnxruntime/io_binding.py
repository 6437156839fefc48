"""IOBinding: inputs and outputs of a session in memory of the caller."""

from __future__ import annotations

import ctypes
import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .devices import OrtDevice, check_device
from .element_types import dtype_of_element
from .ort_value import OrtValue, copy_into
from .status import InvalidArgument

if TYPE_CHECKING:
    from .inference_session import InferenceSession


class IOBinding:
    """Inputs and outputs of a session, bound to memory by name.

    Inputs are read where they are at the time of the run. Results are copied into outputs that were given memory;
    of the others the binding holds what the session returned.

    Args:
        session: The session.

    Example::

        binding = session.io_binding()
        binding.bind_cpu_input("input", images)
        binding.bind_output("logits")
        session.run_with_iobinding(binding)
        (logits,) = binding.copy_outputs_to_cpu()
    """

    def __init__(self, session: InferenceSession) -> None:
        self._known = ({item.name for item in session.get_inputs()}, {item.name for item in session.get_outputs()})
        self._inputs: dict[str, Any] = {}
        self._outputs: dict[str, OrtValue | None] = {}
        self._results: list[OrtValue] = []

    def bind_cpu_input(self, name: str, arr_on_cpu: Any) -> None:
        """Bind an input to an array; raises ``InvalidArgument`` for an unknown name."""
        self._inputs[self._input(name)] = arr_on_cpu

    def bind_input(
        self, name: str, device_type: str | OrtDevice, device_id: int, element_type: Any, shape: Any, buffer_ptr: int
    ) -> None:
        """Bind an input to memory by its address, which must stay valid.

        Raises:
            Fail: If the device is not the CPU.
            InvalidArgument: For an unknown name or element type.
        """
        check_device(device_type)
        self._inputs[self._input(name)] = _array_at(buffer_ptr, element_type, shape)

    def bind_ortvalue_input(self, name: str, ortvalue: OrtValue) -> None:
        """Bind an input to a value; raises ``InvalidArgument`` for an unknown name."""
        self._inputs[self._input(name)] = ortvalue.numpy()

    def bind_output(
        self,
        name: str,
        device_type: str | OrtDevice = "cpu",
        device_id: int = 0,
        element_type: Any = None,
        shape: Any = None,
        buffer_ptr: int | None = None,
    ) -> None:
        """Ask for an output, in memory of the caller if an address is given, which must stay valid.

        Raises:
            Fail: If the device is not the CPU.
            InvalidArgument: For an unknown name or element type.
        """
        check_device(device_type)
        self._output(name)
        self._outputs[name] = None if buffer_ptr is None else OrtValue(_array_at(buffer_ptr, element_type, shape))

    def bind_ortvalue_output(self, name: str, ortvalue: OrtValue) -> None:
        """Ask for an output in the memory of a value; raises ``InvalidArgument`` for an unknown name."""
        self._output(name)
        self._outputs[name] = ortvalue

    def synchronize_inputs(self) -> None:
        """Do nothing: memory of the CPU is there at once."""

    def synchronize_outputs(self) -> None:
        """Do nothing: memory of the CPU is there at once."""

    def get_outputs(self) -> list[OrtValue]:
        """Return the outputs of the latest run, in the order they were bound in."""
        return list(self._results)

    def get_outputs_as_ortvaluevector(self) -> list[OrtValue]:
        """Return the outputs of the latest run, in the order they were bound in."""
        return list(self._results)

    def copy_outputs_to_cpu(self) -> list[Any]:
        """Return the outputs of the latest run as arrays of their own."""
        return [np.array(item.numpy()) if item.is_tensor() else item.numpy() for item in self._results]

    def clear_binding_inputs(self) -> None:
        """Forget the inputs."""
        self._inputs.clear()

    def clear_binding_outputs(self) -> None:
        """Forget the outputs."""
        self._outputs.clear()
        self._results.clear()

    @property
    def feed(self) -> dict[str, Any]:
        """The inputs by name."""
        return dict(self._inputs)

    @property
    def output_names(self) -> list[str]:
        """The outputs that are asked for.

        Raises:
            InvalidArgument: If there are none.
        """
        if not self._outputs:
            raise InvalidArgument(f"no output is bound; the model has {sorted(self._known[1])}")
        return list(self._outputs)

    def take_results(self, results: list[Any]) -> None:
        """Take the outputs of a run.

        Args:
            results: In the order of :attr:`output_names`.

        Raises:
            InvalidArgument: If one does not fit the memory that was given for it.
        """
        for (name, target), value in zip(self._outputs.items(), results, strict=True):
            if target is not None:
                copy_into(target.numpy(), value, f"the memory for output '{name}'")
        pairs = zip(self._outputs.values(), results, strict=True)
        self._results = [OrtValue(value) if target is None else target for target, value in pairs]

    @property
    def _iobinding(self) -> IOBinding:  # private in ONNX Runtime, too; packages use it nevertheless
        return self

    def _input(self, name: str) -> str:
        if name not in self._known[0]:
            raise InvalidArgument(f"the model has no input '{name}'; it has {sorted(self._known[0])}")
        return name

    def _output(self, name: str) -> None:
        if name not in self._known[1]:
            raise InvalidArgument(f"the model has no output '{name}'; it has {sorted(self._known[1])}")


def _array_at(address: int, element_type: Any, shape: Any) -> NDArray[Any]:
    _, dtype = dtype_of_element(element_type)
    extents = tuple(int(item) for item in shape)
    size = math.prod(extents) * dtype.itemsize
    if size == 0:
        return np.empty(extents, dtype)
    if not address:
        raise InvalidArgument(f"there is no memory at address 0 for a tensor of {size} bytes")
    return np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(address)).view(dtype).reshape(extents)
