"""Cutting a model in two kinds of parts: what the native engine runs, and islands for another runtime.

Parts are made of the nodes of the model as it was loaded, so an island is computed from the very operators of
the file. Nodes get a *stage*: the number of changes between the kinds on the longest way to them. All nodes of
a stage are one part, so there are as few parts as the graph allows, and none waits for one behind it.

Nodes that only compute constants once the shapes are known (the arithmetic behind a Reshape) belong to no
part: each part that needs them gets a copy. Otherwise a size taken from the input and used at the end would
cross every island on its way as a value that nobody knows beforehand.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import onnx_ir as ir

from .bodies import bodies, constants_inside
from .canonical.pipeline import ValueInfo
from .rewriting import release_weights_with
from .values import constant

_TYPES_NUMPY_HAS = frozenset(
    {
        ir.DataType.FLOAT, ir.DataType.DOUBLE, ir.DataType.FLOAT16, ir.DataType.INT8, ir.DataType.INT16,
        ir.DataType.INT32, ir.DataType.INT64, ir.DataType.UINT8, ir.DataType.UINT16, ir.DataType.UINT32,
        ir.DataType.UINT64, ir.DataType.BOOL, ir.DataType.STRING,
    }
)  # fmt: skip

BOUNDED_CONSTANTS = "zeroskip.bounded_constants"
"""Entry of a graph's ``meta``: whether everything it computes of constants only has been, within the limits."""

_MOST_CONSTANTS_INSIDE = 1 << 26
"""Elements that the bodies of control flow may compute of constants, so that ONNX Runtime may do so at once."""

MAX_PARTS = 200
"""Each costs two copies and a session; a model cut into more is faster in the other runtime as a whole."""


@dataclass(frozen=True, eq=False)
class Part:
    """A connected run of stages of one kind, as a model of its own.

    Args:
        is_native: Whether the native engine runs it.
        model: Its nodes, between ``inputs`` and ``outputs``; tensors are shared with the whole.
        inputs: Names of the values it reads: graph inputs, and outputs of earlier parts.
        outputs: Names of the values that later parts read, or that the graph returns.
        nodes: Names of its nodes, in order; without the copies of shape arithmetic.
    """

    is_native: bool
    model: ir.Model
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    nodes: tuple[str, ...]


class Partitioner:
    """Cuts one model, again and again, as more of its nodes turn out to be for islands.

    Args:
        model: Without functions, see ``flat_copy``, and without nodes that nothing reads; not changed.
        values: What is known of its values, from ``infer_values``.
    """

    def __init__(self, model: ir.Model, values: Mapping[str, ValueInfo]) -> None:
        self._model = model
        self._values = values
        self._nodes = list(model.graph)
        self._position = {node: index for index, node in enumerate(self._nodes)}
        self._reads = {node: list(dict.fromkeys(_computed_reads(node, model.graph))) for node in self._nodes}
        self._readers: dict[ir.Value, list[ir.Node]] = {}
        for node, values_read in self._reads.items():
            for value in values_read:
                self._readers.setdefault(value, []).append(node)
        self._known = {node for node in self._nodes if self._is_folded(node)}
        self._folded = self._known
        self._has_bounded_constants = not self._unfolded_constants()
        model.graph.meta[BOUNDED_CONSTANTS] = self._has_bounded_constants

    def split(self, islands: Collection[str]) -> tuple[Part, ...]:
        """Return the parts in an order in which they can run; none if there would be too many to be worth it.

        Args:
            islands: Names of the nodes that the native engine shall not run. One that computes constants is in
                a part of its own right then, and no copy of it is made.
        """
        self._folded = {node for node in self._known if node.name not in islands}
        stages = self._stages(set(islands))
        groups: dict[int, list[ir.Node]] = {}
        for node in self._nodes:
            if node in stages:
                groups.setdefault(stages[node], []).append(node)
        if len(groups) > MAX_PARTS:
            return ()
        return tuple(self._part(groups[stage], is_native=stage % 2 == 0) for stage in sorted(groups))

    def _unfolded_constants(self) -> bool:
        """Tell whether some nodes compute constants that were not computed here, so that nobody knows their cost."""
        constants: set[ir.Node] = set()
        inside = 0.0
        for node in self._nodes:
            inside += 0 if node in self._folded else constants_inside(node)
            if inside > _MOST_CONSTANTS_INSIDE:
                return True
            if all(value.producer() in constants for value in self._reads[node]):
                constants.add(node)
        return not constants <= self._folded

    @property
    def arithmetic(self) -> frozenset[str]:
        """Names of the nodes that only compute constants, copied to the parts of the latest split that need them."""
        return frozenset(node.name or "" for node in self._folded)

    def prefix(self, part: Part, count: int) -> Part:
        """Return the first nodes of a part of the latest split as a part."""
        names = set(part.nodes[:count])
        return self._part([node for node in self._nodes if node.name in names], is_native=part.is_native)

    # ------------------------------------------------------------------ stages

    def _stages(self, islands: set[str]) -> dict[ir.Node, int]:
        """Return the stage of every node that is in a part: even for native ones, odd for islands."""
        stages: dict[ir.Node, int] = {}
        for node in self._nodes:
            if node in self._folded and not any(output.is_graph_output() for output in node.outputs):
                continue
            parity = int(node.name in islands)
            before = max((stages[other] for other in self._producers(node) if other in stages), default=parity)
            stages[node] = before + (before + parity) % 2
        return _merged(stages, {node: self._producers(node) for node in stages})

    def _producers(self, node: ir.Node) -> list[ir.Node]:
        """Return the nodes of parts whose results a node needs, looking through shape arithmetic."""
        return [
            producer
            for value in self._boundary_reads([node])
            if (producer := value.producer()) is not None and producer is not node
        ]

    def _boundary_reads(self, nodes: Sequence[ir.Node]) -> list[ir.Value]:
        """Return the values that nodes, with the shape arithmetic they need, read from elsewhere."""
        inside = self._with_arithmetic(nodes)
        reads = [value for node in self._ordered(inside) for value in self._reads[node]]
        return [value for value in dict.fromkeys(reads) if value.producer() not in inside]

    def _ordered(self, nodes: Iterable[ir.Node]) -> list[ir.Node]:
        return sorted(nodes, key=self._position.__getitem__)

    def _with_arithmetic(self, nodes: Sequence[ir.Node]) -> Collection[ir.Node]:
        """Return nodes and the shape arithmetic in front of them."""
        inside = dict.fromkeys(nodes)
        pending = list(nodes)
        while pending:
            for value in self._reads[pending.pop()]:
                producer = value.producer()
                if producer in self._folded and producer not in inside:
                    inside[producer] = None
                    pending.append(producer)
        return inside.keys()

    def _is_folded(self, node: ir.Node) -> bool:
        infos = [self._values.get(value.name or "") for value in node.outputs]
        return all(info is not None and info.is_folded for info in infos)

    # ------------------------------------------------------------------- parts

    def _part(self, nodes: list[ir.Node], *, is_native: bool) -> Part:
        ordered = self._ordered(self._with_arithmetic(nodes))
        inputs = self._boundary_reads(nodes)
        own = set(nodes)
        outputs = [value for node in nodes for value in node.outputs if self._is_read_outside(value, own)]
        model = self._extracted(ordered, inputs, outputs)
        part = Part(
            is_native,
            model,
            tuple(value.name or "" for value in inputs),
            tuple(value.name or "" for value in outputs),
            tuple(node.name or "" for node in nodes),
        )
        release_weights_with(part, model)
        return part

    def _is_read_outside(self, value: ir.Value, own: set[ir.Node]) -> bool:
        if value.is_graph_output():
            return True
        pending = list(self._readers.get(value, ()))
        seen = set(pending)
        while pending:  # a copy of shape arithmetic reads the value wherever the copy is
            node = pending.pop()
            if node not in self._folded and node not in own:
                return True
            if node in self._folded:
                users = {reader for output in node.outputs for reader in self._readers.get(output, ())}
                pending += users - seen
                seen |= users
        return False

    def _extracted(self, nodes: list[ir.Node], inputs: list[ir.Value], outputs: list[ir.Value]) -> ir.Model:
        graph = self._model.graph
        constants = {value: None for node in nodes for value in _all_reads(node, graph) if value.is_initializer()}
        view = ir.GraphView(
            inputs,
            outputs,
            nodes=nodes,
            initializers=tuple(constants),
            opset_imports=graph.opset_imports,
            name=graph.name or "part",
        )
        model = ir.Model(view.clone(), ir_version=self._model.ir_version)
        model.graph.meta[BOUNDED_CONSTANTS] = self._has_bounded_constants
        sources = {value.name for value in graph.inputs}
        for value in model.graph.inputs:
            self._complete_type(value)
            if value.name not in sources:
                value.shape = None  # what a file records of values inside may be an accident of the export
        for value in model.graph.outputs:
            self._complete_type(value)
            value.shape = None
        return model

    def _complete_type(self, value: ir.Value) -> None:
        info = self._values.get(value.name or "")
        if value.type is None and info is not None:
            value.type = info.type


def whole_part(model: ir.Model) -> Part:
    """Return a whole model as one island."""
    graph = model.graph
    return Part(
        is_native=False,
        model=model,
        inputs=tuple(value.name or "" for value in graph.inputs if not value.is_initializer()),
        outputs=tuple(value.name or "" for value in graph.outputs),
        nodes=tuple(node.name or "" for node in graph),
    )


def can_cross(parts: Sequence[Part]) -> bool:
    """Tell whether numpy has the element type of every value that goes from one part to another."""
    crossing = {name for part in parts for name in part.inputs}
    return all(
        value.type is None or value.type.dtype in _TYPES_NUMPY_HAS
        for part in parts
        for value in part.model.graph.outputs
        if value.name in crossing
    )


def _merged(stages: dict[ir.Node, int], producers: Mapping[ir.Node, list[ir.Node]]) -> dict[ir.Node, int]:
    """Move whole stages back to the next one of their kind where nothing in between reads them."""
    groups: dict[int, list[ir.Node]] = {}
    for node, stage in stages.items():
        groups.setdefault(stage, []).append(node)
    for stage in range(max(groups, default=0) - 1):
        members = set(groups.get(stage, ()))
        if members and members.isdisjoint(other for node in groups.get(stage + 1, ()) for other in producers[node]):
            _move(groups, stage, stage + 2)
            # Its neighbours on both sides are of one kind and can be one part now.
            _move(groups, stage - 1, stage + 1)
    return {node: stage for stage, nodes in groups.items() for node in nodes}


def _move(groups: dict[int, list[ir.Node]], source: int, target: int) -> None:
    """Put a group to another one, the smaller to the larger, so that many moves take no square of the time."""
    smaller, larger = sorted((groups.pop(source, []), groups.pop(target, [])), key=len)
    if larger:
        groups[target] = larger
        larger.extend(smaller)


def _computed_reads(node: ir.Node, graph: ir.Graph) -> Iterator[ir.Value]:
    return (value for value in _all_reads(node, graph) if not value.is_initializer() and constant(value) is None)


def _all_reads(node: ir.Node, graph: ir.Graph) -> Iterator[ir.Value]:
    """Yield what a node reads of its own graph, also from inside the bodies of control flow."""
    yield from (value for value in node.inputs if value is not None)
    for attribute in node.attributes.values():
        for body in bodies(attribute):
            for inner in body.all_nodes():
                yield from (value for value in inner.inputs if value is not None and value.graph is graph)
            yield from (value for value in _returned(body) if value.graph is graph)


def _returned(body: ir.Graph) -> Iterator[ir.Value]:
    yield from body.outputs
    for node in body:
        for attribute in node.attributes.values():
            for inner in bodies(attribute):
                yield from _returned(inner)
