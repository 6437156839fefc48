"""Inputs and outputs bound to memory of the caller, as in onnxruntime."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime as real
import pytest
from face import data, error_of, random_rows

from zeroskip import onnxruntime as ort

MODULES = pytest.mark.parametrize("module", [real, ort], ids=["real", "zeroskip"])


@MODULES
def test_results_stand_in_the_memory_that_was_bound(module: Any) -> None:
    session = module.InferenceSession(data())
    x, y = random_rows(), np.zeros((2, 3), np.float32)
    binding = session.io_binding()
    binding.bind_input("x", "cpu", 0, np.float32, x.shape, x.ctypes.data)
    binding.bind_output("y", "cpu", 0, np.float32, y.shape, y.ctypes.data)
    for factor in (1, -1):  # memory is read at the time of the run
        x *= factor
        binding.synchronize_inputs()
        session.run_with_iobinding(binding)
        binding.synchronize_outputs()
        np.testing.assert_array_equal(y, np.maximum(x, 0))
        np.testing.assert_array_equal(binding.get_outputs()[0].numpy(), y)


@MODULES
def test_outputs_without_memory_are_kept(module: Any) -> None:
    session = module.InferenceSession(data())
    x = random_rows()
    binding = module.IOBinding(session)
    binding.bind_cpu_input("x", x)
    binding.bind_output("y")
    session.run_with_iobinding(binding, module.RunOptions())
    np.testing.assert_array_equal(binding.copy_outputs_to_cpu()[0], np.maximum(x, 0))
    binding.clear_binding_inputs()
    binding.clear_binding_outputs()
    with pytest.raises(RuntimeError):
        session.run_with_iobinding(binding)


@MODULES
def test_values_are_bound(module: Any) -> None:
    session = module.InferenceSession(data())
    x = random_rows()
    target = module.OrtValue.ortvalue_from_shape_and_type([2, 3], np.float32)
    binding = session.io_binding()
    binding.bind_ortvalue_input("x", module.OrtValue.ortvalue_from_numpy(x))
    binding.bind_ortvalue_output("y", target)
    session.run_with_iobinding(binding)
    np.testing.assert_array_equal(target.numpy(), np.maximum(x, 0))


@MODULES
def test_tensors_of_torch_are_bound_by_their_address(module: Any) -> None:
    torch = pytest.importorskip("torch")
    session = module.InferenceSession(data())
    x, y = torch.randn(2, 3), torch.empty(2, 3)
    binding = session.io_binding()
    binding.bind_input("x", x.device.type, 0, np.float32, tuple(x.shape), x.data_ptr())
    binding.bind_output("y", "cpu", 0, np.float32, tuple(y.shape), y.data_ptr())
    session.run_with_iobinding(binding)
    assert torch.equal(y, x.clamp(min=0))


@MODULES
@pytest.mark.parametrize(
    ("shape", "dtype"), [((4, 3), np.float32), ((2, 3), np.float64)], ids=["other shape", "other dtype"]
)
def test_memory_that_does_not_fit_is_refused(module: Any, shape: tuple[int, ...], dtype: type) -> None:
    session = module.InferenceSession(data())
    y = np.zeros(shape, dtype)
    binding = session.io_binding()
    binding.bind_cpu_input("x", random_rows())
    binding.bind_output("y", "cpu", 0, dtype, y.shape, y.ctypes.data)
    assert isinstance(error_of(lambda: session.run_with_iobinding(binding)), RuntimeError)
    assert not y.any()


def test_names_and_devices_are_checked_at_once() -> None:
    binding = ort.InferenceSession(data()).io_binding()
    for call in (
        lambda: binding.bind_cpu_input("z", random_rows()),
        lambda: binding.bind_output("z"),
        lambda: binding.bind_output("y", "cuda"),
        lambda: binding.bind_input("x", "cuda", 0, np.float32, (2, 3), 1),
        lambda: binding.bind_input("x", "cpu", 0, np.float32, (2, 3), 0),
        lambda: binding.bind_input("x", "cpu", 0, "nope", (2, 3), 1),
    ):
        assert isinstance(error_of(call), ort.capi.onnxruntime_pybind11_state.Fail | ValueError)


def test_an_empty_tensor_needs_no_memory() -> None:
    session = ort.InferenceSession(data())
    binding = session.io_binding()
    binding.bind_input("x", "cpu", 0, np.float32, (0, 3), 0)
    binding.bind_output("y", "cpu", 0, np.float32, (0, 3), 0)
    session.run_with_iobinding(binding)
    assert binding.copy_outputs_to_cpu()[0].shape == (0, 3)
