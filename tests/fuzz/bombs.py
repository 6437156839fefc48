"""Small models that ask for a lot: what mutation starts from to find more of their kind."""

from __future__ import annotations

import functools
import itertools
import warnings

import numpy as np
import onnx
import onnx.parser
from onnx import helper, numpy_helper

_OPSETS = [helper.make_opsetid("", 18), helper.make_opsetid("own", 1)]

# Name: nodes between the input x and the output y, and integer or float constants.
_FOLDS: dict[str, tuple[str, dict[str, list[int] | list[float] | float]]] = {
    "constant of shape": ("c = ConstantOfShape(big) r = ReduceMax(c) y = Add(x, r)", {"big": [1 << 14, 1 << 14]}),
    "expand": ("e = Expand(one, big) r = ReduceMax(e) y = Add(x, r)", {"big": [1 << 15, 1 << 15], "one": 1.0}),
    "tile": ("t = Tile(some, big) r = ReduceMax(t) y = Add(x, r)", {"big": [1 << 30], "some": [1.0, 2.0]}),
    "range": (
        "r = Range(zero, end, step) m = ReduceMax(r) y = Add(x, m)",
        {"zero": 0.0, "end": 1e9, "step": 1.0},
    ),
    "tiny steps": (
        "r = Range(zero, end, step) m = ReduceMax(r) y = Add(x, m)",
        {"zero": 0.0, "end": 1.0, "step": 1e-30},
    ),
    "non zero": (
        "c = ConstantOfShape <value = float[1] {1.0}> (big) n = NonZero(c) f = Cast <to = 1> (n) "
        "r = ReduceMax(f) y = Add(x, r)",
        {"big": [1 << 12, 1 << 12]},
    ),
    "max pool": (
        "c = ConstantOfShape(big) m = MaxPool <kernel_shape = [511, 511], strides = [1, 1]> (c) "
        "r = ReduceMax(m) y = Add(x, r)",
        {"big": [1, 8, 1024, 1024]},
    ),
    "convolution": (
        "c = ConstantOfShape(big) w = ConstantOfShape(window) m = Conv(c, w) r = ReduceMax(m) y = Add(x, r)",
        {"big": [1, 64, 256, 256], "window": [64, 64, 31, 31]},
    ),
    "matrix product": (
        "c = ConstantOfShape(big) m = MatMul(c, c) r = ReduceMax(m) y = Add(x, r)",
        {"big": [1 << 13, 1 << 13]},
    ),
    "pad": (
        "p = Pad(some, pads) r = ReduceMax(p) y = Add(x, r)",
        {"some": [1.0, 2.0], "pads": [1 << 30, 1 << 30]},
    ),
    "resize": (
        'c = ConstantOfShape(big) s = Resize <mode = "cubic"> (c, , scales) r = ReduceMax(s) y = Add(x, r)',
        {"big": [1, 1, 64, 64], "scales": [1.0, 1.0, 512.0, 512.0]},
    ),
    "one hot": (
        "i = ConstantOfShape <value = int64[1] {1}> (big) o = OneHot(i, depth, values) r = ReduceMax(o) y = Add(x, r)",
        {"big": [1 << 10], "depth": [1 << 20], "values": [0.0, 1.0]},
    ),
    "einsum": (
        'c = ConstantOfShape(big) e = Einsum <equation = "abc,dbf->adf"> (c, c) r = ReduceMax(e) y = Add(x, r)',
        {"big": [512, 512, 64]},
    ),
    "cumulative sum": (
        "c = ConstantOfShape(big) s = CumSum(c, axis) r = ReduceMax(s) y = Add(x, r)",
        {"big": [1 << 13, 1 << 13], "axis": 0},
    ),
    "sort": (
        "c = ConstantOfShape(big) v, i = TopK(c, k) r = ReduceMax(v) y = Add(x, r)",
        {"big": [1 << 10, 1 << 14], "k": [1 << 13]},
    ),
    "growing chain": (
        " ".join(
            ["a0 = Concat <axis = 0> (some, some)"]
            + [f"a{level} = Concat <axis = 0> (a{level - 1}, a{level - 1})" for level in range(1, 30)]
            + ["r = ReduceMax(a29) y = Add(x, r)"]
        ),
        {"some": [1.0, 2.0]},
    ),
    "output of a giant": (
        "r = Resize(x, , scales) m = ReduceMax(r) y = Add(x, m)",
        {"scales": [1e4, 1e4]},
    ),
    "many parts": (
        " ".join(f"s{i}, t{i} = Split <axis = 1, num_outputs = 2> (x)" for i in range(40)) + " y = Relu(x)",
        {},
    ),
}  # fmt: skip


def _fold(body: str, constants: dict[str, list[int] | list[float] | float]) -> onnx.ModelProto:
    graph = onnx.parser.parse_graph(f"g (float[1, 4] x) => (float[a, b] y) {{ {body} }}")
    for name, values in constants.items():
        array = np.array(values)
        array = array.astype(np.float32 if array.dtype.kind == "f" else np.int64)
        graph.initializer.append(numpy_helper.from_array(array, name))
    return helper.make_model(graph, opset_imports=_OPSETS[:1], ir_version=10)


def _strings() -> onnx.ModelProto:
    """StringConcat doubles a text in each of its nodes."""
    nodes = [helper.make_node("StringConcat", ["s0", "s0"], ["s1"])]
    nodes += [helper.make_node("StringConcat", [f"s{i}", f"s{i}"], [f"s{i + 1}"]) for i in range(1, 36)]
    nodes += [helper.make_node("Relu", ["x"], ["y"])]
    text = helper.make_tensor("s0", onnx.TensorProto.STRING, [1], [b"text"])
    outputs = [_value("y"), helper.make_tensor_value_info("s36", onnx.TensorProto.STRING, [1])]
    graph = helper.make_graph(nodes, "g", [_value("x")], outputs, [text])
    opsets = [helper.make_opsetid("", 20)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def _functions(levels: int, calls: int) -> onnx.ModelProto:
    """Functions that call the one below several times."""
    functions = [_function("F0", [helper.make_node("Relu", ["a"], ["b"])])]
    for level in range(1, levels):
        names = ["a", *(f"t{index}" for index in range(1, calls)), "b"]
        nodes = [
            helper.make_node(f"F{level - 1}", [source], [target], domain="own")
            for source, target in itertools.pairwise(names)
        ]
        functions.append(_function(f"F{level}", nodes))
    call = helper.make_node(f"F{levels - 1}", ["x"], ["y"], domain="own")
    graph = helper.make_graph([call], "g", [_value("x")], [_value("y")])
    return helper.make_model(graph, opset_imports=_OPSETS, functions=functions, ir_version=10)


def _function(name: str, nodes: list[onnx.NodeProto]) -> onnx.FunctionProto:
    return helper.make_function("own", name, ["a"], ["b"], nodes, _OPSETS)


def _sizes_without_data() -> list[onnx.ModelProto]:
    """Initializers of sizes for which there are no data."""
    found = []
    for data_type in (onnx.TensorProto.FLOAT, onnx.TensorProto.STRING, onnx.TensorProto.INT4):
        model = _fold("y = Relu(x)", {})
        model.graph.initializer.append(onnx.TensorProto(name="k", data_type=data_type, dims=[1 << 30]))
        found.append(model)
    sparse = _fold("y = Relu(x)", {})
    values = helper.make_tensor("k", onnx.TensorProto.FLOAT, [1], [1.0])
    indices = helper.make_tensor("k_indices", onnx.TensorProto.INT64, [1], [3])
    sparse.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [1 << 40]))
    return [*found, sparse]


def _nested_branches(depth: int) -> onnx.ModelProto:
    """An If in the branch of an If, and so on."""
    branch = helper.make_graph([helper.make_node("Relu", ["x"], ["r"])], "inner", [], [_value("r")])
    for _ in range(depth):
        node = helper.make_node("If", ["c"], ["r"], then_branch=branch, else_branch=branch)
        branch = helper.make_graph([node], "outer", [], [_value("r")])
    truth = numpy_helper.from_array(np.array(True), "c")
    graph = helper.make_graph(list(branch.node), "g", [_value("x")], [_value("r")], [truth])
    return helper.make_model(graph, opset_imports=_OPSETS[:1], ir_version=10)


def _alternating(*op_types: str, count: int = 400) -> onnx.ModelProto:
    nodes = [
        helper.make_node(op_types[index % len(op_types)], [f"v{index}"], [f"v{index + 1}"]) for index in range(count)
    ]
    graph = helper.make_graph(nodes, "g", [_value("v0")], [_value(f"v{count}")])
    return helper.make_model(graph, opset_imports=_OPSETS[:1], ir_version=10)


def _value(name: str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 4])


@functools.cache
def bombs() -> tuple[onnx.ModelProto, ...]:
    """Return the models."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return (
            *(_fold(*content) for content in _FOLDS.values()),
            _strings(),
            _functions(12, 2),
            _functions(30, 2),
            _functions(4, 12),
            *_sizes_without_data(),
            _nested_branches(6),
            _alternating("Relu", "Neg"),
            _alternating("Relu"),
            _alternating("Sigmoid", "Identity"),
        )
