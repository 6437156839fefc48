"""What hostile plans once got past the checks: each is refused now, or runs, and in reasonable time."""

from __future__ import annotations

import numpy as np
import pytest

from zeroskip import _core

from .builder import PlanBuilder


def linear(store: _core.WeightStore, weight: np.ndarray, name: str = "w") -> np.ndarray:
    """Run a linear layer on ones; its weight is called ``name`` in the store."""
    builder = PlanBuilder()
    source = builder.graph_input((1, weight.shape[1]))
    builder.step("linear", [source], [builder.graph_output((1, weight.shape[0]))], {"weight": weight})
    builder.steps[0]["constants"] = {"weight": name}
    return builder.build(weights=store).run([np.ones((1, weight.shape[1]), np.float32)])[0]


def test_constants_of_one_name_and_several_shapes_stay_apart() -> None:
    store = _core.WeightStore()
    np.testing.assert_array_equal(linear(store, np.ones((3, 4), np.float32)), np.full((1, 3), 4))
    np.testing.assert_array_equal(linear(store, np.ones((90, 70), np.float32)), np.full((1, 90), 70))


def test_a_bias_called_zeros_is_not_taken_for_a_missing_one() -> None:
    store, results = _core.WeightStore(), []
    for arrays in ({"bias": np.full(16, 5, np.float32)}, {}):
        builder = PlanBuilder()
        source, result = builder.load((1, 16, 1, 1)), builder.nhwc((1, 16, 1, 1))
        weight = np.zeros((16, 16, 1, 1), np.float32)
        window = {"kernel": (1, 1), "strides": (1, 1), "pads": (0, 0, 0, 0), "dilations": (1, 1)}
        builder.step("conv", [source], [result], {"weight": weight, **arrays}, **window)
        builder.steps[-1]["constants"] = dict.fromkeys(arrays, "zeros")
        builder.step("to_row", [result], [builder.graph_output((1, 16, 1, 1))])
        results.append(builder.build(weights=store).run([np.ones((1, 16, 1, 1), np.float32)])[0])
    assert (results[0] == 5).all()
    assert (results[1] == 0).all()


@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_resize_positions_that_are_no_numbers(mode: str) -> None:
    builder = PlanBuilder()
    source, result = builder.load((1, 16, 3, 3)), builder.nhwc((1, 16, 6, 6))
    attributes = {"coordinate_transformation_mode": "half_pixel_symmetric", "scales": [1e-45, 1e-45]}
    builder.step("resize", [source], [result], mode=mode, **attributes)
    with pytest.raises(_core.Error, match="the scale gives positions that are no numbers"):
        builder.build()


@pytest.mark.parametrize("mode", ["nearest", "linear"])
@pytest.mark.parametrize("scale", [1e-45, 3e38])
def test_resize_positions_far_outside(mode: str, scale: float, isa: str) -> None:
    builder = PlanBuilder()
    source, result = builder.load((1, 16, 1, 3)), builder.nhwc((1, 16, 1, 6))
    attributes = {"coordinate_transformation_mode": "asymmetric", "scales": [1.0, scale]}
    builder.step("resize", [source], [result], mode=mode, **attributes)
    builder.step("to_row", [result], [builder.graph_output((1, 16, 1, 6))])
    x = np.arange(48, dtype=np.float32).reshape(1, 16, 1, 3)
    y = builder.build(isa).run([x])[0]
    assert x.min() <= y.min() <= y.max() <= x.max()


@pytest.mark.parametrize("op", ["max_pool", "avg_pool"])
@pytest.mark.parametrize("dilation", [1, 2])
def test_a_window_of_a_million_taps_costs_only_those_inside(op: str, dilation: int, isa: str) -> None:
    """Walking the taps outside took a millisecond for each of the ten thousand outputs, and each of its rows."""
    builder = PlanBuilder()
    taps, edge = 1 << 20, ((1 << 20) - 1) * dilation
    shape = (1, 16, 100, 100)
    source, result = builder.load(shape), builder.nhwc(shape)
    window = {"kernel": (1, taps), "strides": (1, 1), "dilations": (1, dilation), "pads": (0, 0, 0, 0)}
    if edge > 1 << 20:  # pads reach half as far as such a window
        window["kernel"], edge = (1, taps // 2), (taps // 2 - 1) * dilation
    window["pads"] = (0, edge, 0, 0)
    builder.step(op, [source], [result], **window)
    builder.step("to_row", [result], [builder.graph_output(shape)])
    x = np.arange(160_000, dtype=np.float32).reshape(shape)
    y = builder.build(isa).run([x])[0]
    columns = [x[..., column % dilation : column + 1 : dilation] for column in range(100)]
    reduce = np.max if op == "max_pool" else np.mean
    expected = np.stack([reduce(part.astype(np.float64), axis=-1) for part in columns], axis=-1)
    np.testing.assert_allclose(y, expected, rtol=1e-5)


def test_an_operator_that_would_read_what_it_writes_outside_the_arena() -> None:
    builder = PlanBuilder()
    first, output = builder.graph_input((4, 4)), builder.graph_output((4, 4))
    builder.step("copy", [first], [output])
    builder.step("transpose", [output], [output], perm=(1, 0))
    with pytest.raises(_core.Error, match=r"step 1 .* output 't1' is its input too, and it does not run in place"):
        builder.build()


def test_outputs_listed_twice() -> None:
    builder = PlanBuilder()
    first, output = builder.graph_input((4, 4)), builder.graph_output((4, 4))
    builder.step("copy", [first], [output, output])
    with pytest.raises(_core.Error, match="output 't1' is listed twice"):
        builder.build()


def test_memory_beyond_the_machine_is_refused_before_it_is_asked_for() -> None:
    builder = PlanBuilder()
    source = builder.nhwc((1, 16, 1 << 18, 1 << 18))
    builder.step("to_nhwc", [builder.graph_input((1, 16, 1 << 18, 1 << 18))], [source])
    result = builder.nhwc((1, 16, 1 << 18, 1 << 18))
    builder.step("resize", [source], [result])  # would list a position for every row and column
    with pytest.raises(
        _core.Error, match=r"out of memory: a run needs a workspace of \d+ \+ 0 bytes, this machine has"
    ):
        builder.build()


def test_scratch_sizes_do_not_wrap_around() -> None:
    """A few-channel convolution gathers its padded input: 2^20 images, padded by a million pixels on each side."""
    builder = PlanBuilder()
    source, result = builder.graph_input((1 << 20, 15, 1, 1)), builder.nhwc((1 << 20, 16, 3, 3))
    edge = 1 << 20
    window = {"kernel": (2, 2), "strides": (edge, edge), "pads": (edge,) * 4, "dilations": (1, 1)}
    builder.tensors[result]["shape"] = (1 << 20, 16, 2, 2)
    builder.step("conv", [source], [result], {"weight": np.ones((16, 15, 2, 2), np.float32)}, **window)
    with pytest.raises(_core.Error, match=r"is too large|out of memory"):
        builder.build()
