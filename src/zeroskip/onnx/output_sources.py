"""Outputs that need no computing once the shapes are known: constants, and inputs handed through."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from .numbers import numpy_type
from .rewriting import sweep
from .values import constant, is_op


@dataclass(frozen=True)
class OutputSource:
    """Where an output of a graph comes from; exactly one of the three is set.

    Args:
        computed: Its position among the outputs that have to be computed.
        input_name: The graph input that it is.
        value: The constant that it is.
        dtype: Its type, where it is computed as float32 numbers that stand for whole numbers or truth values.
    """

    computed: int | None = None
    input_name: str | None = None
    value: NDArray[Any] | None = None
    dtype: np.dtype[Any] | None = None

    def of(self, computed: Sequence[NDArray[Any]], inputs: Mapping[str, Any]) -> Any:
        """Return the output.

        Args:
            computed: What was computed.
            inputs: The inputs of the graph by name.
        """
        if self.computed is not None:
            found = computed[self.computed]
            if self.dtype is None:
                return found
            with np.errstate(invalid="ignore"):  # NaN is no whole number, whatever it becomes
                return found.astype(self.dtype)
        return inputs[self.input_name] if self.input_name is not None else np.array(self.value)


def settle_outputs(model: ir.Model) -> tuple[OutputSource, ...]:
    """Take the outputs that need no computing off a specialised graph, and the inputs that nothing reads then.

    Float32 inputs handed through count as computed: the plan copies them.

    Args:
        model: Specialised; changed in place.

    Returns:
        The source of every output there was, in order.
    """
    graph = model.graph
    found: list[OutputSource] = []
    computed: list[ir.Value] = []
    for output in graph.outputs:
        origin = _origin(output)
        array = _constant_or_initializer(origin)
        if array is not None:
            found.append(OutputSource(value=np.array(array)))
        elif origin.is_graph_input() and origin.type != ir.TensorType(ir.DataType.FLOAT):
            found.append(OutputSource(input_name=origin.name))
        else:  # a value may be returned more than once
            if output not in computed:
                computed.append(output)
            found.append(OutputSource(computed=computed.index(output), dtype=numpy_type(output)))
    if len(computed) < len(found):
        graph.outputs[:] = computed
        sweep(graph)
    graph.inputs[:] = [value for value in graph.inputs if value.uses() or value.is_graph_output()]
    return tuple(found)


def _origin(value: ir.Value) -> ir.Value:
    """Return the value that another one is by being its Identity."""
    node = value.producer()
    while is_op(node, "Identity") and node is not None and node.inputs[0] is not None:
        value = node.inputs[0]
        node = value.producer()
    return value


def _constant_or_initializer(value: ir.Value) -> NDArray[Any] | None:
    if value.dtype == ir.DataType.STRING and value.const_value is not None:
        return value.const_value.numpy()
    return constant(value)
