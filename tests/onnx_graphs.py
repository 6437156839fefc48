"""Small models written in ONNX text, and the parity check that every test of the front end rests on.

The check lowers the canonical form back to standard operators and runs it and the original in ONNX Runtime,
without its optimisations: the front end is tested on its own, without the engine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import onnx.parser
import onnx_ir as ir
import onnxruntime
from numpy.typing import ArrayLike, NDArray

from zeroskip.onnx import canonicalize, load_model, to_bytes, to_standard, unsupported_nodes

Array = NDArray[Any]


def random_array(*shape: int, seed: int = 0) -> Array:
    """Return float32 numbers of a standard normal distribution."""
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def build(
    body: str,
    *,
    inputs: Mapping[str, Sequence[int | str]] | Sequence[int | str] = (2, 3, 8, 8),
    outputs: str = "y",
    constants: Mapping[str, ArrayLike] | None = None,
    opset: int = 18,
    domains: Mapping[str, int] | None = None,
) -> onnx.ModelProto:
    """Return a model from the text of its nodes.

    Args:
        body: Nodes in ONNX text syntax, such as ``y = Conv <pads = [1, 1, 1, 1]> (x, w)``.
        inputs: Shapes of the float32 inputs by name, or the shape of the only one, ``x``.
        outputs: Names of the outputs, separated by blanks; their shapes are left open.
        constants: Initializers by name; floats become float32, Python's integers int64.
        opset: Version of the default domain.
        domains: Further domains and their versions.
    """
    shapes = inputs if isinstance(inputs, Mapping) else {"x": inputs}
    arguments = ", ".join(f"float[{', '.join(map(str, shape))}] {name}" for name, shape in shapes.items())
    results = ", ".join(f"float[n] {name}" for name in outputs.split())
    graph = onnx.parser.parse_graph(f"g ({arguments}) => ({results}) {{ {body} }}")
    for output in graph.output:
        output.type.tensor_type.ClearField("shape")
    for name, value in (constants or {}).items():
        array = np.asarray(value)
        array = array.astype(np.float32) if array.dtype.kind == "f" else array
        graph.initializer.append(onnx.numpy_helper.from_array(array, name))
    versions = {"": opset, **(domains or {})}
    opsets = [onnx.helper.make_opsetid(domain, version) for domain, version in versions.items()]
    return onnx.helper.make_model(graph, opset_imports=opsets, ir_version=10)


def run(model: onnx.ModelProto | bytes, feeds: Mapping[str, Array]) -> list[Array]:
    """Run a model in ONNX Runtime as it is written."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    data = model if isinstance(model, bytes) else model.SerializeToString()
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    wanted = {value.name for value in session.get_inputs()}
    return list(session.run(None, {name: array for name, array in feeds.items() if name in wanted}))


def random_feeds(model: onnx.ModelProto, batch: int = 2, size: int = 8) -> dict[str, Array]:
    """Return random inputs for a model; open dimensions become ``batch`` (the first) or ``size``."""
    constants = {tensor.name for tensor in model.graph.initializer}
    feeds = {}
    for seed, value in enumerate(value for value in model.graph.input if value.name not in constants):
        dims = value.type.tensor_type.shape.dim
        shape = [dim.dim_value or (size if index else batch) for index, dim in enumerate(dims)]
        feeds[value.name] = random_array(*shape, seed=seed)
    return feeds


def assert_parity(
    model: onnx.ModelProto, feeds: Mapping[str, Array] | None = None, *, tolerance: float = 2e-6
) -> ir.Model:
    """Check that the canonical form is well formed and computes what the model computes; return it.

    Args:
        model: Standard ONNX.
        feeds: Inputs; random ones by default.
        tolerance: Largest difference, relative to the largest output.
    """
    feeds = random_feeds(model) if feeds is None else feeds
    canonical = canonicalize(load_model(model), {name: array.shape for name, array in feeds.items()})
    assert_well_formed(canonical)
    assert [value.name for value in canonical.graph.outputs] == [value.name for value in model.graph.output]
    actual = run(to_bytes(to_standard(canonical)), feeds)
    for value, want, got in zip(canonical.graph.outputs, run(model, feeds), actual, strict=True):
        assert tuple(value.shape) == want.shape == got.shape
        scale = max(float(np.abs(want).max(initial=0.0)), 1e-30)
        np.testing.assert_allclose(got, want, rtol=0, atol=tolerance * scale, err_msg=str(value.name))
    return canonical


def assert_well_formed(canonical: ir.Model) -> None:
    """Check what the canonical form promises to the planner."""
    assert unsupported_nodes(canonical) == []
    known = {*canonical.graph.inputs, *canonical.graph.initializers.values()}
    for node in canonical.graph:
        assert all(value in known for value in node.inputs if value is not None), node.name
        known.update(node.outputs)
        for value in node.outputs:
            assert value.shape is not None, value.name
            assert value.shape.is_static(), value.name
            assert value.dtype == ir.DataType.FLOAT, value.name
    names = [node.name for node in canonical.graph]
    assert all(names)
    assert len(set(names)) == len(names)


def op_types(model: ir.Model) -> list[str]:
    """Return the operators of a model in graph order."""
    return [node.op_type for node in model.graph]


def node_of(model: ir.Model, op_type: str) -> ir.Node:
    """Return the only node of an operator."""
    (node,) = (node for node in model.graph if node.op_type == op_type)
    return node


def values_of(value: ir.Value | None) -> Array:
    """Return the array of a constant."""
    assert value is not None
    assert value.const_value is not None
    return value.const_value.numpy()
