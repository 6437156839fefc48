"""Runs a Plan in numpy, slowly and obviously: the oracle for plans, and the proof of their memory layout.

All tensors live in one arena that starts out filled with NaN and all-ones mask words. Every step first
destroys its output, then reads its inputs from the arena (checking padding channels and masks bit by bit) and
writes its result with the layout, stride and mask the plan asks for. A plan that reads what was not written,
or recycles memory that is still needed, therefore yields NaN or a failed check.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import as_strided

from zeroskip.engine.data_types import DataType
from zeroskip.engine.plan.memory import in_place_inputs
from zeroskip.engine.plan.types import Plan, Step, TensorSpec

from . import numpy_operators

SLACK_BYTES = 256


def decode(stored: np.ndarray, data_type: DataType) -> np.ndarray:
    """Return stored elements as float32, in which every one of them is exact."""
    if data_type.name == "bf16":
        return (stored.astype(np.uint32) << 16).view(np.float32)
    return stored.astype(np.float32)


def encode(values: np.ndarray, data_type: DataType) -> np.ndarray:
    """Return float32 values, exact in the type, as they are stored."""
    if data_type.name == "bf16":
        return (np.ascontiguousarray(values, np.float32).view(np.uint32) >> 16).astype(np.uint16)
    return values.astype(data_type.numpy_type)


def mask_words(pixels: np.ndarray, data_type: DataType) -> np.ndarray:
    """Return the mask of ``[..., channels]`` values, whole channel blocks of them: a bit for every 4 bytes."""
    blocks = pixels.reshape(*pixels.shape[:-1], -1, 16, data_type.mask_elements)
    bits = (blocks != 0).any(axis=-1)
    return (bits << np.arange(16, dtype=np.uint32)).sum(axis=-1).astype(np.uint16)


def _garbage(data_type: DataType) -> float:
    """Return what no result should hold."""
    return {"float32": np.nan, "bf16": 0xFFFF, "u8": 0xFF}[data_type.name]


class NumpyExecutor:
    """Executes one plan."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.arena = np.full(plan.arena_bytes + SLACK_BYTES, 0xFF, np.uint8)
        self.external: dict[int, np.ndarray] = {}

    def run(self, inputs: list[np.ndarray]) -> list[np.ndarray]:
        """Return the outputs for ``inputs``, both in plan order."""
        for index, array in zip(self.plan.inputs, inputs, strict=True):
            assert array.shape == self.plan.tensors[index].shape
            self.external[index] = array
        for index in self.plan.outputs:
            spec = self.plan.tensors[index]
            self.external[index] = np.full(spec.shape, _garbage(spec.data_type), spec.data_type.numpy_type)
        for step in self.plan.steps:
            self._run_step(step)
        return [self.external[index] for index in self.plan.outputs]

    def _run_step(self, step: Step) -> None:
        if not self._is_in_place(step):
            for output in step.outputs:
                self._destroy(output)
        operands = [self._read(index) for index in step.inputs]
        constants = {role: self.plan.constants[name] for role, name in step.constants.items()}
        results = numpy_operators.OPERATORS[step.op](self.plan, step, operands, constants)
        if not isinstance(results, tuple):
            results = (numpy_operators.epilogue(self.plan, step, results, constants),)
        for output, result in zip(step.outputs, results, strict=True):
            expected = self.plan.tensors[output].shape
            assert result.shape == expected, f"{step.name}: computed {result.shape}, planned {expected}"
            self._write(output, result.astype(np.float32))

    def _is_in_place(self, step: Step) -> bool:
        offset = self.plan.tensors[step.outputs[0]].offset
        candidates = in_place_inputs(step.op, step.inputs)
        return any(self.plan.tensors[index].offset == offset != -1 for index in candidates)

    def _read(self, index: int) -> np.ndarray:
        """Return the tensor's values in logical order."""
        spec = self.plan.tensors[index]
        if spec.layout == "row":
            return decode(self._row_view(index).copy(), spec.data_type)
        pixels = decode(self._pixels(spec), spec.data_type)
        assert not pixels[..., spec.shape[1] :].any(), f"padding channels of {spec.name} are not zero"
        if spec.masked:
            np.testing.assert_array_equal(
                self._mask(spec), mask_words(pixels, spec.data_type), err_msg=f"mask of {spec.name}"
            )
        return np.ascontiguousarray(pixels[..., : spec.shape[1]].transpose(0, 3, 1, 2))

    def _write(self, index: int, values: np.ndarray) -> None:
        spec = self.plan.tensors[index]
        if spec.layout == "row":
            self._row_view(index)[...] = encode(values, spec.data_type)
            return
        pixels = self._pixels(spec)
        pixels[..., : spec.shape[1]] = encode(values, spec.data_type).transpose(0, 2, 3, 1)
        pixels[..., spec.shape[1] :] = 0
        if spec.masked:
            self._mask(spec)[...] = mask_words(decode(pixels, spec.data_type), spec.data_type)

    def _destroy(self, index: int) -> None:
        spec = self.plan.tensors[index]
        if spec.layout == "row":
            self._row_view(index)[...] = _garbage(spec.data_type)
            return
        self._pixels(spec)[...] = _garbage(spec.data_type)
        if spec.masked:
            self._mask(spec)[...] = 0xFFFF

    def _row_view(self, index: int) -> np.ndarray:
        spec = self.plan.tensors[index]
        if spec.is_external:
            return self.external[index]
        data = self.arena[spec.offset : spec.offset + spec.logical_bytes]
        return data.view(spec.data_type.numpy_type).reshape(spec.shape)

    def _pixels(self, spec: TensorSpec) -> np.ndarray:
        assert spec.offset % 64 == 0
        assert spec.pixel_stride % spec.data_type.channel_block == 0
        return self._strided(spec, spec.offset, spec.data_type.numpy_type, spec.pixel_stride, spec.padded_channels)

    def _mask(self, spec: TensorSpec) -> np.ndarray:
        block = spec.data_type.channel_block
        words = spec.padded_channels // block
        return self._strided(spec, spec.mask_offset, np.dtype(np.uint16), spec.pixel_stride // block, words)

    def _strided(self, spec: TensorSpec, offset: int, dtype: np.dtype, stride: int, last: int) -> np.ndarray:
        batch, _, height, width = spec.shape
        item = dtype.itemsize
        end = offset + ((batch * height * width - 1) * stride + last) * item
        assert 0 <= offset <= end <= self.plan.arena_bytes, f"{spec.name} leaves the arena"
        data = self.arena[offset:end].view(dtype)
        strides = (height * width * stride * item, width * stride * item, stride * item, item)
        return as_strided(data, (batch, height, width, last), strides)


def run_plan(plan: Plan, inputs: list[np.ndarray]) -> list[np.ndarray]:
    """Run ``plan`` once on fresh memory."""
    return NumpyExecutor(plan).run(inputs)
