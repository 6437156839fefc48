"""The integer form: what a float32 plan would be if its layers were quantised to u8, to be priced and never run.

Nothing is quantised: the steps are those of the float plan by name, with tensors of u8 between them where the engine
has an operator for it, and ``dequantize`` and ``quantize`` around the steps that stay float32. Zero is 0 behind
rectifiers, so what skips in float32 skips in u8; an input without zeros stays dense.
"""

from __future__ import annotations

from dataclasses import replace

from ..data_types import DATA_TYPES
from ..plan.types import Plan, Step, TensorSpec, round_up

_FORMS = {
    "conv": "quantized_conv",
    "depthwise": "quantized_depthwise",
    "linear": "quantized_linear",
    "add": "quantized_add",
    "global_avg_pool": "quantized_global_avg_pool",
    **{op: op for op in ("concat", "copy", "max_pool", "slice", "to_nhwc", "to_row", "transpose")},
}
_U8 = DATA_TYPES["u8"]


def integer_form(plan: Plan) -> Plan:
    """Return a plan with the work of a float32 plan in u8; its addresses and constants mean nothing.

    Args:
        plan: A float32 plan.
    """
    return _Converter(plan).convert()


def is_integer(plan: Plan) -> bool:
    """Whether layers of a plan compute on integers already."""
    return any(step.op.startswith("quantized_") for step in plan.steps)


class _Converter:
    """Walks the steps in order and emits what would take their place."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._tensors = list(plan.tensors)
        self._narrow: dict[int, int] = {}  # by float32 tensor: the u8 tensor of its values
        made = {index for step in plan.steps for index in step.outputs}
        self._floats = set(plan.inputs)  # float32 tensors that exist
        self._joined = set(range(len(plan.tensors))) - made - self._floats  # whose parts are written by several steps
        self._signed: set[int] = set()  # of rectified ones those that may be below zero: their zero is not 0
        self._steps: list[Step] = []

    def convert(self) -> Plan:
        for step in self._plan.steps:
            if self._has_form(step):
                self._emit(step)
            else:
                for index in step.inputs:
                    self._provide(index)
                self._steps.append(step)
                self._floats.update(step.outputs)
            self._mark_signs(step)
        for index in self._plan.outputs:
            self._provide(index)
        return replace(self._plan, tensors=tuple(self._tensors), steps=tuple(self._steps), constants={})

    def _has_form(self, step: Step) -> bool:
        if step.op not in _FORMS or "residual" in step.constants:
            return False
        moves_floats = _FORMS[step.op] == step.op and not any(index in self._narrow for index in step.inputs)
        tensors = [self._tensors[index] for index in (*step.inputs, *step.outputs)]
        return not moves_floats and all(tensor.dtype == "float32" for tensor in tensors)

    def _emit(self, step: Step) -> None:
        attributes = {key: value for key, value in step.attributes.items() if key != "winograd"}
        if step.inputs[0] in self._signed and "algorithm" in attributes:
            attributes["algorithm"] = "dense"
        inputs = tuple(self._narrowed(index) for index in step.inputs)
        outputs = tuple(self._add_narrow(index) for index in step.outputs)
        self._steps.append(
            replace(step, op=_FORMS[step.op], inputs=inputs, outputs=outputs, attributes=attributes, constants={})
        )

    def _mark_signs(self, step: Step) -> None:
        makes = step.attributes.get("kind") == "hardswish"
        if makes or (_FORMS.get(step.op) == step.op and not self._signed.isdisjoint(step.inputs)):
            self._signed.update(step.outputs)

    def _narrowed(self, index: int) -> int:
        if index in self._joined:
            self._add_narrow(index)
        if index not in self._narrow:
            self._steps.append(Step("quantize", f"{self._name(index)}:quantize", (index,), (self._add_narrow(index),)))
        return self._narrow[index]

    def _provide(self, index: int) -> None:
        """See to it that a tensor exists in float32."""
        if index not in self._floats and index in self._narrow:
            self._floats.add(index)
            self._steps.append(Step("dequantize", f"{self._name(index)}:dequantize", (self._narrow[index],), (index,)))

    def _add_narrow(self, index: int) -> int:
        self._narrow[index] = len(self._tensors)
        self._tensors.append(_in_u8(self._tensors[index]))
        return self._narrow[index]

    def _name(self, index: int) -> str:
        return self._tensors[index].name


def _in_u8(tensor: TensorSpec) -> TensorSpec:
    stride = round_up(tensor.shape[1], _U8.channel_block) if tensor.layout == "nhwc" else 0
    return replace(tensor, name=f"{tensor.name}:u8", dtype=_U8.name, pixel_stride=stride, masked=False)
