"""quantize and dequantize: every u8, every rounding, both layouts, on every instruction set, against numpy."""

from __future__ import annotations

import numpy as np
import pytest

from engine.numpy_executor import NumpyExecutor
from zeroskip import _core
from zeroskip.engine.native import core
from zeroskip.engine.plan.build import _freeze
from zeroskip.engine.plan.draft import Draft, DraftStep
from zeroskip.engine.plan.memory import assign_addresses
from zeroskip.engine.plan.types import Layout, Plan

from .builder import PlanBuilder

STEPS = [(0.25, 0), (0.1, 128), (3.7e-3, 255), (1.0, 1), (1e-30, 0), (1e30, 7)]


def there_and_back(shape: tuple[int, ...], layout: Layout, scale: float, zero_point: int) -> Plan:
    """Return a plan that returns the floats that the steps of its input stand for, and in rows also the steps."""
    draft = Draft()
    steps = {"scale": scale, "zero_point": zero_point}

    def step(op: str, source: int, target: int, **attributes: object) -> int:
        draft.steps.append(DraftStep(op, f"{op}{len(draft.steps)}", [source], [target], dict(attributes)))  # type: ignore[arg-type]
        return target

    source = draft.add_tensor("x", shape, "row", is_external=True)
    draft.inputs.append(source)
    if layout == "nhwc":
        source = step("to_nhwc", source, draft.add_tensor("map", shape, "nhwc"), input_layout="nchw")
    is_row = layout == "row"
    integers = draft.add_tensor("q", shape, layout, is_external=is_row, dtype="u8")
    floats = draft.add_tensor("f", shape, layout, is_external=is_row)
    for index in (integers, floats):
        draft.tensors[index].masked = not is_row
    step("quantize", source, integers, **steps)
    step("dequantize", integers, floats, **steps)
    if is_row:
        draft.outputs += [integers, floats]
    for index in () if is_row else (integers, floats):
        dtype = draft.tensors[index].dtype
        result = draft.add_tensor(f"out{index}", shape, "row", is_external=True, dtype=dtype)
        draft.outputs.append(step("to_row", index, result, output_layout="nchw"))
    return _freeze(draft, assign_addresses(draft))


def values(shape: tuple[int, ...], scale: float, zero_point: int) -> np.ndarray:
    """Return numbers around every step and every half of one, beyond both ends, and what is no number."""
    grid = (np.arange(-6, 523, dtype=np.float64) / 2 - zero_point) * scale
    near = np.concatenate([grid, np.nextafter(grid.astype(np.float32), np.float32(np.inf)), grid * 1.0001])
    odd = [np.nan, np.inf, -np.inf, 0.0, -0.0, 3e38, -3e38, 1e-45]
    with np.errstate(over="ignore"):
        return np.resize(np.concatenate([odd, near]), shape).astype(np.float32)


@pytest.mark.parametrize("steps", STEPS, ids=str)
@pytest.mark.parametrize(
    ("shape", "layout"), [((1907,), "row"), ((3, 5, 2, 60), "row"), ((2, 70, 3, 5), "nhwc"), ((1, 3, 25, 23), "nhwc")]
)
@pytest.mark.parametrize("isa", _core.isas_supported())
def test_steps_and_floats(isa: str, shape: tuple[int, ...], layout: Layout, steps: tuple[float, int]) -> None:
    plan, x = there_and_back(shape, layout, *steps), values(shape, *steps)
    program = core().Program(
        tensors=[vars(tensor) | {"shape": list(tensor.shape)} for tensor in plan.tensors],
        steps=[
            {**vars(step), "inputs": list(step.inputs), "outputs": list(step.outputs), "constants": {}, "arrays": {}}
            for step in plan.steps
        ],
        inputs=list(plan.inputs),
        outputs=list(plan.outputs),
        arena_bytes=plan.arena_bytes,
        num_threads=2,
        isa=isa,
    )
    for want, got in zip(NumpyExecutor(plan).run([x]), program.run([x]), strict=True):
        assert got.dtype == want.dtype
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"scale": 0.0, "zero_point": 0}, "scale is 0, needs a finite number above 0"),
        ({"scale": -1.0, "zero_point": 0}, "scale is -1, needs"),
        ({"scale": float("nan"), "zero_point": 0}, "scale is .*nan, needs"),
        ({"scale": float("inf"), "zero_point": 0}, "scale is inf, needs"),
        ({"zero_point": 0}, "scale is 0, needs"),
        ({"scale": 1.0, "zero_point": 256}, "zero_point is 256, needs 0 to 255"),
        ({"scale": 1.0, "zero_point": -1}, "zero_point is -1, needs 0 to 255"),
        ({"scale": 1.0}, "attribute 'zero_point' .* is missing"),
    ],
)
@pytest.mark.parametrize("op", ["quantize", "dequantize"])
def test_steps_that_mean_nothing(op: str, attributes: dict[str, float], message: str) -> None:
    types = ("float32", "u8") if op == "quantize" else ("u8", "float32")
    builder = PlanBuilder()
    source, target = (builder.tensor(shape=(4,), dtype=dtype) for dtype in types)
    builder.inputs, builder.outputs = [source], [target]
    builder.step(op, [source], [target], **attributes)
    with pytest.raises(_core.Error, match=message):
        builder.build()


@pytest.mark.parametrize(
    ("op", "types", "message"),
    [
        ("quantize", ("u8", "u8"), "does not take u8"),
        ("quantize", ("float32", "float32"), "'t1' holds float32, needs u8 for inputs of float32"),
        ("dequantize", ("float32", "float32"), "does not take float32"),
        ("dequantize", ("u8", "bf16"), "'t1' holds bf16, needs float32 for inputs of u8"),
    ],
)
def test_types_of_both_sides(op: str, types: tuple[str, str], message: str) -> None:
    builder = PlanBuilder()
    source, target = (builder.tensor(shape=(4,), dtype=dtype) for dtype in types)
    builder.inputs, builder.outputs = [source], [target]
    builder.step(op, [source], [target], scale=1.0, zero_point=0)
    with pytest.raises(_core.Error, match=message):
        builder.build()
