"""Integers: the pass that gives tensors the type u8 where a step stands between dequantize and quantize.

A convolution or linear step whose inputs are dequantized and whose result is quantized becomes one step on
integers (:mod:`.requantize` computes its constants). Steps that only move values, and max pooling, work on the
integers themselves, so dequantize sinks below them and meets a quantize of the same scale there, which is nothing.
What has no form on integers keeps its float32 neighbours.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from .draft import Draft, DraftStep
from .requantize import Scale, is_multiplication, multiply_integers, rescale, take_residual

_MOVES = ("concat", "copy", "max_pool", "slice", "to_nhwc", "to_row", "transpose")
"""Steps that commute with dequantize."""


def use_integers(draft: Draft) -> None:
    """Let steps between dequantize and quantize work on integers, in place; after fusion."""
    if any(step.op == "quantize" or step.op == "dequantize" for step in draft.steps):
        _Rewriter(draft).rewrite()


@dataclass(frozen=True)
class _Integers:
    """The u8 tensor that a float32 tensor stands for."""

    tensor: int
    scale: Scale
    nodes: list[str] = field(default_factory=list)


class _Rewriter:
    """Walks the steps in order and emits what takes their place."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._readers = draft.consumers()
        self._emitted: list[DraftStep] = []
        self._integers: dict[int, _Integers] = {}  # by float32 tensor
        self._floats: set[int] = set()  # of these, what exists in float32 too
        self._waiting: dict[int, DraftStep] = {}  # by result: multiplications that may still take an addition
        self._done: set[int] = set()  # steps that another one has taken in, by id
        self._renamed: dict[int, int] = {}  # tensors that are another one

    def rewrite(self) -> None:
        for step in self._draft.steps:
            if id(step) not in self._done:
                step.inputs = [self._renamed.get(index, index) for index in step.inputs]
                self._visit(step)
        for result in list(self._waiting):
            self._settle(result)
        self._draft.steps = self._emitted
        self._draft.outputs = [self._renamed.get(index, index) for index in self._draft.outputs]

    def _visit(self, step: DraftStep) -> None:
        if step.op == "dequantize":
            self._integers[step.outputs[0]] = _Integers(step.inputs[0], Scale.of(step), step.nodes)
            self._keep_output(step.outputs[0])
        elif step.op == "quantize" and self._is_same_scale(step):
            self._drop_quantize(step)
        elif step.op in _MOVES and self._shared_scale(step) is not None:
            self._move_integers(step)
        elif not any(form(step) for form in (self._multiply, self._add, self._rescale, self._concat)):
            self._emit(step)

    # ------------------------------------------------------------- emitting

    def _emit(self, step: DraftStep) -> None:
        """Emit a step as it is, after what makes its operands."""
        for index in step.inputs:
            self._provide(index)
        self._emitted.append(step)

    def _provide(self, index: int) -> None:
        """See to it that a tensor exists by now, in float32 if it is float32."""
        self._settle(index)
        known = self._integers.get(index)
        if known is None or index in self._floats:
            return
        self._floats.add(index)
        self._settle(known.tensor)
        name = f"{self._draft.tensors[index].name}:dequantize"
        attributes = known.scale.attributes()
        self._emitted.append(DraftStep("dequantize", name, [known.tensor], [index], attributes, nodes=known.nodes))

    def _settle(self, index: int) -> None:
        waiting = self._waiting.pop(index, None)
        if waiting is not None:
            self._emit(waiting)

    def _keep_output(self, index: int) -> None:
        if index in self._draft.outputs:
            self._provide(index)

    # ------------------------------------------------------- moves, rescaling

    def _is_same_scale(self, step: DraftStep) -> bool:
        known = self._integers.get(step.inputs[0])
        return known is not None and known.scale == Scale.of(step)

    def _drop_quantize(self, step: DraftStep) -> None:
        """The result of a quantize that gives back what was dequantized is that tensor."""
        source, result = self._integers[step.inputs[0]].tensor, step.outputs[0]
        if self._draft.tensors[result].is_external:
            self._settle(source)
            self._emitted.append(DraftStep("copy", step.name, [source], [result], nodes=step.nodes))
            return
        self._renamed[result] = source
        for reader in self._readers[result]:
            self._readers[source].append(reader)

    def _shared_scale(self, step: DraftStep) -> Scale | None:
        """Return the one scale of all operands where they are known as integers."""
        scales = {item.scale for item in self._operands(step) or ()}
        return scales.pop() if len(scales) == 1 else None

    def _move_integers(self, step: DraftStep) -> None:
        scale, result = self._shared_scale(step), step.outputs[0]
        assert scale is not None
        step.inputs = [self._integers[index].tensor for index in step.inputs]
        moved = self._copy_tensor(result)
        step.outputs = [moved]
        self._emit(step)
        self._integers[result] = _Integers(moved, scale)
        self._keep_output(result)

    def _copy_tensor(self, index: int) -> int:
        tensor = replace(self._draft.tensors[index], dtype="u8", is_external=False)
        self._draft.tensors.append(replace(tensor, name=f"{tensor.name}:u8"))
        self._readers[len(self._draft.tensors) - 1] = []
        return len(self._draft.tensors) - 1

    # -------------------------------------------------------- multiplications

    def _sole_reader(self, index: int, op: str) -> DraftStep | None:
        readers = self._readers[index]
        is_alone = len(readers) == 1 and index not in self._draft.outputs
        return readers[0] if is_alone and readers[0].op == op else None

    def _multiply(self, step: DraftStep) -> bool:
        """Turn a convolution or linear step and the quantize behind it into one step on integers."""
        if not is_multiplication(step):
            return False
        quantize = self._sole_reader(step.outputs[0], "quantize")
        operands = self._operands(step)
        if quantize is None or operands is None:
            return False
        result = multiply_integers(self._draft, step, [item.scale for item in operands], Scale.of(quantize))
        if result is None:
            return False
        result.inputs = [item.tensor for item in operands]
        result.outputs = quantize.outputs
        result.nodes = [*step.nodes, *quantize.nodes]
        self._done.add(id(quantize))
        if self._may_take_addition(result):
            self._waiting[result.outputs[0]] = result
        else:
            self._emit(result)
        return True

    def _may_take_addition(self, step: DraftStep) -> bool:
        dequantize = self._sole_reader(step.outputs[0], "dequantize")
        is_free = step.op == "quantized_conv" and len(step.inputs) == 1 and step.activation == "none"
        return is_free and dequantize is not None and self._sole_reader(dequantize.outputs[0], "add") is not None

    def _add(self, step: DraftStep) -> bool:
        """Let a convolution that waits take the addition of its result to another tensor, and the quantize behind."""
        quantize = self._sole_reader(step.outputs[0], "quantize")
        operands = self._operands(step)
        if step.op != "add" or quantize is None or operands is None:
            return False
        # Of two convolutions the later one: the result of the earlier one must be stored anyway.
        for own, other in self._by_lateness(*operands):
            waiting = self._waiting.get(own.tensor)
            if waiting is None or own.tensor == other.tensor:
                continue
            summed = take_residual(self._draft, waiting, step, [own.scale, other.scale], Scale.of(quantize))
            del self._waiting[own.tensor]
            summed.inputs = [*waiting.inputs, other.tensor]
            summed.nodes = [*waiting.nodes, *own.nodes, *step.nodes, *quantize.nodes]
            self._replace(summed, quantize)
            return True
        return False

    def _replace(self, made: DraftStep, quantize: DraftStep) -> None:
        """Emit a step on integers that yields what ``quantize`` does."""
        made.outputs = quantize.outputs
        self._done.add(id(quantize))
        self._emit(made)

    def _operands(self, step: DraftStep) -> list[_Integers] | None:
        """Return the integers of all inputs, None if one has none."""
        known = [self._integers.get(index) for index in step.inputs]
        found = [item for item in known if item is not None]
        return found if len(found) == len(known) else None

    def _by_lateness(self, first: _Integers, second: _Integers) -> Iterator[tuple[_Integers, _Integers]]:
        order = list(self._waiting)
        pairs = [(first, second), (second, first)]
        yield from sorted(
            pairs, key=lambda pair: order.index(pair[0].tensor) if pair[0].tensor in order else -1, reverse=True
        )

    # ---------------------------------------------------------- other scales

    def _rescale(self, step: DraftStep) -> bool:
        """Bring integers to another scale: quantize itself, or an addition, rectifier or mean in front of one."""
        forms = {"add": "quantized_add", "activation": "requantize", "quantize": "requantize"}
        op = forms.get(step.op, "quantized_global_avg_pool" if step.op == "global_avg_pool" else None)
        is_rectifier = step.op != "activation" or step.attributes["kind"] == "fatrelu"
        quantize = step if step.op == "quantize" else self._sole_reader(step.outputs[0], "quantize")
        operands = self._operands(step)
        if op is None or not is_rectifier or quantize is None or operands is None or not self._are_maps(step):
            return False
        _, _, height, width = self._draft.tensors[operands[0].tensor].shape
        values = height * width if step.op == "global_avg_pool" else 1
        made = rescale(self._draft, op, step, [item.scale for item in operands], Scale.of(quantize), values)
        made.inputs = [item.tensor for item in operands]
        made.nodes = step.nodes if step is quantize else [*step.nodes, *quantize.nodes]
        self._replace(made, quantize)
        return True

    def _concat(self, step: DraftStep) -> bool:
        """Bring all operands of a concatenation to the scale of the quantize behind it, then concatenate integers."""
        quantize = self._sole_reader(step.outputs[0], "quantize")
        operands = self._operands(step)
        if step.op != "concat" or quantize is None or operands is None or not self._are_maps(step):
            return False
        wanted, parts = Scale.of(quantize), []
        for position, (index, item) in enumerate(zip(step.inputs, operands, strict=True)):
            part = item.tensor
            if item.scale != wanted:
                part = self._copy_tensor(index)
                source = DraftStep("requantize", f"{step.name}:{position}", [item.tensor], [index])
                made = rescale(self._draft, "requantize", source, [item.scale], wanted)
                made.inputs, made.outputs = [item.tensor], [part]
                self._emit(made)
            parts.append(part)
        step.inputs = parts
        step.nodes = [*step.nodes, *quantize.nodes]
        self._replace(step, quantize)
        return True

    def _are_maps(self, step: DraftStep) -> bool:
        tensors = [self._draft.tensors[index] for index in (*step.inputs, *step.outputs)]
        same_shape = step.op not in ("add", "quantize") or len({tensor.shape for tensor in tensors}) == 1
        return same_shape and all(tensor.layout == "nhwc" for tensor in tensors)
