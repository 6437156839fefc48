"""Devices and memory by the names that programs spell out."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime as real
import pytest

from zeroskip import onnxruntime as ort

MODULES = pytest.mark.parametrize("module", [real, ort], ids=["real", "zeroskip"])


@MODULES
def test_the_cpu_is_a_device(module: Any) -> None:
    device = module.OrtDevice.make("cpu", 0)
    assert (device.device_type(), device.device_id(), device.device_mem_type(), device.device_vendor_id()) == (0,) * 4


@MODULES
def test_a_value_is_made_on_a_device(module: Any) -> None:
    state = module.capi.onnxruntime_pybind11_state
    device = state.OrtDevice(state.OrtDevice.cpu(), state.OrtDevice.default_memory(), 0)
    assert state.OrtValue.ortvalue_from_numpy(np.ones(2, np.float32), device).numpy().tolist() == [1, 1]


@MODULES
def test_an_allocator_is_accepted(module: Any) -> None:
    info = module.OrtMemoryInfo("Cpu", module.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, module.OrtMemType.DEFAULT)
    assert (info.name, info.device_id) == ("Cpu", 0)
    module.create_and_register_allocator(info, module.OrtArenaCfg({"max_mem": 5}))
    assert module.OrtArenaCfg(0, -1, -1, -1).arena_extend_strategy == -1


@pytest.mark.parametrize("make", [lambda: ort.OrtDevice.make("cuda", 0), lambda: ort.OrtDevice(ort.OrtDevice.cuda())])
def test_another_device_is_refused(make: Any) -> None:
    with pytest.raises(ort.capi.onnxruntime_pybind11_state.Fail, match="CPU"):
        make()
