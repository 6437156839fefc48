"""The shapes of all values of a prepared model, and the facts its canonical graph depends on, for any input shape."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import onnx_ir as ir

from ..values import constant, dims
from . import arithmetic, functions
from .site import Array, Shape, Site, State, Step, UnpredictableError

_MAX_CONSTANT_ELEMENTS = 64

Facts: TypeAlias = tuple[Hashable, ...]


@dataclass(frozen=True, eq=False)
class Propagated:
    """What one propagation found.

    Args:
        state: Shapes and constants by slot.
        facts: Equal facts mean equal canonical graphs, up to the sizes in them.
    """

    state: State
    facts: Facts


class ShapeProgram:
    """Shape functions of all nodes of a prepared model, in order.

    Args:
        prepared: From ``prepare``; only read.

    Raises:
        UnpredictableError: If the shape of one operator decides what cannot be told in advance.
    """

    def __init__(self, prepared: ir.Model) -> None:
        graph = prepared.graph
        self.slots: dict[str, int] = {}
        self.producers: dict[str, ir.Node] = {}
        self._shapes: list[Shape | None] = []
        self._constants: list[Array | None] = []
        self._opens: list[bool] = []
        self._steps: list[Step] = []
        self._inputs = [(self._add(value), dims(value)) for value in graph.inputs]
        if not all(isinstance(value.type, ir.TensorType) for value in graph.inputs):
            raise UnpredictableError
        for value in graph.initializers.values():
            self.add_constant(value)
        for node in graph:
            self._steps.append(self.compile(node))

    def run(self, shapes: Sequence[Shape]) -> Propagated:
        """Propagate shapes.

        Args:
            shapes: Of the graph's inputs, in order.

        Raises:
            UnpredictableError: If they do not fit the model, or differ from what it says about them.
        """
        state = State(self._shapes.copy(), self._constants.copy(), [tuple(len(shape) for shape in shapes)])
        for (slot, declared), shape in zip(self._inputs, shapes, strict=True):
            has_other_rank = declared is not None and len(declared) != len(shape)
            has_other_batch = (
                declared is not None and declared[:1] != (None,) and declared[:1] != shape[:1]
            )  # which may be written down
            if has_other_rank or has_other_batch or min(shape, default=1) < 1:
                raise UnpredictableError
            state.shapes[slot] = shape
        self.resume(state, self._steps)
        return Propagated(state, tuple(state.facts))

    @staticmethod
    def resume(state: State, steps: Sequence[Step]) -> None:
        """Run steps; raises like :meth:`run`."""
        try:
            for step in steps:
                step(state)
        except (ValueError, IndexError, TypeError, ZeroDivisionError) as error:
            raise UnpredictableError from error

    def add_constant(self, value: ir.Value) -> None:
        """Give a constant a slot."""
        array = constant(value)
        slot = self._add(value)
        if array is not None:
            self._shapes[slot] = array.shape
            self._constants[slot] = array if array.size <= _MAX_CONSTANT_ELEMENTS else None

    def compile(self, node: ir.Node) -> Step:
        """Give the results of a node slots and return what computes their shapes.

        Raises:
            UnpredictableError: If there is no shape function that does.
        """
        inputs = tuple(None if value is None else self.slots.get(value.name or "") for value in node.inputs)
        if any(slot is None and value is not None for slot, value in zip(inputs, node.inputs, strict=True)):
            raise UnpredictableError
        closed = tuple(constant(value) for value in node.inputs)
        opens = tuple(slot is not None and self._opens[slot] for slot in inputs)
        is_constant = [array is not None or is_open for array, is_open in zip(closed, opens, strict=True)]
        present = [known for known, slot in zip(is_constant, inputs, strict=True) if slot is not None]
        becomes_constant = (node.domain == "" and node.op_type in arithmetic.OPENING) or (
            bool(present) and all(present)
        )
        for output in node.outputs:
            self.producers[output.name or ""] = node
        outputs = tuple(self._add(output, is_open=becomes_constant) for output in node.outputs)
        site = Site(node, inputs, outputs, closed, opens)
        if becomes_constant:
            return arithmetic.OPENING.get(node.op_type, arithmetic.expression)(site)
        maker = functions.FUNCTIONS.get((node.domain, node.op_type))
        if maker is None:
            raise UnpredictableError
        if any(is_open and not functions.takes_shapes(node.op_type, i) for i, is_open in enumerate(opens)):
            raise UnpredictableError
        return maker(site)

    def _add(self, value: ir.Value, *, is_open: bool = False) -> int:
        slot = len(self._shapes)
        self.slots[value.name or ""] = slot
        self._shapes.append(None)
        self._constants.append(None)
        self._opens.append(is_open)
        return slot
