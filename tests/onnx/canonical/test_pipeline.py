"""prepare and specialize: purity, sharing, shapes, frozen batches, speed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnx
import pytest

from onnx_graphs import assert_parity, build, node_of, op_types, random_array, run, values_of
from zeroskip.errors import ModelError, ShapeError
from zeroskip.onnx import canonicalize, load_model, prepare, sources, specialize, to_bytes, to_standard

NETWORK = (
    "c = Conv <pads = [1, 1, 1, 1]> (x, w, b) n = BatchNormalization (c, gamma, beta, mean, var) r = Relu(n)"
    "p = GlobalAveragePool(r) f = Flatten(p) y = Gemm <transB = 1> (f, v)"
)


def network(inputs: Sequence[int | str] = ("N", 3, "H", "W"), body: str = NETWORK) -> onnx.ModelProto:
    ones, zeros = np.ones(8), np.zeros(8)
    constants = {
        "w": random_array(8, 3, 3, 3), "b": random_array(8), "gamma": ones, "beta": zeros, "mean": zeros, "var": ones,
        "v": random_array(5, 8),
    }  # fmt: skip
    return build(body, inputs=inputs, constants=constants)


def test_one_preparation_serves_every_shape() -> None:
    model = network()
    prepared = prepare(load_model(model))
    for shape in ((1, 3, 8, 8), (7, 3, 5, 9), (2, 3, 1, 1)):
        x = random_array(*shape)
        lowered = to_bytes(to_standard(specialize(prepared, {"x": shape})))
        np.testing.assert_allclose(run(lowered, {"x": x})[0], run(model, {"x": x})[0], atol=1e-5)


def test_nothing_given_is_changed() -> None:
    loaded = load_model(network())
    before = to_bytes(loaded)
    prepared = prepare(loaded)
    middle = to_bytes(to_standard(prepared))
    specialize(prepared, {"x": (1, 3, 8, 8)})
    assert to_bytes(loaded) == before
    assert to_bytes(to_standard(prepared)) == middle


def test_weights_are_the_same_arrays_for_every_shape() -> None:
    prepared = prepare(load_model(network()))
    first, second = (specialize(prepared, {"x": (batch, 3, 8, 8)}) for batch in (1, 4))
    for op_type in ("Conv", "Linear"):
        pairs = zip(node_of(first, op_type).inputs[1:], node_of(second, op_type).inputs[1:], strict=True)
        assert all(values_of(a) is values_of(b) for a, b in pairs)


def test_large_tensors_are_shared_with_the_model() -> None:
    loaded = load_model(network())
    weight = node_of(canonicalize(loaded, {"x": (1, 3, 8, 8)}), "Linear").inputs[1]
    assert values_of(weight) is values_of(loaded.graph.initializers["v"])


def test_shape_of_the_file_is_the_default() -> None:
    canonical = canonicalize(load_model(network((2, 3, 6, 6))))
    assert tuple(canonical.graph.inputs[0].shape or ()) == (2, 3, 6, 6)
    assert tuple(canonical.graph.outputs[0].shape or ()) == (2, 5)


def test_fixed_shape_of_the_file_can_be_replaced_where_the_graph_allows() -> None:
    canonical = canonicalize(load_model(network((1, 3, 6, 6))), {"x": np.array([7, 3, 9, 9])})
    assert tuple(canonical.graph.outputs[0].shape or ()) == (7, 5)


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (None, r"input 'x' has shape \[N, 3, H, W\] in the model: give a size .* got none"),
        ({"z": (1, 3, 8, 8)}, r"the model has no input \['z'\]; its inputs are \['x'\]"),
        ({"x": (1, 3, 8)}, r"input 'x' has shape \[N, 3, H, W\] in the model, got \[1, 3, 8\]"),
        ({"x": (0, 3, 8, 8)}, r"at least 1 for every dimension, got \[0, 3, 8, 8\]"),
        (
            {"x": (1, 4, 8, 8)},
            r"\(Conv\) cannot take 'x' \[1, 4, 8, 8\], '.*' \[8, 3, 3, 3\].* channels must agree",
        ),
    ],
)
def test_shapes_that_do_not_fit(shapes: dict[str, tuple[int, ...]] | None, message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        canonicalize(load_model(network()), shapes)


def test_shape_that_does_not_fit_a_linear_layer() -> None:
    model = build("y = MatMul(x, w)", inputs=("N", "K"), constants={"w": random_array(4, 3)})
    with pytest.raises(ShapeError, match=r"cannot take 'x' \[2, 5\], .* \[3, 4\]"):
        canonicalize(load_model(model), {"x": (2, 5)})


@pytest.mark.parametrize("target", [[1, -1], [1, 192], [1, 3, -1]])
def test_batch_frozen_in_a_reshape_is_an_error(target: list[int]) -> None:
    """Silently, [1, -1] would put the whole batch into one row."""
    body = "r = Relu(x) y = Reshape(r, target)"
    model = build(body, inputs=(1, 3, 8, 8), constants={"target": np.array(target)})
    assert op_types(assert_parity(model)) == ["FatRelu", "Reshape"]
    with pytest.raises(ShapeError, match=r"exported for a batch of 1|batch size 1 of the export"):
        canonicalize(load_model(model), {"x": (7, 3, 8, 8)})


def test_batch_computed_from_the_shape_is_not_frozen() -> None:
    body = "s = Shape(x) n = Slice(s, zero, one) t = Concat <axis = 0> (n, rest) r = Relu(x) y = Reshape(r, t)"
    constants = {"zero": np.array([0]), "one": np.array([1]), "rest": np.array([-1])}
    model = build(body, inputs=(1, 3, 8, 8), constants=constants, opset=13)
    canonical = canonicalize(load_model(model), {"x": (7, 3, 8, 8)})
    assert tuple(canonical.graph.outputs[0].shape or ()) == (7, 192)


@pytest.mark.parametrize("shape", [(1, 3, 1 << 16, 1 << 16), (1 << 20, 3, 64, 64)])
def test_tensors_of_absurd_size(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match=r"would have shape .* elements are possible"):
        canonicalize(load_model(network()), {"x": shape})


def test_empty_tensors() -> None:
    model = build("y = Slice(x, start, end)", constants={"start": np.array([2]), "end": np.array([2])})
    canonical = canonicalize(load_model(model))
    assert op_types(canonical) == ["Identity"]
    assert values_of(node_of(canonical, "Identity").inputs[0]).shape == (0, 3, 8, 8)


def test_contradiction_inside_of_the_model() -> None:
    model = build("a = Conv(x, w) y = Conv(a, w)", constants={"w": random_array(8, 3, 1, 1)})
    with pytest.raises(ModelError, match="the model contradicts itself"):
        prepare(load_model(model))


def test_sources_name_the_nodes_of_the_model() -> None:
    model = network()
    for node, name in zip(model.graph.node, ("conv", "bn", "relu", "pool", "flat", "fc"), strict=True):
        node.name = name
    canonical = canonicalize(load_model(model), {"x": (1, 3, 8, 8)})
    assert [sources(node) for node in canonical.graph] == [
        ("conv", "bn"),
        ("relu",),
        ("pool",),
        ("flat",),
        ("fc",),
    ]
    assert [node.name for node in canonical.graph] == ["conv", "relu", "pool", "flat", "fc"]


def test_functions_are_inlined() -> None:
    activation = onnx.helper.make_function(
        "local",
        "Gate",
        ["a"],
        ["b"],
        [onnx.helper.make_node("Relu", ["a"], ["b"])],
        [onnx.helper.make_opsetid("", 18)],
    )
    model = build("y = local.Gate(x)", domains={"local": 1})
    model.functions.append(activation)
    assert op_types(assert_parity(model, tolerance=0.0)) == ["FatRelu"]


def test_inputs_with_a_default_are_constants() -> None:
    """Before IR version 4 every initializer was listed among the inputs."""
    model = network((2, 3, 6, 6))
    for tensor in model.graph.initializer:
        model.graph.input.append(onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    canonical = assert_parity(model)
    assert [value.name for value in canonical.graph.inputs] == ["x"]
    assert op_types(canonical) == ["Conv", "FatRelu", "GlobalAveragePool", "Reshape", "Linear"]


def test_specialising_in_threads_gives_equal_models() -> None:
    prepared = prepare(load_model(network()))
    with ThreadPoolExecutor(4) as pool:
        models = list(pool.map(lambda batch: specialize(prepared, {"x": (batch, 3, 8, 8)}), [1, 2] * 8))
    assert len({to_bytes(to_standard(model)) for model in models}) == 2


def test_no_pass_over_the_weights_is_made() -> None:
    """Canonicalising 64 MB of weights must not cost what reading them once costs."""
    body = " ".join(f"c{i} = Conv(r{i}, w) r{i + 1} = Relu(c{i})" for i in range(16)) + " y = Sigmoid(r16)"
    weight = random_array(2048, 2048, 1, 1)
    model = build(body.replace("r0,", "x,"), inputs=(1, 2048, 4, 4), constants={"w": weight})
    loaded = load_model(model)
    canonicalize(loaded)
    start = time.perf_counter()
    canonicalize(loaded)
    canonicalizing = time.perf_counter() - start
    start = time.perf_counter()
    for _ in range(16):
        np.square(weight)
    assert canonicalizing < 3 * (time.perf_counter() - start)


def test_chains_that_merge_into_one_node_take_linear_time() -> None:
    """Each node of the chain used to carry a copy of all names before it."""
    seconds = []
    for count in (500, 4000):
        chain = " ".join(f"v{index + 1} = Relu (v{index})" for index in range(count))
        loaded = load_model(build(chain.replace("(v0)", "(x)").replace(f"v{count} ", "y ")))
        start = time.process_time()
        (node,) = prepare(loaded).graph
        seconds.append(time.process_time() - start)
        assert len(sources(node)) == count
    assert seconds[1] < 24 * seconds[0]
