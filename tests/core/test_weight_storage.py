"""Weights stored in 16 bits, against numpy with weights rounded the same way."""

from __future__ import annotations

import numpy as np
import pytest

from zeroskip import _core

from .builder import PlanBuilder, run_nhwc, run_row, sparse_array
from .stored_weights import as_stored
from .test_conv import SAME3, Case, convolve
from .windows import Window

STORAGES = ["bf16", "fp16"]
CASES = [
    Case(Window((1, 1)), (64, 256), (7, 7)),
    Case(Window((1, 1)), (80, 33), (5, 9), batch=2),
    Case(Window((1, 1)), (48, 200), (1, 1)),
    Case(SAME3, (33, 70), (7, 5), batch=2),
    Case(SAME3, (128, 176), (5, 14)),
    Case(Window((3, 3), (2, 2), (1, 1, 1, 1)), (64, 96), (11, 12)),
    Case(Window((5, 5), pads=(2, 2, 2, 2)), (24, 112), (9, 9)),
    Case(SAME3, (64, 128), (6, 6), groups=2),
]


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("algorithm", ["sparse", "dense"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_convolution(isa: str, algorithm: str, storage: str, case: Case) -> None:
    x, weight, bias = case.operands(0.5)
    stored = np.concatenate([as_stored(part, storage, isa) for part in np.split(weight, case.groups)])
    expected = convolve(x, stored, bias, case)
    result = run_nhwc(
        "conv",
        [x],
        expected.shape,
        isa,
        {"weight": weight, "bias": bias},
        masked_inputs=True,
        groups=case.groups,
        algorithm=algorithm,
        weight_storage=storage,
        **case.window.attributes(),
    )
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=2e-5 * np.abs(expected).max())


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize(("in_size", "out_size"), [(1, 1), (17, 33), (257, 1000), (300, 2100)])
@pytest.mark.parametrize("batch", [1, 13])
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_linear(isa: str, storage: str, in_size: int, out_size: int, batch: int, threads: int) -> None:
    x, weight = sparse_array((batch, in_size), 0.5), sparse_array((out_size, in_size), 0.0, 1)
    bias, thresholds = sparse_array((out_size,), 0.0, 2), np.zeros(out_size, np.float32)
    sums = x.astype(np.float64) @ as_stored(weight, storage, isa).T + bias
    result = run_row(
        "linear",
        [x],
        sums.shape,
        isa,
        {"weight": weight, "bias": bias, "thresholds": thresholds},
        threads=threads,
        weight_storage=storage,
        activation="fatrelu",
    )
    np.testing.assert_allclose(result, np.maximum(sums, 0), rtol=1e-4, atol=2e-5 * np.sqrt(in_size))


@pytest.mark.parametrize("storage", STORAGES)
def test_sixteen_bits_take_half_the_memory(storage: str) -> None:
    sizes = {name: _weight_bytes(name) for name in ("float32", storage)}
    assert sizes[storage] == sizes["float32"] // 2


def _weight_bytes(storage: str) -> int:
    """Bytes of the weights of a convolution 64 -> 128 and a linear layer 256 -> 64, without their biases."""
    builder = PlanBuilder()
    source = builder.load((1, 64, 4, 4), masked=True)
    result = builder.nhwc((1, 128, 4, 4))
    attributes = {"groups": 1, "weight_storage": storage, **Window((1, 1)).attributes()}
    builder.step("conv", [source], [result], {"weight": np.ones((128, 64, 1, 1), np.float32)}, **attributes)
    builder.expose_values(result)
    row, out = builder.graph_input((1, 256)), builder.graph_output((1, 64))
    weight = np.ones((64, 256), np.float32)
    builder.step("linear", [row], [out], {"weight": weight}, weight_storage=storage)
    weights = _core.WeightStore()
    builder.build(weights=weights)
    zeros_and_bias = 4 * (64 + 128)
    return weights.bytes - zeros_and_bias


@pytest.mark.parametrize(("storage", "value"), [("bf16", np.inf), ("bf16", 3.4e38), ("fp16", 1e5)])
def test_weights_beyond_the_format_stay_float32(isa: str, storage: str, value: float) -> None:
    weight = np.full((4, 2), 1 + 2.0**-20, np.float32)
    weight[3, 1] = value
    x = np.array([[1, 0]], np.float32)
    result = run_row("linear", [x], (1, 4), isa, {"weight": weight}, weight_storage=storage)
    np.testing.assert_array_equal(result[0], weight[:, 0])


def test_another_word_is_refused() -> None:
    x, weight = np.ones((1, 2), np.float32), np.ones((4, 2), np.float32)
    with pytest.raises(_core.Error, match="weight_storage must be float32, bf16 or fp16, got 'int8'"):
        run_row("linear", [x], (1, 4), "generic", {"weight": weight}, weight_storage="int8")
