"""Inlining of the functions a model brings along: how much that would be is counted before anything is copied."""

from __future__ import annotations

from collections.abc import Iterator

import onnx_ir as ir
import onnx_ir.passes.common as common_passes

from ..errors import LimitError, ModelError

MAX_ADDED_NODES = 10_000
"""Nodes beyond those of the file that functions may become: a few hundred bytes of functions that call each other
twice could be billions."""
MAX_CALL_DEPTH = 100
"""Functions that may call each other in a row."""


def inline_functions(model: ir.Model) -> None:
    """Replace every call of a function of the model by the function's nodes; changes the model in place.

    Raises:
        LimitError: If that would make too many nodes, or calls are nested too deep.
        ModelError: If a function calls itself, or cannot be inlined.
    """
    drop_unused_functions(model)
    check_expansion(model)
    names = _FreshNames(model)
    try:
        common_passes.InlinePass(criteria=names.give)(model)
    except Exception as error:  # versions that contradict each other, too many inputs, ...
        raise ModelError(f"the functions of the model cannot be inlined: {error}") from error


def drop_unused_functions(model: ir.Model) -> None:
    """Remove the functions that no node of the graph calls, not even by another function: they would be inlined too."""
    pending, used = [model.graph.all_nodes()], set[ir.OperatorIdentifier]()
    while pending:
        called = {node.op_identifier() for node in pending.pop()}
        new = {key for key in called if key in model.functions} - used
        used |= new
        pending += [model.functions[key].all_nodes() for key in new]
    for key in [key for key in model.functions if key not in used]:
        del model.functions[key]


def check_expansion(model: ir.Model) -> None:
    """Count the nodes that a model would have without functions; raises as :func:`inline_functions`."""
    if not model.functions:
        return
    sizes: dict[ir.OperatorIdentifier, tuple[int, int]] = {}
    for key in _callees_first(model):
        sizes[key] = _expanded(model.functions[key], sizes)
    size, depth = _expanded(model.graph, sizes)
    bodies: list[ir.Graph | ir.Function] = [model.graph, *model.functions.values()]
    written = sum(len(list(body.all_nodes())) for body in bodies)
    if depth > MAX_CALL_DEPTH:
        raise LimitError(f"the functions of the model call each other {depth} deep; {MAX_CALL_DEPTH} are possible")
    if size > written + MAX_ADDED_NODES:
        raise LimitError(
            f"the functions of the model would make far more nodes of the {written} of the file; "
            f"{MAX_ADDED_NODES} more are possible"
        )


def _expanded(body: ir.Graph | ir.Function, sizes: dict[ir.OperatorIdentifier, tuple[int, int]]) -> tuple[int, int]:
    """Return the nodes and the depth of calls of a body, from those of what it calls.

    The call counts too: it is a node for a while, and functions without nodes could call each other for ever.
    """
    size, depth = 0, 0
    for node in body.all_nodes():
        inner_size, inner_depth = sizes.get(node.op_identifier(), (0, -1))
        size += 1 + inner_size
        depth = max(depth, inner_depth + 1)
    return size, depth


def _callees_first(model: ir.Model) -> list[ir.OperatorIdentifier]:
    """Return the functions so that each comes behind those it calls; without recursion, which has an end."""
    order: list[ir.OperatorIdentifier] = []
    state: dict[ir.OperatorIdentifier, bool] = {}  # False while its callees are visited
    for first in model.functions:
        stack: list[tuple[ir.OperatorIdentifier, Iterator[ir.OperatorIdentifier]]] = []
        if first not in state:
            state[first] = False
            stack.append((first, _calls(model, first)))
        while stack:
            key, calls = stack[-1]
            called = next(calls, None)
            if called is None:
                stack.pop()
                state[key] = True
                order.append(key)
            elif called not in state:
                state[called] = False
                stack.append((called, _calls(model, called)))
            elif not state[called]:
                raise ModelError(f"the function '{called[1]}' of the model calls itself")
    return order


def _calls(model: ir.Model, key: ir.OperatorIdentifier) -> Iterator[ir.OperatorIdentifier]:
    called = dict.fromkeys(node.op_identifier() for node in model.functions[key].all_nodes())
    return iter([other for other in called if other in model.functions])


class _FreshNames:
    """Gives the nodes and values of a function new names before each call is inlined.

    The pass looks for a free name by counting up from the name in the function, every time from the start, which is
    quadratic in the number of calls. The names are those it would have found.
    """

    def __init__(self, model: ir.Model) -> None:
        graph = model.graph
        values = [*graph.inputs, *(output for node in graph.all_nodes() for output in node.outputs)]
        self._taken: dict[type, set[str | None]] = {
            ir.Node: {node.name for node in graph.all_nodes()},
            ir.Value: {value.name for value in values} | set(graph.initializers),
        }
        self._names: dict[ir.Node | ir.Value, str] = {}
        self._counts: dict[tuple[type, str], int] = {}

    def give(self, function: ir.Function) -> bool:
        """Rename the inside of a function; tells the pass to inline it."""
        for node in function.all_nodes():
            node.name = self._next(node, ir.Node, node.name or "node")
            for output in node.outputs:
                output.name = self._next(output, ir.Value, output.name or "val")
        return True

    def _next(self, item: ir.Node | ir.Value, kind: type, present: str) -> str:
        name = self._names.setdefault(item, present)
        count, taken = self._counts.get((kind, name), 1), self._taken[kind]
        candidate = name if count == 1 else f"{name}_{count}"
        while candidate in taken:
            count += 1
            candidate = f"{name}_{count}"
        self._counts[kind, name] = count
        taken.add(candidate)
        return candidate
