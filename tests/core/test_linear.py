from __future__ import annotations

import numpy as np
import pytest

from zeroskip import _core

from .builder import PlanBuilder, fatrelu, run_row, sparse_array

SIZES = [(1, 1), (16, 16), (17, 33), (257, 1000), (1000, 10), (300, 2100)]


@pytest.mark.parametrize(("in_size", "out_size"), SIZES)
@pytest.mark.parametrize("batch", [1, 3, 13])
@pytest.mark.parametrize("sparsity", [0.0, 0.5, 0.9, 0.97, 1.0])
def test_matches_numpy(isa: str, in_size: int, out_size: int, batch: int, sparsity: float) -> None:
    x = sparse_array((batch, in_size), sparsity)
    weight, bias = sparse_array((out_size, in_size), 0.0, 1), sparse_array((out_size,), 0.0, 2)
    expected = x.astype(np.float64) @ weight.T.astype(np.float64) + bias
    arrays = {"weight": weight, "bias": bias}
    result = run_row("linear", [x], expected.shape, isa, arrays)
    np.testing.assert_allclose(result, expected, rtol=1e-4, atol=2e-5 * np.sqrt(in_size))


@pytest.mark.parametrize("rows", [97, 200])
@pytest.mark.parametrize("threads", [1, 3])
def test_many_rows(isa: str, rows: int, threads: int) -> None:
    x, weight = sparse_array((rows, 150), 0.3), sparse_array((70, 150), 0.0, 1)
    expected = x @ weight.T
    result = run_row("linear", [x], expected.shape, isa, {"weight": weight}, threads=threads)
    np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("batch", [1, 5])
def test_epilogue_and_leading_axes(isa: str, batch: int) -> None:
    x = sparse_array((batch, 2, 40), 0.5)
    weight, thresholds = sparse_array((35, 40), 0.0, 1), np.abs(sparse_array((35,), 0.3, 2))
    expected = fatrelu(x @ weight.T, thresholds, 4.0, axis=-1)
    arrays = {"weight": weight, "thresholds": thresholds}
    result = run_row("linear", [x], expected.shape, isa, arrays, activation="fatrelu", max_value=4.0)
    np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("batch", [1, 4])
def test_reads_a_pooled_pixel(isa: str, batch: int) -> None:
    x, weight = sparse_array((batch, 35, 1, 1), 0.2), sparse_array((9, 35), 0.0, 1)
    builder = PlanBuilder()
    source = builder.load(x.shape, slack=16)
    builder.step("linear", [source], [builder.graph_output((batch, 9))], {"weight": weight})
    (result,) = builder.build(isa).run([x])
    np.testing.assert_allclose(result, x[:, :, 0, 0] @ weight.T, rtol=1e-4, atol=1e-5)


def test_a_zero_input_hides_an_infinite_weight(isa: str) -> None:
    weight = np.ones((3, 4), np.float32)
    weight[:, 1] = np.inf
    x = np.array([[1, 0, 2, 0]], np.float32)
    np.testing.assert_array_equal(run_row("linear", [x], (1, 3), isa, {"weight": weight}), [[3, 3, 3]])


def test_weights_are_packed_once_per_name() -> None:
    weights = _core.WeightStore()
    builder = PlanBuilder()
    source, result = builder.graph_input((1, 8)), builder.graph_output((1, 16))
    builder.step("linear", [source], [result], {"weight": np.ones((16, 8), np.float32)})
    builder.steps[0]["constants"] = {"weight": "fc.weight"}
    builder.build(weights=weights)
    size = weights.bytes
    assert size == 8 * 16 * 4
    builder.build(weights=weights)
    assert weights.bytes == size


def test_refuses_a_weight_of_another_shape() -> None:
    x = np.zeros((1, 4), np.float32)
    with pytest.raises(_core.Error, match=r"constant 'weight' has shape \[4, 3\], needs \[3, 4\]"):
        run_row("linear", [x], (1, 3), "generic", {"weight": np.zeros((4, 3), np.float32)})
