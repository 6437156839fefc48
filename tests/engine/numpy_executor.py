"""Runs a Plan in numpy, slowly and obviously: the oracle for plans, and the proof of their memory layout.

All tensors live in one arena that starts out filled with NaN and all-ones mask words. Every step first
destroys its output, then reads its inputs from the arena (checking padding channels and masks bit by bit) and
writes its result with the layout, stride and mask the plan asks for. A plan that reads what was not written,
or recycles memory that is still needed, therefore yields NaN or a failed check.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.lib.stride_tricks import as_strided

from zeroskip.engine.plan.memory import in_place_inputs
from zeroskip.engine.plan.types import Plan, Step, TensorSpec

from . import numpy_operators

SLACK_BYTES = 256


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
            self.external[index] = np.full(self.plan.tensors[index].shape, np.nan, np.float32)
        for step in self.plan.steps:
            self._run_step(step)
        return [self.external[index] for index in self.plan.outputs]

    def _run_step(self, step: Step) -> None:
        (output,) = step.outputs
        if not self._is_in_place(step):
            self._destroy(output)
        operands = [self._read(index) for index in step.inputs]
        constants = {role: self.plan.constants[name] for role, name in step.constants.items()}
        result = numpy_operators.OPERATORS[step.op](self.plan, step, operands, constants)
        result = numpy_operators.epilogue(self.plan, step, result, constants)
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
            return self._row_view(index).copy()
        pixels = self._pixels(spec)
        assert not pixels[..., spec.shape[1] :].any(), f"padding channels of {spec.name} are not zero"
        if spec.masked:
            bits = np.unpackbits(self._mask(spec).copy().view(np.uint8), bitorder="little").astype(bool)
            np.testing.assert_array_equal(
                bits.reshape(pixels.shape), pixels != 0, err_msg=f"mask of {spec.name}"
            )
        return np.ascontiguousarray(pixels[..., : spec.shape[1]].transpose(0, 3, 1, 2))

    def _write(self, index: int, values: np.ndarray) -> None:
        spec = self.plan.tensors[index]
        if spec.layout == "row":
            self._row_view(index)[...] = values
            return
        pixels = self._pixels(spec)
        pixels[..., : spec.shape[1]] = values.transpose(0, 2, 3, 1)
        pixels[..., spec.shape[1] :] = 0
        if spec.masked:
            mask = self._mask(spec)
            mask[...] = (
                np.packbits(pixels != 0, axis=-1, bitorder="little").view(np.uint16).reshape(mask.shape)
            )

    def _destroy(self, index: int) -> None:
        spec = self.plan.tensors[index]
        if spec.layout == "row":
            self._row_view(index)[...] = np.nan
            return
        self._pixels(spec)[...] = np.nan
        if spec.masked:
            self._mask(spec)[...] = 0xFFFF

    def _row_view(self, index: int) -> np.ndarray:
        spec = self.plan.tensors[index]
        if spec.is_external:
            return self.external[index]
        data = self.arena[spec.offset : spec.offset + 4 * spec.elements]
        return data.view(np.float32).reshape(spec.shape)

    def _pixels(self, spec: TensorSpec) -> np.ndarray:
        assert spec.offset % 64 == 0
        assert spec.pixel_stride % 16 == 0
        padded = math.ceil(spec.shape[1] / 16) * 16
        return self._strided(spec, spec.offset, np.dtype(np.float32), spec.pixel_stride, padded)

    def _mask(self, spec: TensorSpec) -> np.ndarray:
        words = math.ceil(spec.shape[1] / 16)
        return self._strided(spec, spec.mask_offset, np.dtype(np.uint16), spec.pixel_stride // 16, words)

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
