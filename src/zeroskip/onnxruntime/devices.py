"""Devices and memory by ONNX Runtime's names for them. There is one device, the CPU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .enums import OrtAllocatorType, OrtMemType
from .status import Fail

_CPU = "cpu"
_KINDS = {_CPU: 0, "gpu": 1, "cuda": 1, "webgpu": 1, "fpga": 2, "npu": 3, "cann": 3, "dml": 4}


@dataclass(frozen=True)
class OrtDevice:
    """Where memory is: on the CPU.

    Args:
        kind: Number of the kind of device, 0 for the CPU.
        memory: Number of the kind of memory.
        number: Of the device among those of its kind.
        vendor: Number of the vendor.

    Raises:
        Fail: If it is not the CPU.

    Example:
        >>> OrtDevice(OrtDevice.cpu(), OrtDevice.default_memory(), 0).device_type()
        0
    """

    kind: int = 0
    memory: int = 0
    number: int = 0
    vendor: int = 0

    def __post_init__(self) -> None:
        if self.kind != _KINDS[_CPU]:
            raise Fail(f"there is no device of the kind {self.kind}: zeroskip runs on the CPU; use OrtDevice.cpu()")

    @staticmethod
    def make(ort_device_name: str, device_id: int, vendor_id: int = -1) -> OrtDevice:
        """Return a device by its name; raises ``Fail`` if it is not the CPU."""
        check_device(ort_device_name)
        return OrtDevice(number=device_id)

    @staticmethod
    def cpu() -> int:
        """Return the number of the CPU's kind."""
        return _KINDS[_CPU]

    @staticmethod
    def cuda() -> int:
        """Return the number of GPUs' kind."""
        return _KINDS["cuda"]

    @staticmethod
    def default_memory() -> int:
        """Return the number of ordinary memory."""
        return 0

    def device_id(self) -> int:
        """Return its number."""
        return self.number

    def device_type(self) -> int:
        """Return the number of its kind."""
        return self.kind

    def device_mem_type(self) -> int:
        """Return the number of the kind of memory."""
        return self.memory

    def device_vendor_id(self) -> int:
        """Return the number of the vendor."""
        return self.vendor


def check_device(device: str | OrtDevice) -> None:
    """Refuse memory that is not the CPU's.

    Raises:
        Fail: If it is another device's.
    """
    if not isinstance(device, OrtDevice) and device.lower() != _CPU:
        raise Fail(f"there is no device '{device}': zeroskip runs on the CPU; use 'cpu'")


@dataclass(frozen=True)
class OrtMemoryInfo:
    """Which memory an allocator is for; see :func:`create_and_register_allocator`, which needs none.

    Args:
        name: Of the allocator, ``"Cpu"``.
        allocator_type: Its kind.
        device_id: Number of the device.
        mem_type: What the memory is for.
    """

    name: str
    allocator_type: OrtAllocatorType
    device_id: int
    mem_type: OrtMemType


class OrtArenaCfg:
    """How an allocator grows; accepted, since sessions plan their memory.

    Args:
        values: ``max_mem``, ``arena_extend_strategy``, ``initial_chunk_size_bytes`` and
            ``max_dead_bytes_per_chunk``, or one dictionary of them.
    """

    _names = (
        "max_mem", "arena_extend_strategy", "initial_chunk_size_bytes", "max_dead_bytes_per_chunk",
        "initial_growth_chunk_size_bytes", "max_power_of_two_extend_bytes",
    )  # fmt: skip

    def __init__(self, *values: Any) -> None:
        given = values[0] if values and isinstance(values[0], dict) else dict(zip(self._names, values, strict=False))
        self.__dict__.update({name: given.get(name, 0 if name == "max_mem" else -1) for name in self._names})
