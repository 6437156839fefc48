"""What the shape functions work on: one node of a graph, and the state of one propagation."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import onnx_ir as ir
from numpy.typing import NDArray

Shape: TypeAlias = tuple[int, ...]
Array: TypeAlias = NDArray[Any]


class UnpredictableError(Exception):
    """Shapes, or the decisions that hang on them, that only the whole way of specialising can tell."""


@dataclass(eq=False)
class State:
    """One propagation.

    Args:
        shapes: By slot of a value, None before it is known.
        constants: By slot: arrays known so far, small ones only.
        facts: What decisions depend on, in the order of the nodes.
    """

    shapes: list[Shape | None]
    constants: list[Array | None]
    facts: list[Hashable] = field(default_factory=list)

    def shape(self, slot: int | None) -> Shape:
        """Return the shape in a slot.

        Raises:
            UnpredictableError: If it is not known.
        """
        shape = None if slot is None else self.shapes[slot]
        if shape is None:
            raise UnpredictableError
        return shape

    def integers(self, slot: int | None) -> Shape:
        """Return the constant in a slot as integers; raises like :meth:`shape`."""
        array = None if slot is None else self.constants[slot]
        if array is None or array.dtype.kind not in "iu":
            raise UnpredictableError
        return tuple(array.reshape(-1).tolist())


@dataclass(frozen=True, eq=False)
class Site:
    """A node and the slots of its values.

    Args:
        node: Of a graph that is not changed any more.
        inputs: Slots; None for an input that is left out.
        outputs: Slots.
        closed: By input: the array of a constant that depends on no shape, None for others.
        opens: By input: whether it is a constant that depends on shapes.
    """

    node: ir.Node
    inputs: tuple[int | None, ...]
    outputs: tuple[int, ...]
    closed: tuple[Array | None, ...]
    opens: tuple[bool, ...]

    def slot(self, index: int) -> int | None:
        """Return the slot of an input, None when it is left out."""
        return self.inputs[index] if index < len(self.inputs) else None

    def array(self, index: int) -> Array | None:
        """Return an input that is a constant of the model, None when it is none."""
        return self.closed[index] if index < len(self.closed) else None

    def integers(self, name: str) -> Shape | None:
        """Return an attribute that is a list of integers."""
        found = self.node.attributes.get_ints(name)
        return None if found is None else tuple(found)

    def integer(self, name: str, default: int) -> int:
        """Return an attribute that is an integer."""
        return self.node.attributes.get_int(name, default)


Step: TypeAlias = Callable[[State], None]
"""Reads the shapes of a node's inputs and writes those of its outputs."""

StepMaker: TypeAlias = Callable[[Site], Step]
"""Reads a node once; raises UnpredictableError where its shapes can never be told."""
