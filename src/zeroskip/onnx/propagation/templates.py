"""Canonical graphs that are kept, and given the sizes of further input shapes."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from ..canonical.pipeline import MAX_ELEMENTS
from ..output_sources import OutputSource
from ..rewriting import release_weights
from ..support import depends_on_size, reason_against
from ..values import constant, is_op, is_own, static_shape
from .functions import FUNCTIONS, parted
from .program import Facts, ShapeProgram
from .site import Array, Shape, Site, State, Step, UnpredictableError

_MAX_TEMPLATES = 4
_MAX_OWN_BYTES = 4 << 20

_OWN_CONSTANTS = {
    "Add": (0, 1), "ChannelAffine": (1, 2), "Clip": (1, 2), "Conv": (1, 2), "DequantizeLinear": (1, 2), "Div": (0, 1),
    "Expand": (1,), "FatRelu": (1,), "Linear": (1, 2), "Max": (0, 1), "Min": (0, 1), "Mul": (0, 1), "Pad": (1, 2, 3),
    "QuantizeLinear": (1, 2), "Recurrence": (1, 2), "Reshape": (1,), "Resize": (1, 2, 3), "Slice": (1, 2, 3, 4),
    "Split": (1,), "Sub": (0, 1),
    **{f"Reduce{kind}": (1,) for kind in ("L1", "L2", "Max", "Mean", "Min", "Prod", "Sum", "SumSquare")},
}  # fmt: skip
"""Inputs for which rules make constants: of constants and facts only, or read by nobody but for a shape."""

_TARGETED = ("Reshape", "Resize", "Split", "Expand", "Tile", "Squeeze", "Unsqueeze", "Slice")
"""Operators whose result has a shape that is written in constants."""


class Template:
    """A canonical graph into which sizes can be written.

    Args:
        program: Of the prepared model that it was made from.
        model: Specialised and settled; belongs to the template from now on.
        sources: Where its outputs come from.
        state: What the program found for the shapes that the model has now.

    Raises:
        UnpredictableError: If its sizes cannot be told from those of the prepared model.
    """

    def __init__(self, program: ShapeProgram, model: ir.Model, sources: tuple[OutputSource, ...], state: State) -> None:
        if any(source.value is not None for source in sources):
            raise UnpredictableError
        self.model = model
        self.sources = sources
        self._program = program
        self._count = len(state.shapes)
        self._slots: dict[ir.Value, int] = {}
        self._constants: list[Array | None] = []
        self._steps: list[Step] = []
        self._values: list[tuple[ir.Value, int]] = []
        self._slices: list[tuple[ir.Node, ir.Node]] = []
        self._judged = [node for node in model.graph if depends_on_size(node)]
        for value in model.graph.inputs:
            self._take(value, program.slots[value.name or ""])
        for value in model.graph.initializers.values():
            self._add_constant(value)
        for node in model.graph:
            self._add_node(node)
        before = [static_shape(value) for value, _ in self._values]
        if self._shapes(state) != before:
            raise UnpredictableError

    def resize(self, state: State) -> None:
        """Write the sizes of another propagation of equal facts.

        Raises:
            UnpredictableError: If a value would be too large, or a node is not supported at its size.
        """
        shapes = self._shapes(state)
        if any(math.prod(shape) > MAX_ELEMENTS for shape in shapes):
            raise UnpredictableError
        for (value, _), shape in zip(self._values, shapes, strict=True):
            value.shape = ir.Shape(shape)
        for node, original in self._slices:
            self._resize_slice(node, original, state)
        if any(reason_against(node) is not None for node in self._judged):  # for the long way to say
            raise UnpredictableError

    def _shapes(self, state: State) -> list[Shape]:
        del state.shapes[self._count :]  # of another template
        state.shapes.extend(None if array is None else array.shape for array in self._constants)
        state.constants[self._count :] = self._constants
        ShapeProgram.resume(state, self._steps)
        return [state.shape(slot) for _, slot in self._values]

    def _take(self, value: ir.Value, slot: int) -> None:
        self._slots[value] = slot
        self._values.append((value, slot))

    def _new_slot(self, array: Array | None = None) -> int:
        self._constants.append(array)
        return self._count + len(self._constants) - 1

    def _add_constant(self, value: ir.Value) -> None:
        slot = self._program.slots.get(value.name or "")
        if slot is not None:
            self._slots[value] = slot
            return
        if any(usage.idx not in _OWN_CONSTANTS.get(usage.node.op_type, ()) for usage in value.uses()):
            raise UnpredictableError
        self._slots[value] = self._new_slot(constant(value))

    def _add_node(self, node: ir.Node) -> None:
        names = [output.name or "" for output in node.outputs]
        # An activation may have kept its name and moved to the other side of a transposition.
        if not is_own(node) and all(name in self._program.slots for name in names):
            for name, output in zip(names, node.outputs, strict=True):
                self._take(output, self._program.slots[name])
            original = self._program.producers.get(names[0])
            if is_op(node, "Slice") and is_op(original, "Slice") and original is not None:
                if _reads(node) != _reads(original):
                    raise UnpredictableError  # it took others in: its bounds are not those of the original alone
                self._slices.append((node, original))
            return
        if (shuffled := self._shuffled(node)) is not None:
            self._add_parted(node, shuffled)
            return
        maker = FUNCTIONS.get((node.domain, node.op_type))
        if maker is None or (node.op_type in _TARGETED and not self._is_gathered(node)):
            raise UnpredictableError
        inputs = tuple(None if value is None else self._slots[value] for value in node.inputs)
        closed = tuple(constant(value) for value in node.inputs)
        for output in node.outputs:
            self._take(output, self._new_slot())
        outputs = tuple(self._slots[output] for output in node.outputs)
        self._steps.append(maker(Site(node, inputs, outputs, closed, (False,) * len(inputs))))

    def _shuffled(self, node: ir.Node) -> ir.Node | None:
        """Return the DepthToSpace or SpaceToDepth that begins with this reshape to six axes."""
        chain = [node]
        while len(chain) < 3 and len(readers := list(chain[-1].outputs[0].uses())) == 1:
            chain.append(readers[0].node)
        if [item.op_type for item in chain] != ["Reshape", "Transpose", "Reshape"]:
            return None
        original = self._program.producers.get(chain[-1].outputs[0].name or "")
        return original if is_op(original, "DepthToSpace", "SpaceToDepth") else None

    def _add_parted(self, node: ir.Node, original: ir.Node) -> None:
        value, source = node.outputs[0], original.inputs[0]
        known = static_shape(value)
        if known is None or source is None or len(known) != 6:
            raise UnpredictableError
        x, slot, op_type = self._program.slots[source.name or ""], self._new_slot(), original.op_type
        block = original.attributes.get_int("blocksize", 0)
        self._take(value, slot)

        def step(state: State) -> None:
            state.shapes[slot] = parted(known, state.shape(x), block, op_type)

        self._steps.append(step)

    def _is_gathered(self, node: ir.Node) -> bool:
        """Whether a node is the slice that a Gather of one index became: its bounds are constants by the facts."""
        readers = [usage.node for usage in node.outputs[0].uses()]
        names = [reader.outputs[0].name or "" for reader in readers]
        producers = self._program.producers
        return is_op(node, "Slice") and all(is_op(producers.get(name), "Gather") for name in names)

    def _resize_slice(self, node: ir.Node, original: ir.Node, state: State) -> None:
        """Write the bounds of a slice as ``canonical`` does: counted from the front, within the size."""
        slots = [self._program.slots[value.name or ""] for value in original.inputs[:3] if value is not None]
        x = state.shape(slots[0])
        starts, ends = (state.integers(slot) for slot in slots[1:])
        axes = constant(node.inputs[3]) if len(node.inputs) > 3 else None
        if axes is None or len(node.inputs) != 5:
            raise UnpredictableError
        pairs = zip(starts, ends, axes.tolist(), strict=True)
        bounds = np.array([slice(start, end).indices(x[axis])[:2] for start, end, axis in pairs], np.int64)
        for value, column in zip(node.inputs[1:3], bounds.T, strict=True):
            if value is not None and (value.name or "") not in self._program.slots:
                value.const_value = ir.Tensor(np.ascontiguousarray(column), name=value.name)


def _reads(node: ir.Node) -> str | None:
    """Return the name of a node's first operand."""
    return node.inputs[0].name if node.inputs and node.inputs[0] is not None else None


class Templates:
    """The canonical graphs of one prepared model that are kept, one for each set of facts; few, and the latest ones.

    Not safe to use from several threads at once: a template belongs to one shape until the next one is asked for.

    Args:
        prepared: From ``prepare``; only read.
    """

    def __init__(self, prepared: ir.Model) -> None:
        self._prepared = prepared
        self._program: ShapeProgram | None = None
        self._is_predictable = True
        self._first: tuple[Sequence[Shape], ir.Model, tuple[OutputSource, ...]] | None = None
        self._kept: OrderedDict[Facts, Template] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept) + (self._first is not None)

    def keep(self, shapes: Sequence[Shape], model: ir.Model, sources: tuple[OutputSource, ...]) -> None:
        """Take over a model for later shapes, or let go of its weights.

        Args:
            shapes: Shapes of the inputs of the prepared model.
            model: The prepared model specialised for them and settled, found to be supported.
            sources: Where its outputs come from.
        """
        if not self._is_predictable or self._own_bytes(model) > _MAX_OWN_BYTES:
            release_weights(model)
        elif self._program is None and self._first is None:
            self._first = (shapes, model, sources)  # most models never see another shape: nothing more to do yet
        else:
            self._add(shapes, model, sources)

    def specialize(self, shapes: Sequence[Shape]) -> Template | None:
        """Return a template of these sizes, None if the model has to be specialised the long way."""
        if not self._is_predictable or (self._first is None and not self._kept):
            return None
        program = self._compiled()
        try:
            if program is None:
                return None
            found = program.run(shapes)
            template = self._kept.get(found.facts)
            if template is not None:
                self._kept.move_to_end(found.facts)
                template.resize(found.state)
            return template
        except UnpredictableError:
            return None

    def release(self) -> None:
        """Let go of the weights of all templates."""
        if self._first is not None:
            release_weights(self._first[1])
        self._first = None
        for template in self._kept.values():
            release_weights(template.model)
        self._kept.clear()

    def _compiled(self) -> ShapeProgram | None:
        if self._program is None and self._is_predictable:
            try:
                self._program = ShapeProgram(self._prepared)
            except UnpredictableError:
                self._is_predictable = False
                self.release()
                return None
        if self._first is not None:
            (shapes, model, sources), self._first = self._first, None
            self._add(shapes, model, sources)
        return self._program

    def _add(self, shapes: Sequence[Shape], model: ir.Model, sources: tuple[OutputSource, ...]) -> None:
        try:
            program = self._compiled()
            if program is None:
                raise UnpredictableError
            found = program.run(shapes)
            if (old := self._kept.pop(found.facts, None)) is not None:
                release_weights(old.model)
            self._kept[found.facts] = Template(program, model, sources, found.state)
        except UnpredictableError:
            release_weights(model)
        while len(self._kept) > _MAX_TEMPLATES:
            release_weights(self._kept.popitem(last=False)[1].model)

    def _own_bytes(self, model: ir.Model) -> int:
        """Return the size of the constants that only this model has."""
        shared = {id(value.const_value) for value in self._prepared.graph.initializers.values()}
        tensors = [value.const_value for value in model.graph.initializers.values()]
        return sum(tensor.nbytes for tensor in tensors if tensor is not None and id(tensor) not in shared)
