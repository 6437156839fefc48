"""bf16: the pass that gives activations the type bf16 between convolutions, linear layers and what only moves them.

A convolution or linear step works on bf16 where its form allows; steps that move values, and max pooling, follow their
operands. Everything else keeps float32, and ``convert`` stands where the two meet, unless the result of a convolution
is wanted in float32 alone: then its epilogue stores that.
"""

from __future__ import annotations

from dataclasses import replace

from .draft import Draft, DraftStep
from .types import CHANNEL_BLOCK

_MOVES = ("concat", "copy", "max_pool", "slice", "to_nhwc", "to_row", "transpose")
"""Steps that work on either type."""
_FORMS = {"conv": "bf16_conv", "linear": "bf16_linear"}


def use_bf16(draft: Draft) -> None:
    """Let convolutions and linear steps work on bf16, in place; after fusion."""
    _Rewriter(draft).rewrite()


class _Rewriter:
    """Walks the steps in order and emits what takes their place."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._read_narrow = self._find_read_narrow()
        self._emitted: list[DraftStep] = []
        self._narrow: dict[int, int] = {}  # by float32 tensor: the bf16 tensor of its values
        self._made_narrow: set[int] = set()  # of the former those that no float32 tensor was converted to
        self._floats = set(draft.inputs)  # tensors that exist as the draft has them

    def rewrite(self) -> None:
        for step in self._draft.steps:
            results = list(step.outputs)
            self._visit(step, results)
            for index in results:
                if index in self._draft.outputs:
                    self._provide(index)
        self._draft.steps = self._emitted

    def _visit(self, step: DraftStep, results: list[int]) -> None:
        if self._has_form(step):
            step.inputs = [self._narrowed(index) for index in step.inputs]
            if results[0] in self._read_narrow:
                step.outputs = [self._make_narrow(results[0])]
            step.op = _FORMS[step.op]
            step.notes.append("products of bf16")
        elif step.op in _MOVES and any(index in self._made_narrow for index in step.inputs):
            step.inputs = [self._narrowed(index) for index in step.inputs]
            step.outputs = [self._make_narrow(index) for index in results]
        else:
            for index in step.inputs:
                self._provide(index)
        self._floats.update(step.outputs)
        self._emitted.append(step)

    def _has_form(self, step: DraftStep) -> bool:
        x, y = self._draft.tensors[step.inputs[0]], self._draft.tensors[step.outputs[0]]
        if x.dtype != "float32" or y.dtype != "float32":
            return False
        if step.op == "linear":
            return len(step.inputs) == 1 and (x.layout == "nhwc" or x.shape[-1] % 2 == 0)
        return step.op == "conv" and x.layout == "nhwc" and x.shape[1] >= CHANNEL_BLOCK

    def _find_read_narrow(self) -> set[int]:
        """Return the tensors that a step multiplies in bf16, as they are or after moves."""
        found: set[int] = set()
        for step in reversed(self._draft.steps):
            if self._has_form(step) or (step.op in _MOVES and not found.isdisjoint(step.outputs)):
                found.update(step.inputs)
        return found

    def _narrowed(self, index: int) -> int:
        """Return the bf16 tensor of a float32 tensor's values, after emitting what makes it."""
        if index not in self._narrow:
            self._narrow[index] = self._copy_tensor(index)
            self._convert(index, self._narrow[index])
        return self._narrow[index]

    def _make_narrow(self, index: int) -> int:
        self._narrow[index] = self._copy_tensor(index)
        self._made_narrow.add(index)
        return self._narrow[index]

    def _provide(self, index: int) -> None:
        """See to it that a tensor exists as the draft has it."""
        if index in self._narrow and index not in self._floats:
            self._floats.add(index)
            self._convert(self._narrow[index], index)

    def _convert(self, source: int, result: int) -> None:
        tensors = self._draft.tensors
        name = f"{tensors[result].name}:convert"
        self._emitted.append(DraftStep("convert", name, [source], [result]))

    def _copy_tensor(self, index: int) -> int:
        tensor = self._draft.tensors[index]
        self._draft.tensors.append(replace(tensor, name=f"{tensor.name}:bf16", dtype="bf16", is_external=False))
        return len(self._draft.tensors) - 1
