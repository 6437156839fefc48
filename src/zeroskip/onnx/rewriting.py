"""Changing an ``onnx_ir`` graph: rules, the loop that applies them, and the edits rules are made of.

A rule looks at one node and either leaves it alone (returns False) or changes the graph (returns True). Rules
rewrite the LAST node of their pattern in place: its output value stays the same object, so its name, its uses
and its being a graph output need no repair, and the topological order holds. What the pattern no longer needs
dies in the next sweep.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

import numpy as np
import onnx_ir as ir
import onnx_ir.passes.common as common_passes
from numpy.typing import NDArray

from ..errors import ModelError, ZeroskipError
from .functions import inline_functions
from .node_names import node_name
from .values import ZEROSKIP_DOMAIN, value_names

Rule = Callable[[ir.Node], bool]
RuleTable = Mapping[str, Sequence[Rule]]
"""Rules by the operator type of the node they look at, in the default or the zeroskip domain."""

AttributeValue = int | float | str | Sequence[int] | ir.Attr

Origin: TypeAlias = "str | tuple[Origin, ...]"
"""The name of a node of the file, or the origins of several that became one."""

_SOURCES = "zeroskip.sources"
_NAMES = "zeroskip.names."
_MAX_ROUNDS = 200


def copy_model(model: ir.Model) -> ir.Model:
    """Return a copy whose graph can be changed freely; tensors are shared with the original.

    Raises:
        ModelError: If the graph is inconsistent: a subgraph reads what no graph around it computes, a function calls
            itself, ...
    """
    with damaged_as_model_error("the model is not a valid ONNX graph"):
        copy = model.clone()
    for key in [key for key in copy.graph.meta if key.startswith(_NAMES)]:
        del copy.graph.meta[key]  # cloning shares what meta holds, and names are taken per graph
    return copy


def release_weights(model: ir.Model) -> None:
    """Let go of the weights of a model that nobody uses any more.

    A graph is full of reference cycles, so the weights would stay until the garbage collector comes, which counts
    objects and not bytes: a few dropped sessions of a large model would fill the memory.
    """
    for graph in model.graphs():
        for value in graph.initializers.values():
            value.const_value = None
        for node in graph:
            for output in node.outputs:
                output.const_value = None


def release_weights_with(owner: object, model: ir.Model) -> None:
    """Let go of the weights of a model as soon as ``owner``, whom alone it belongs to, is no more."""
    weakref.finalize(owner, release_weights, model).atexit = False


@contextmanager
def release_weights_on_error(model: ir.Model) -> Iterator[None]:
    """Let go of the weights of a model that is not finished because of an error: its folded constants are no less."""
    try:
        yield
    except BaseException:
        release_weights(model)
        raise


def flat_copy(model: ir.Model) -> ir.Model:
    """Return a copy without functions, whose constants are initializers and no inputs; tensors are shared.

    Raises:
        LimitError: If its functions would make too many nodes.
        ModelError: If a function cannot be inlined.
    """
    copy = copy_model(model)
    if copy.functions:
        inline_functions(copy)
        name_nodes(copy.graph)
    # From IR version 4 on, an initializer among the inputs is a default that runtimes do not fold.
    common_passes.RemoveInitializersFromInputsPass()(copy)
    common_passes.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(copy)
    return copy


def name_nodes(graph: ir.Graph) -> None:
    """Give every node a name of its own: messages, profiles and partitions refer to nodes by name.

    Layers that an exporter numbered are called like their weights.
    """
    seen: set[str] = set()
    for node in graph:
        name = node_name(node)
        if name != node.name or name in seen:
            node.name = fresh_node_name(graph, name)
        seen.add(node.name)


def apply_rules(graph: ir.Graph, table: RuleTable) -> None:
    """Apply rules until none of them changes the graph any more, removing nodes that nothing reads.

    Args:
        graph: Topologically sorted; changed in place.
        table: The rules, tried in order; after a rule has fired, the same node is tried again from the first
            rule of its new operator type.

    Raises:
        ModelError: If a node is malformed in a way that a rule cannot read.
    """
    for _ in range(_MAX_ROUNDS):
        if not sum(_apply_to(node, table) for node in list(graph)):
            return
        sweep(graph)
    raise ModelError("the model could not be simplified: its rewriting does not end")  # a bug, if ever


def _apply_to(node: ir.Node, table: RuleTable) -> bool:
    with malformed_as_model_error(node):
        for count in range(_MAX_ROUNDS):
            is_known = node.graph is not None and node.domain in ("", ZEROSKIP_DOMAIN)
            if not is_known or not any(rule(node) for rule in table.get(node.op_type, ())):
                return count > 0
    raise ModelError(f"{describe(node)} could not be simplified: its rewriting does not end")  # a bug, if ever


@contextmanager
def malformed_as_model_error(node: ir.Node) -> Iterator[None]:
    """Turn what a node of wrong arity, with attributes of wrong types and the like makes Python raise into ModelError.

    Checking all of it in every rule would bury the rules; a valid node never gets here.
    """
    try:
        yield
    except ZeroskipError:
        raise
    except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError, RecursionError) as error:
        raise ModelError(f"{describe(node)} is malformed: {error}") from error


@contextmanager
def damaged_as_model_error(what: str) -> Iterator[None]:
    """Turn whatever onnx_ir raises over a damaged model (it has many ways) into ModelError: "{what}: {cause}"."""
    try:
        yield
    except ZeroskipError:
        raise
    except Exception as error:
        raise ModelError(f"{what}: {first_cause(error)}") from error


def first_cause(error: BaseException) -> str:
    """Return the first line of what an error was raised from in the first place."""
    while error.__cause__ is not None:
        error = error.__cause__
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def sweep(graph: ir.Graph) -> None:
    """Remove nodes and initializers that nothing reads."""
    for node in reversed(graph):
        if not any(output.uses() or output.is_graph_output() for output in node.outputs):
            graph.remove(node, safe=True)
    for name, value in list(graph.initializers.items()):
        if not (value.uses() or value.is_graph_output() or value.is_graph_input()):
            del graph.initializers[name]


def become(
    node: ir.Node,
    op_type: str,
    inputs: Sequence[ir.Value | None],
    attributes: Mapping[str, AttributeValue] | None = None,
    *,
    own: bool = False,
    absorbs: Iterable[ir.Node] = (),
) -> bool:
    """Turn a node into another operator in place; its outputs stay.

    Args:
        node: The node to change.
        op_type: New operator.
        inputs: New inputs, None for an optional one that is left out.
        attributes: All attributes of the new operator; None keeps the present ones.
        own: Whether the operator is of the zeroskip domain.
        absorbs: Nodes whose work this one now does as well; remembered for :func:`sources`.

    Returns:
        True, so that a rule can end with it.
    """
    node.meta[_SOURCES] = _merged_origins([*absorbs, node])
    node.domain = ZEROSKIP_DOMAIN if own else ""
    node.op_type = op_type
    node.resize_inputs(len(inputs))
    for index, value in enumerate(inputs):
        if node.inputs[index] is not value:
            node.replace_input_with(index, value)
    if attributes is not None:
        node.attributes.clear()
        for key, attribute in attributes.items():
            node.attributes.add(_attribute(key, attribute))
    return True


def set_attributes(node: ir.Node, **attributes: AttributeValue) -> bool:
    """Set attributes of a node that differ from the given values; tell whether any did."""
    changed = False
    for key, value in attributes.items():
        new, old = _attribute(key, value), node.attributes.get(key)
        if old is None or old.value != new.value:
            node.attributes.add(new)
            changed = True
    return changed


def _attribute(name: str, value: AttributeValue) -> ir.Attr:
    # ir.convenience.convert_attributes does the same through checks against run-time protocols, which took
    # half of the time of canonicalisation.
    if isinstance(value, ir.Attr):
        return value
    if isinstance(value, int):
        return ir.AttrInt64(name, value)
    if isinstance(value, float):
        return ir.AttrFloat32(name, value)
    if isinstance(value, str):
        return ir.AttrString(name, value)
    return ir.AttrInt64s(name, value)


def insert_before(
    node: ir.Node,
    op_type: str,
    inputs: Sequence[ir.Value | None],
    attributes: Mapping[str, AttributeValue] | None = None,
    *,
    own: bool = False,
    shape: ir.Shape | Sequence[int] | None = None,
    name: str | None = None,
) -> ir.Value:
    """Insert a new node with one output before another and return its output.

    Args:
        node: The node to insert before.
        op_type: Operator of the new node.
        inputs: Its inputs.
        attributes: Its attributes.
        own: Whether the operator is of the zeroskip domain.
        shape: Shape of the output, if known. Its element type is that of the first input.
        name: Name of the output; by default derived from the name of ``node``'s output.
    """
    graph = owner(node)
    domain = ZEROSKIP_DOMAIN if own else ""
    new = ir.Node(domain, op_type, inputs, [_attribute(key, value) for key, value in (attributes or {}).items()])
    output = new.outputs[0]
    output.name = name or fresh_name(graph, f"{node.outputs[0].name}.{op_type.lower()}")
    new.name = fresh_node_name(graph, f"{node.name}.{op_type.lower()}")
    new.meta[_SOURCES] = _origin(node)
    output.type = inputs[0].type if inputs and inputs[0] is not None else None
    if shape is not None:
        output.shape = shape.copy() if isinstance(shape, ir.Shape) else ir.Shape(shape)
    graph.insert_before(node, new)
    return output


def add_constant(graph: ir.Graph, array: NDArray[Any], name: str) -> ir.Value:
    """Add an initializer that holds an array (not copied) under a name made unique; return its value."""
    name = fresh_name(graph, name)
    tensor = ir.Tensor(array, name=name)
    value = ir.Value(name=name, shape=ir.Shape(array.shape), type=ir.TensorType(tensor.dtype), const_value=tensor)
    graph.register_initializer(value)
    return value


def add_integers(graph: ir.Graph, items: Iterable[int], name: str) -> ir.Value:
    """Add an int64 initializer of one dimension."""
    return add_constant(graph, np.array(list(items), dtype=np.int64), name)


def replace_value(old: ir.Value, new: ir.Value) -> bool:
    """Let every reader of ``old`` read ``new``; remove the node of ``old`` unless another output of it is in use.

    When ``old`` is a graph output its name must survive: then ``new`` takes the name over, unless ``new`` has
    a name of its own to keep (graph input or output, initializer, activation), in which case the node becomes
    an Identity.
    """
    node = old.producer()
    if node is None:
        raise ValueError(f"'{old.name}' is not computed by a node")
    if old.is_graph_output():
        if _keeps_name(new):
            if node.op_type == "Identity" and node.inputs[0] is new:
                return False
            return become(node, "Identity", [new], {})
        new.name = old.name
        old.name = fresh_name(owner(node), f"{old.name}.replaced")
    old.replace_all_uses_with(new, replace_graph_outputs=True)
    if not any(output.uses() or output.is_graph_output() for output in node.outputs):
        owner(node).remove(node, safe=True)
    return True


def _keeps_name(value: ir.Value) -> bool:
    node = value.producer()
    if node is None or value.is_graph_output() or value.is_graph_input():
        return True
    return node.domain == ZEROSKIP_DOMAIN and node.op_type == "FatRelu"


def owner(node: ir.Node) -> ir.Graph:
    """Return the graph a node is in.

    Raises:
        ValueError: If the node is in no graph.
    """
    if node.graph is None:
        raise ValueError(f"node '{node.name}' is not part of a graph")
    return node.graph


def fresh_name(graph: ir.Graph, name: str) -> str:
    """Return ``name``, with a number appended if a value of the graph has it already."""
    return _fresh(graph, name, "values")


def fresh_node_name(graph: ir.Graph, name: str) -> str:
    """Return ``name``, with a number appended if a node of the graph has it already."""
    return _fresh(graph, name, "nodes")


def reserve_value_names(graph: ir.Graph) -> None:
    """See to it that no new value gets the name of one that is in the graph now, though that may go."""
    _taken(graph, "values")


def _fresh(graph: ir.Graph, name: str, kind: str) -> str:
    taken = _taken(graph, kind)
    # What was found taken stays so, so the search for a number goes on where it ended the last time.
    numbers: dict[str, int] = graph.meta.setdefault(f"{_NAMES}{kind}.numbers", {})
    candidate, number = name, numbers.get(name, 1)
    while candidate in taken:
        candidate, number = f"{name}_{number}", number + 1
    numbers[name] = max(1, number - 1)
    taken.add(candidate)
    return candidate


def _taken(graph: ir.Graph, kind: str) -> set[str]:
    # The set is kept on the graph, because collecting the names anew for every new value is quadratic. Names
    # given back by removed values stay in it, which costs nothing but a number.
    key = _NAMES + kind
    taken: set[str] | None = graph.meta.get(key)
    if taken is None:
        taken = {node.name or "" for node in graph} if kind == "nodes" else value_names(graph)
        graph.meta[key] = taken
    return taken


def sources(node: ir.Node) -> tuple[str, ...]:
    """Return the names of the nodes of the original model whose work a canonical node does."""
    names: dict[str, None] = {}
    pending, seen = [_origin(node)], set()
    while pending:
        origin = pending.pop()
        if isinstance(origin, str):
            names[origin] = None
        elif id(origin) not in seen:
            seen.add(id(origin))
            pending.extend(reversed(origin))
    return tuple(names)


def _origin(node: ir.Node) -> Origin:
    known: Origin | None = node.meta.get(_SOURCES)
    return known if known is not None else node.name or ""


def _merged_origins(nodes: Iterable[ir.Node]) -> Origin:
    # Not a list of names: in a chain whose nodes absorb each other that would be copied once for every node.
    origins = list({id(origin): origin for origin in map(_origin, nodes)}.values())
    return origins[0] if len(origins) == 1 else tuple(origins)


def describe(node: ir.Node) -> str:
    """Return how an error message names a node: its name, operator and domain."""
    domain = f"{node.domain}::" if node.domain else ""
    return f"node '{node.name}' ({domain}{node.op_type})"
