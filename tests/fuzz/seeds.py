"""Small whole models that mutation starts from: together they meet every operator and rewrite rule."""

from __future__ import annotations

import functools
import importlib
import warnings

import numpy as np
import onnx
import onnx.parser
from onnx import helper, numpy_helper

_NODE_TESTS = (
    "add", "clip", "concat", "constantofshape", "conv", "depthtospace", "dropout", "expand", "flatten",
    "gather", "gemm",
    "hardswish", "lrn", "matmul", "pad", "reducemean", "reshape", "resize", "slice", "split", "transpose", "where",
)  # fmt: skip
_MAX_BYTES = 3000
_HEAD = "<ir_version: 10, opset_import: [{opsets}]>\n"

# Body, inputs, outputs, float32 constants (shape, number or numbers), integer constants, opset.
_Floats = dict[str, tuple[int, ...] | float | list[float]]
_GRAPHS: tuple[tuple[str, str, str, _Floats, dict[str, list[int]], int], ...] = (
    (
        "a = Conv <kernel_shape = [3, 3], pads = [1, 1, 1, 1]> (x, w, b) r = Relu(a) "
        "p = MaxPool <kernel_shape = [2, 2], strides = [2, 2], ceil_mode = 1> (r) f = Flatten(p) "
        "y = Gemm <transB = 1> (f, v, c)",
        "float[N, 3, 5, 5] x",
        "float[N, 4] y",
        {"w": (8, 3, 3, 3), "b": (8,), "v": (4, 72), "c": (4,)},
        {},
        18,
    ),
    (
        'a = Conv <group = 6, auto_pad = "SAME_UPPER", strides = [2, 2]> (x, w) '
        "n = BatchNormalization(a, s, o, m, q) t = ThresholdedRelu <alpha = 0.5> (n) k = Conv(t, v) y = Add(k, t)",
        "float[2, 6, 6, 6] x",
        "float[2, 6, 3, 3] y",
        {"w": (6, 1, 3, 3), "s": (6,), "o": (6,), "m": (6,), "q": (6,), "v": (6, 6, 1, 1)},
        {},
        15,
    ),
    (
        "s = Shape(x) d = Gather(s, zero) e = Concat <axis = 0> (d, rest) r = Reshape(x, e) m = MatMul(r, w) "
        "y = Softmax <axis = -1> (m)",
        "float[N, 4, 2, 2] x",
        "float[N, 5] y",
        {"w": (16, 5)},
        {"zero": [0], "rest": [-1]},
        17,
    ),
    (
        "t = Transpose <perm = [0, 3, 1, 2]> (x) c = Conv <pads = [1, 1, 1, 1]> (t, w) g = Greater(c, l) "
        "z = Where(g, c, o) u = Transpose <perm = [0, 2, 3, 1]> (z) y = ReduceMean(u, axes)",
        "float[1, 5, 4, 3] x",
        "float[1, 1, 1, 8] y",
        {"w": (8, 3, 3, 3), "l": (8, 1, 1), "o": 0.0},
        {"axes": [1, 2]},
        18,
    ),
    (
        "a, b = Split <axis = 1> (x, parts) c = Concat <axis = 1> (b, a) p = Pad(c, pads) "
        "q = AveragePool <kernel_shape = [3, 3], pads = [1, 1, 1, 1], count_include_pad = 1> (p) "
        "s = Slice(q, starts, ends, axes, steps) y = LRN <size = 3> (s)",
        "float[1, 6, 4, 4] x",
        "float[1, 6, n, m] y",
        {},
        {
            "parts": [2, 4],
            "pads": [0, 0, 1, 0, 0, 0, 0, 1],
            "starts": [0],
            "ends": [9],
            "axes": [2],
            "steps": [2],
        },
        13,
    ),
    (
        "g = GlobalAveragePool(x) c = Conv(g, w, b) h = HardSigmoid(c) m = Mul(x, h) "
        'r = Resize <mode = "linear"> (m, , scales) l = Clip(r, lo, hi) y = Sub(l, k)',
        "float[1, 4, 3, 3] x",
        "float[1, 4, n, m] y",
        {"w": (4, 4, 1, 1), "b": (4,), "scales": [1.0, 1.0, 2.0, 1.5], "lo": 0.0, "hi": 6.0, "k": (1, 4, 1, 1)},
        {},
        18,
    ),
    (
        "i = Identity(x) c = Cast <to = 1> (i) k = Constant <value_ints = [8, 1, 1]> () f = ConstantOfShape(k) "
        "a = Add(c, f) y = DepthToSpace <blocksize = 2> (a)",
        "float[1, 8, 2, 2] x",
        "float[n, m, o, p] y",
        {},
        {},
        16,
    ),
    (
        "c = Conv <dilations = [2]> (x, w) t = Tanh(c) s = Squeeze(t, axes) u = Unsqueeze(s, axes) y = Relu(u)",
        "float[1, 3, 9] x",
        "float[1, 4, n] y",
        {"w": (4, 3, 3)},
        {"axes": [0]},
        13,
    ),
    (
        "a = Conv(x, w) r = Relu(a) n = BatchNormalization(r, s, o, m, q) "
        "p = MaxPool <kernel_shape = [2, 2], strides = [1, 1]> (n) c = Conv <pads = [1, 0, 1, 2]> (p, v, b) "
        "d = Conv(p, k) y = Relu(c)",
        "float[1, 3, 5, 5] x",
        "float[1, 4, n, m] y, float[1, 4, i, j] d",
        {
            "w": (8, 3, 1, 1),
            "s": (8,),
            "o": (8,),
            "m": (8,),
            "q": (8,),
            "v": (4, 8, 3, 3),
            "b": (4,),
            "k": (4, 8, 1, 1),
        },
        {},
        18,
    ),
    (
        "l = LeakyRelu(x) y = ConvTranspose(l, v)",
        "float[1, 4, 3, 3] x",
        "float[1, 2, n, m] y",
        {"v": (4, 2, 2, 2)},
        {},
        13,
    ),
)


def _model(
    body: str, inputs: str, outputs: str, floats: _Floats, integers: dict[str, list[int]], opset: int
) -> onnx.ModelProto:
    random = np.random.default_rng(0)
    graph = onnx.parser.parse_graph(f"g ({inputs}) => ({outputs}) {{ {body} }}")
    for name, given in floats.items():
        values = random.uniform(0.1, 2, given) if isinstance(given, tuple) else np.array(given)
        graph.initializer.append(numpy_helper.from_array(values.astype(np.float32), name))
    for name, values in integers.items():
        graph.initializer.append(numpy_helper.from_array(np.array(values, np.int64), name))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)


def _special_models() -> list[onnx.ModelProto]:
    """A function of the model's own, a subgraph, a sparse initializer, external data."""
    function = onnx.parser.parse_model(
        _HEAD.format(opsets='"": 18, "own": 1')
        + "g (float[1, 2, 3, 3] x) => (float[1, 2, 3, 3] y) { a = own.twice (x) y = Relu(a) }"
        ' <domain: "own", opset_import: ["": 18]> twice (v) => (w) { w = Add(v, v) }'
    )
    branch = onnx.parser.parse_model(
        _HEAD.format(opsets='"": 18')
        + "g (bool c, float[2] x) => (float[2] y) { y = If (c) <then_branch = t () => (float[2] p) { p = Relu(x) },"
        " else_branch = e () => (float[2] q) { q = Identity(x) }> }"
    )
    sparse = _model("y = Mul(x, k)", "float[1, 4] x", "float[1, 4] y", {}, {}, 18)
    values = numpy_helper.from_array(np.ones(2, np.float32), "k")
    indices = numpy_helper.from_array(np.array([1, 3], np.int64), "k_indices")
    sparse.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [1, 4]))
    external = _model("y = Add(x, k)", "float[1, 4] x", "float[1, 4] y", {"k": (1, 4)}, {}, 18)
    tensor = external.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in (("location", "weights.bin"), ("offset", "0"), ("length", "16")):
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value
    return [function, branch, sparse, external]


@functools.cache
def own_models() -> tuple[onnx.ModelProto, ...]:
    """Return the models written for this purpose."""
    return (*(_model(*graph) for graph in _GRAPHS), *_special_models())


@functools.cache
def onnx_node_tests() -> tuple[onnx.ModelProto, ...]:
    """Return single-operator models of the onnx package, inputs but the first made constants. Takes seconds."""
    models = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        node_cases = importlib.import_module("onnx.backend.test.case.node")
        for module in _NODE_TESTS:
            importlib.import_module(f"onnx.backend.test.case.node.{module}")
        for case in node_cases._NodeTestCases:
            model = onnx.ModelProto()
            model.CopyFrom(case.model)
            for value, array in list(zip(model.graph.input, case.data_sets[0][0], strict=False))[1:]:
                if isinstance(array, np.ndarray):
                    model.graph.initializer.append(numpy_helper.from_array(array, value.name))
            del model.graph.input[1:]
            if model.ByteSize() <= _MAX_BYTES:
                models.append(model)
    return tuple(models)
