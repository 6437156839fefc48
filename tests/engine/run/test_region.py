"""A further shape is planned from a kept canonical graph: the plan is that of the long way, whatever the model."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnx
import onnx.parser
import pytest

import zeroskip as zs
from random_edges import EDGE_STEPS
from random_networks import ENGINE_STEPS, network
from zeroskip.engine.options import SessionOptions
from zeroskip.engine.plan.types import Plan
from zeroskip.engine.run.region import Region
from zeroskip.engine.signature import InputShapes
from zeroskip.errors import ShapeError, ZeroskipError
from zeroskip.onnx import load_model

SEEDS = 24
_FACTORS = ((1, 0, 0), (1, 3, 1), (3, 8, 8), (1, 16, 2), (2, 1, 16), (5, 32, 32), (1, -2, -1), (3, 7, 5))


def text_model(body: str, channels: int = 3, **constants: np.ndarray) -> onnx.ModelProto:
    """Return a model with open batch, height and width, input x and output y."""
    graph = onnx.parser.parse_graph(f"g (float[N, {channels}, H, W] x) => (float[n] y) {{ {body} }}")
    graph.output[0].type.tensor_type.ClearField("shape")
    graph.initializer.extend(onnx.numpy_helper.from_array(array, name) for name, array in constants.items())
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=10)


def weight(outputs: int, inputs: int, kernel: int = 1, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((outputs, inputs, kernel, kernel), np.float32)


def new_region(model: onnx.ModelProto) -> Region:
    return Region(load_model(model), SessionOptions())


def planned(region: Region, shapes: InputShapes) -> Plan | str:
    """Return the plan, or the class of the error."""
    try:
        return region.planned(shapes).plan
    except ZeroskipError as error:
        return f"{type(error).__name__}: {error}"


def assert_equal(got: Plan | str, want: Plan | str) -> None:
    if isinstance(got, str) or isinstance(want, str):
        assert got == want
        return
    assert got.without_constants() == want.without_constants()
    assert list(got.constants) == list(want.constants)
    assert all(np.array_equal(got.constants[name], want.constants[name]) for name in want.constants)


def quick_plans(model: onnx.ModelProto, shapes: list[InputShapes]) -> list[bool]:
    """Plan shape after shape in one region, and each in one of its own; return which were planned the quick way."""
    known, was_quick = new_region(model), []
    for shape in shapes:
        was_quick.append(known.templates.specialize(shape) is not None)
        assert_equal(planned(known, shape), planned(new_region(model), shape))
    return was_quick


def other_shapes(shape: tuple[int, ...]) -> list[InputShapes]:
    _, channels, height, width = shape
    return [((n, channels, max(1, height + dh), max(1, width + dw)),) for n, dh, dw in _FACTORS]


def random_model(
    seed: int, steps: Sequence[Callable[..., None]] = ENGINE_STEPS
) -> tuple[onnx.ModelProto, tuple[int, ...]]:
    source = random.Random(seed)
    shape = (source.choice((1, 2)), source.choice((1, 3, 16, 20)), source.randint(5, 15), source.randint(5, 15))
    body, output, constants = network(source.choice, steps, shape)
    return text_model(f"{body}\n y = Identity({output})", shape[1], **constants), shape


@pytest.mark.parametrize("seed", range(SEEDS))
def test_further_shapes_of_random_networks_are_planned_as_the_first(seed: int) -> None:
    model, shape = random_model(seed)
    quick_plans(model, other_shapes(shape))


@pytest.mark.parametrize("seed", range(SEEDS))
def test_further_shapes_at_the_edges_are_planned_as_the_first(seed: int) -> None:
    model, shape = random_model(seed, (*ENGINE_STEPS[:8], *EDGE_STEPS))
    quick_plans(model, other_shapes(shape))


def test_a_gather_of_all_there_is_at_batch_one_takes_less_of_more() -> None:
    """Of a batch of one the first is all; the graph kept for it has nothing left to take."""
    model = text_model("r = Relu(x) y = Gather <axis = 0> (r, first)", first=np.array([0]))
    region = new_region(model)
    for batch in (1, 1, 2, 3):
        (y,) = region.run(((batch, 3, 4, 5),), [np.ones((batch, 3, 4, 5), np.float32)])
        assert y.shape == (1, 3, 4, 5)


@pytest.mark.parametrize(
    "body",
    [
        "t = Gather <axis = 1> (x, five) u = Unsqueeze (t, one) y = Slice (u, zero, one, one)",
        "t = Slice (x, one, five, one) u = Slice (t, one, three, one) y = Relu (u)",
    ],
)
def test_a_slice_that_took_another_in_keeps_the_bounds_of_both(body: str) -> None:
    """Seeds 7297 and 4793 of the campaign: the bounds of the last one alone were written into it."""
    numbers = {"zero": [0], "one": [1], "three": [3], "five": [5]}
    constants = {name: np.array(value) for name, value in numbers.items() if f" {name}" in body}
    if "Gather" in body:
        constants["five"] = np.array(5)
    model = text_model(body, 16, **constants)
    session = zs.InferenceSession(model)
    for shape in ((3, 16, 8, 9), (1, 16, 6, 4)):
        x = np.random.default_rng(0).uniform(0.1, 1.0, shape).astype(np.float32)
        (y,) = session.run(None, {"x": x})
        np.testing.assert_array_equal(y, x[:, 5:6] if "Gather" in body else x[:, 2:4])
    quick_plans(model, [((3, 16, 8, 9),), ((1, 16, 6, 4),)])


def test_further_shapes_of_random_networks_take_the_quick_way() -> None:
    ways = []
    for seed in range(SEEDS):
        model, shape = random_model(seed)
        region = new_region(model)
        quick = [
            region.templates.specialize(other) is not None
            for other in other_shapes(shape)
            if not isinstance(planned(region, other), str)
        ]
        ways += quick[1:]  # asked after planning, so that every set of facts has been met
    assert len(ways) > 40
    assert np.mean(ways) > 0.9


HEAD = "f = Flatten(g) l = Gemm<transB = 1>(f, wl) y = Softmax(l)"
VIEW = """
    s = Shape(g) n = Gather<axis = 0>(s, zero) m = Unsqueeze(n, zero1) t = Concat<axis = 0>(m, minus) f = Reshape(g, t)
    l = Gemm<transB = 1>(f, wl) y = Softmax(l)
"""
BASE = "c = Conv<pads = [1, 1, 1, 1]>(x, w) r = Relu(c)"
MODELS = {
    "classifier": f"{BASE} p = MaxPool<kernel_shape = [2, 2], strides = [2, 2]>(r) g = GlobalAveragePool(p) {HEAD}",
    "view": f"{BASE} g = GlobalAveragePool(r) {VIEW}",
    "upsampling": f"""{BASE} d = MaxPool<kernel_shape = [2, 2], strides = [2, 2]>(r) c2 = Conv(d, v) r2 = Relu(c2)
        s = Shape(r2) b = Slice(s, zero1, two1, zero1) t = Shape(r) h = Slice(t, two1, four1, zero1)
        sizes = Concat<axis = 0>(b, h) u = Resize<mode = "nearest">(r2, , , sizes) j = Concat<axis = 1>(u, r)
        y = Conv(j, v2)""",
    "scales": f"""{BASE} u = Resize<mode = "linear", coordinate_transformation_mode = "asymmetric">(r, , scales)
        y = Conv(u, v)""",
    "same": """c = Conv<auto_pad = "SAME_UPPER", strides = [2, 2], kernel_shape = [3, 3]>(x, w) r = Relu(c)
        y = MaxPool<auto_pad = "SAME_LOWER", strides = [2, 2], kernel_shape = [3, 3]>(r)""",
    "ceil": f"{BASE} y = MaxPool<kernel_shape = [3, 3], strides = [2, 2], ceil_mode = 1>(r)",
    "shift": f"{BASE} b = BatchNormalization(r, k, k2, k, k2) y = Conv<pads = [1, 1, 1, 1]>(b, v3)",
    "same_shift": f"""{BASE} b = BatchNormalization(r, k, k2, k, k2)
        y = Conv<auto_pad = "SAME_UPPER", strides = [2, 2]>(b, v3)""",
    "halves": f"{BASE} y1, y2 = Split<axis = 1, num_outputs = 2>(r) y = Concat<axis = 1>(y2, y1)",
    "crop": f"""{BASE} s = Shape(r) h = Slice(s, two1, four1, zero1) q = Sub(h, one) y = Slice(r, ones2, q, axes)""",
    "shuffle": f"{BASE} y = DepthToSpace<blocksize = 2>(r)",
    "other_shuffle": f'{BASE} y = DepthToSpace<blocksize = 2, mode = "CRD">(r)',
    "gathering": f"{BASE} q = SpaceToDepth<blocksize = 2>(r) y = Relu(q)",
    "transposed": f"{BASE} u = ConvTranspose<strides = [2, 2]>(r, v4) y = Relu(u)",
    "last": f"{BASE} y = Transpose<perm = [0, 2, 3, 1]>(r)",
    "gate": f"{BASE} g = GlobalAveragePool(r) e = Conv(g, v) h = HardSigmoid(e) y = Mul(r, h)",
    "rows": f"{BASE} t = Transpose<perm = [0, 2, 3, 1]>(r) z = Reshape(t, rows) l = MatMul(z, m8) y = Add(l, k)",
    "normalised": "z = Sub(x, mean) z2 = Mul(z, scale) c = Conv<pads = [1, 1, 1, 1]>(z2, w) y = Relu(c)",
    "squeezed": f"{BASE} g = GlobalMaxPool(r) y = Squeeze(g)",
    "first": f"{BASE} y = Gather<axis = 2>(r, zero)",
    "pool": f"{BASE} g = AveragePool<kernel_shape = [9, 9]>(r) {HEAD}",
}
QUICK = set(MODELS) - {"squeezed", "pool"}
SHAPES = [
    ((n, 3, h, w),) for n, h, w in ((1, 9, 9), (1, 9, 11), (2, 9, 9), (1, 20, 33), (4, 12, 8), (1, 10, 9), (2, 16, 24))
]


def constants() -> dict[str, np.ndarray]:
    integers = {
        "zero": np.array(0), "zero1": np.array([0]), "one": np.array([1]), "two1": np.array([2]),
        "four1": np.array([4]), "minus": np.array([-1]), "ones2": np.array([1, 1]), "axes": np.array([2, 3]),
        "rows": np.array([0, -1, 8]),
    }  # fmt: skip
    floats = {
        "w": weight(8, 3, 3), "v": weight(8, 8), "v2": weight(4, 16), "v3": weight(16, 8, 3), "v4": weight(8, 4, 2),
        "wl": weight(5, 8)[:, :, 0, 0],
        "k": np.linspace(0.5, 1.5, 8, dtype=np.float32), "k2": np.linspace(0.1, 2.0, 8, dtype=np.float32),
        "m8": weight(8, 8)[:, :, 0, 0], "mean": np.ones((3, 1, 1), np.float32), "scale": np.array(0.1, np.float32),
        "scales": np.array([1, 1, 1.5, 2], np.float32),
    }  # fmt: skip
    return {name: array.astype(np.int64) for name, array in integers.items()} | floats


def named_model(name: str) -> onnx.ModelProto:
    model = text_model(MODELS[name], 3, **constants())
    used = {operand for node in model.graph.node for operand in node.input}
    kept = [tensor for tensor in model.graph.initializer if tensor.name in used]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    return model


@pytest.mark.parametrize("name", MODELS)
def test_further_shapes_are_planned_as_the_first(name: str) -> None:
    was_quick = quick_plans(named_model(name), SHAPES)
    assert not was_quick[0]
    assert any(was_quick[1:]) or name not in QUICK


@pytest.mark.parametrize("name", MODELS)
def test_results_are_those_of_a_session_that_knows_no_other_shape(name: str) -> None:
    session = zs.InferenceSession(named_model(name), SessionOptions(intra_op_num_threads=1))
    for shape in (shapes[0] for shapes in SHAPES):
        x = np.random.default_rng(1).standard_normal(shape, np.float32)
        other = zs.InferenceSession(named_model(name), SessionOptions(intra_op_num_threads=1))
        try:
            expected = other.run(None, {"x": x})
        except ZeroskipError as error:
            with pytest.raises(type(error)):
                session.run(None, {"x": x})
            continue
        assert np.array_equal(session.run(None, {"x": x})[0], expected[0])


def test_threads_may_bring_new_shapes_at_once() -> None:
    session = zs.InferenceSession(named_model("upsampling"), SessionOptions(intra_op_num_threads=1))
    inputs = [np.random.default_rng(i).standard_normal((1, 3, 8 + 2 * i, 30 - 2 * i), np.float32) for i in range(10)]
    expected = [session.run(None, {"x": x})[0] for x in inputs]
    shared = zs.InferenceSession(named_model("upsampling"), SessionOptions(intra_op_num_threads=1))

    def run(order: list[int]) -> bool:
        return all(np.array_equal(shared.run(None, {"x": inputs[i]})[0], expected[i]) for i in order)

    with ThreadPoolExecutor(4) as pool:
        orders = [random.Random(seed).sample(range(10), 10) for seed in range(4)]
        assert all(pool.map(run, orders))


def test_taps_are_planned_the_quick_way_too() -> None:
    model = named_model("upsampling")
    known = new_region(model)
    known.planned(SHAPES[0])
    for shapes in SHAPES[3:5]:
        got, want = known.planned(shapes, ("r2",)), new_region(model).planned(shapes, ("r2",))
        assert_equal(got.plan, want.plan)
        assert (got.keys, len(got.plan.outputs)) == (want.keys, 2)


def test_few_canonical_graphs_are_kept() -> None:
    region = new_region(named_model("shift"))  # what the shift adds is another constant for every size
    for extent in range(6, 20):
        region.planned(((1, 3, extent, extent),))
    assert 1 < len(region.templates) <= 4


def test_a_shape_that_does_not_fit_is_refused_as_at_first() -> None:
    region = new_region(named_model("classifier"))
    region.planned(SHAPES[0])
    with pytest.raises(ShapeError) as quick:
        region.planned(((1, 4, 9, 9),))
    with pytest.raises(ShapeError) as first:
        new_region(named_model("classifier")).planned(((1, 4, 9, 9),))
    assert str(quick.value) == str(first.value)


def test_shapes_share_their_memory() -> None:
    region = new_region(named_model("upsampling"))
    largest = region.compiled(((1, 3, 64, 64),)).native.program
    held = region.memory.bytes
    for extent in (8, 20, 33, 48):
        region.compiled(((1, 3, extent, 64),))
    assert region.memory.bytes == held
    assert held < 1.1 * (largest.arena_bytes + largest.scratch_bytes) + 4096


def test_what_a_larger_shape_left_in_memory_does_not_matter() -> None:
    session = zs.InferenceSession(named_model("upsampling"), SessionOptions(intra_op_num_threads=1))
    session.run(None, {"x": np.full((1, 3, 64, 64), np.nan, np.float32)})
    for height, width in ((8, 30), (17, 9), (31, 5)):
        x = np.random.default_rng(height).standard_normal((1, 3, height, width), np.float32)
        other = zs.InferenceSession(named_model("upsampling"), SessionOptions(intra_op_num_threads=1))
        assert np.array_equal(session.run(None, {"x": x})[0], other.run(None, {"x": x})[0])


def test_a_session_knows_the_model_before_its_first_run() -> None:
    session = zs.InferenceSession(named_model("upsampling"))  # of open size: it was checked at a guess
    assert session._region is not None
    assert session._region.templates.specialize(SHAPES[3]) is not None


def test_native_parts_beside_islands_take_the_quick_way() -> None:
    pytest.importorskip("onnxruntime")
    body = MODELS["upsampling"].replace("y = Conv(j, v2)", "e = Atan(j) y = Conv(e, v2)")
    options = SessionOptions(intra_op_num_threads=1, fallback="islands")
    model = text_model(body, 3, **constants())
    session = zs.InferenceSession(model, options)
    for shape in (shapes[0] for shapes in SHAPES[:4]):
        x = np.random.default_rng(1).standard_normal(shape, np.float32)
        expected = zs.InferenceSession(model, options).run(None, {"x": x})[0]
        assert np.array_equal(session.run(None, {"x": x})[0], expected)
    assert session._mixed is not None
    for part in session._mixed.native_parts:
        assert part.region.templates.specialize(((1, 3, 31, 17),)) is not None
