"""Properties of the engine that hold whatever the geometry, on every instruction set."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from zeroskip.engine import build_plan
from zeroskip.engine.native import compile_plan, core, new_weight_store

from .canonical_graph import CanonicalGraph
from .numpy_executor import run_plan

isas = st.sampled_from(core().isas_supported())
threads = st.integers(1, 3)


def run_native(graph: CanonicalGraph, outputs: list[str], isa: str, num_threads: int) -> list[np.ndarray]:
    compiled = compile_plan(build_plan(graph.model(*outputs)), new_weight_store(), num_threads, isa)
    return compiled.run(list(graph.feed().values()))


def assert_close(result: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_allclose(result, expected, rtol=0, atol=1e-5 * max(1.0, np.abs(expected).max()))


@st.composite
def convolutions(draw: st.DrawFn) -> tuple[CanonicalGraph, str]:
    """A rectified input and a convolution of any geometry, with or without residual and rectifier."""
    group = draw(st.sampled_from([1, 1, 1, 2, 3, 8]))
    channels = [group * draw(st.integers(1, 40)) for _ in range(2)]
    kernel = [draw(st.integers(1, 5)) for _ in range(2)]
    strides, dilations = ([draw(st.integers(1, 3)) for _ in range(2)] for _ in range(2))
    pads = [draw(st.integers(0, 3)) for _ in range(4)]
    spans = [(size - 1) * dilation + 1 for size, dilation in zip(kernel, dilations, strict=True)]
    extents = [max(1, span - pads[axis] - pads[axis + 2]) + draw(st.integers(0, 12)) for axis, span in enumerate(spans)]
    graph = CanonicalGraph(draw(st.integers(1, 3)), channels[0], *extents, seed=draw(st.integers(0, 99)))
    x = graph.relu("x", draw(st.sampled_from([0.0, 0.7, 2.5, 100.0]))) if draw(st.booleans()) else "x"
    options = {"strides": strides, "dilations": dilations, "pads": pads, "group": group}
    y = graph.conv(x, channels, kernel=kernel, bias=draw(st.booleans()), **options)
    if draw(st.booleans()):
        y = graph.node("Add", y, graph.conv(x, channels, kernel=kernel, **options))
    return graph, graph.relu(y, 0.2) if draw(st.booleans()) else y


@settings(max_examples=150, deadline=None)
@given(convolutions(), isas, threads)
def test_convolution_of_any_geometry_computes_the_reference(
    case: tuple[CanonicalGraph, str], isa: str, num_threads: int
) -> None:
    graph, y = case
    (expected,) = run_plan(graph.plan(y), list(graph.feed().values()))
    assert_close(run_native(graph, [y], isa, num_threads)[0], expected)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 70), st.integers(1, 9), isas)
def test_threshold_zero_is_relu_and_sparsity_grows_with_the_threshold(channels: int, size: int, isa: str) -> None:
    graph = CanonicalGraph(1, channels, size, size)
    raw = graph.conv("x", (channels, channels), kernel=(1, 1))
    outputs = [graph.relu(raw, threshold) for threshold in (0.0, 0.3, 1.0)]
    plain, *rectified = run_native(graph, [raw, *outputs], isa, 1)
    np.testing.assert_array_equal(rectified[0], np.maximum(plain, 0))
    nonzeros = [np.count_nonzero(array) for array in rectified]
    assert nonzeros == sorted(nonzeros, reverse=True)


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 6), st.integers(1, 40), st.integers(1, 10), isas, threads)
def test_an_image_does_not_depend_on_its_batch(
    batch: int, channels: int, size: int, isa: str, num_threads: int
) -> None:
    def build(count: int) -> tuple[CanonicalGraph, str]:
        graph = CanonicalGraph(count, channels, size, size, seed=batch)
        return graph, graph.relu(graph.conv(graph.relu(graph.conv("x", (channels, 24))), (24, 17)))

    whole, y = build(batch)
    results = run_native(whole, [y], isa, num_threads)[0]
    single, y = build(1)
    compiled = compile_plan(single.plan(y), new_weight_store(), isa=isa)
    for index in range(batch):
        (alone,) = compiled.run([whole.feed()["x"][index : index + 1].copy()])
        assert_close(alone[0], results[index])
