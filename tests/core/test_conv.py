"""The convolution operator against numpy: both algorithms, every instruction set, odd shapes, groups."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from zeroskip import _core

from .builder import PlanBuilder, fatrelu, run_nhwc, sparse_array
from .windows import Window

SAME3 = Window((3, 3), pads=(1, 1, 1, 1))


@dataclass(frozen=True)
class Case:
    window: Window
    channels: tuple[int, int]  # in, out
    size: tuple[int, int]
    groups: int = 1
    batch: int = 1

    def operands(self, sparsity: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        c_in, c_out = self.channels
        x = sparse_array((self.batch, c_in, *self.size), sparsity)
        weight = sparse_array((c_out, c_in // self.groups, *self.window.kernel), 0.0, 1)
        return x, weight, sparse_array((c_out,), 0.0, 2)


def convolve(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, case: Case) -> np.ndarray:
    patches = case.window.patches(x, 0).astype(np.float64)
    parts = [
        np.einsum("nchwij,ocij->nohw", patch, part.astype(np.float64), optimize=True)
        for patch, part in zip(np.split(patches, case.groups, axis=1), np.split(weight, case.groups), strict=True)
    ]
    return np.concatenate(parts, axis=1) + bias[:, None, None]


CASES = [
    Case(Window((1, 1)), (64, 128), (7, 7)),
    Case(Window((1, 1)), (130, 33), (5, 9), batch=3),
    Case(Window((1, 1)), (17, 200), (1, 1)),
    Case(Window((1, 1), (2, 2)), (48, 80), (9, 8), batch=2),
    Case(Window((1, 1), pads=(1, 1, 1, 1)), (16, 16), (4, 4)),
    Case(SAME3, (64, 64), (8, 8)),
    Case(SAME3, (33, 70), (7, 5), batch=2),
    Case(SAME3, (16, 16), (1, 1)),
    Case(SAME3, (128, 144), (3, 14)),
    Case(Window((3, 3)), (20, 24), (9, 9)),
    Case(Window((3, 3), pads=(2, 2, 2, 2)), (16, 32), (4, 6)),
    Case(Window((3, 3), pads=(0, 3, 0, 0)), (16, 32), (5, 6)),
    Case(Window((3, 3), (2, 2), (1, 1, 1, 1)), (64, 96), (11, 12), batch=2),
    Case(Window((3, 3), (2, 1), (1, 1, 1, 1)), (32, 48), (9, 7)),
    Case(Window((3, 3), pads=(2, 2, 2, 2), dilations=(2, 2)), (32, 16), (8, 8)),
    Case(Window((3, 3), pads=(2, 1, 2, 1), dilations=(2, 1)), (32, 16), (8, 8)),
    Case(Window((5, 5), pads=(2, 2, 2, 2)), (24, 40), (9, 9)),
    Case(Window((7, 7), (2, 2), (3, 3, 3, 3)), (3, 64), (21, 19)),
    Case(Window((1, 7), pads=(0, 3, 0, 3)), (32, 32), (6, 9)),
    Case(Window((7, 1), pads=(3, 0, 3, 0)), (32, 32), (9, 6)),
    Case(Window((2, 2), (3, 3), (0, 0, 1, 1)), (16, 8), (8, 8)),
    # one row, and one column: kept in memory alike
    Case(Window((1, 3), pads=(0, 1, 0, 1)), (48, 72), (1, 13), batch=2),
    Case(Window((3, 1), pads=(1, 0, 1, 0)), (48, 72), (13, 1), batch=2),
    Case(Window((16, 1), pads=(7, 0, 8, 0)), (130, 40), (30, 1)),
    Case(Window((4, 1), (3, 2), (1, 0, 0, 0), (2, 1)), (20, 24), (21, 1), batch=3),
    Case(Window((5, 1), pads=(2, 0, 2, 0)), (64, 64), (20, 1), groups=2),
    # an output of one column from several
    Case(Window((3, 9), pads=(1, 0, 1, 0)), (32, 48), (11, 9), batch=2),
    Case(Window((2, 6), (2, 1), (1, 1, 0, 0), (2, 1)), (20, 24), (12, 5)),
    Case(Window((3, 3), (1, 9), (1, 1, 1, 1)), (16, 40), (7, 8)),
    Case(SAME3, (64, 64), (6, 6), groups=2),
    Case(SAME3, (32, 64), (6, 6), groups=8),
    Case(Window((1, 1)), (240, 80), (4, 4), groups=5),
    Case(Window((1, 1)), (9, 6), (4, 4), groups=3),
    Case(SAME3, (64, 64), (40, 17), batch=2),
]


@pytest.mark.parametrize("sparsity", [0.0, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("algorithm", ["sparse", "dense", "auto"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_matches_numpy(isa: str, algorithm: str, case: Case, sparsity: float) -> None:
    x, weight, bias = case.operands(sparsity)
    expected = convolve(x, weight, bias, case)
    result = run_nhwc(
        "conv",
        [x],
        expected.shape,
        isa,
        {"weight": weight, "bias": bias},
        masked_inputs=True,
        groups=case.groups,
        algorithm=algorithm,
        **case.window.attributes(),
    )
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=2e-5 * np.abs(expected).max())


@pytest.mark.parametrize("algorithm", ["sparse", "dense"])
@pytest.mark.parametrize("window", [Window((1, 1)), SAME3, Window((5, 5), pads=(2, 2, 2, 2))], ids=str)
@pytest.mark.parametrize("with_residual", [False, True])
def test_epilogue(isa: str, algorithm: str, window: Window, with_residual: bool) -> None:
    case = Case(window, (96, 72), (9, 10), batch=2)
    x, weight, bias = case.operands(0.6)
    sums = convolve(x, weight, bias, case)
    arrays = [x]
    if with_residual:
        arrays.append(sparse_array(sums.shape, 0.2, 4))
        sums = sums + arrays[1]
    thresholds = np.abs(sparse_array((72,), 0.3, 3))
    result = run_nhwc(
        "conv",
        arrays,
        sums.shape,
        isa,
        {"weight": weight, "bias": bias, "thresholds": thresholds},
        masked_inputs=True,
        algorithm=algorithm,
        activation="fatrelu",
        max_value=3.0,
        groups=1,
        **window.attributes(),
    )
    near = np.abs(sums - thresholds[:, None, None]) < 1e-4
    reference = np.where(near, result, fatrelu(sums, thresholds, 3.0))
    np.testing.assert_allclose(result, reference, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("algorithm", ["sparse", "dense", "auto", "winograd"])
@pytest.mark.parametrize("channels", [(96, 72), (64, 64)], ids=str)
@pytest.mark.parametrize("groups", [1, 4])
@pytest.mark.parametrize("threads", [1, 3])
def test_adds_a_constant_map_to_every_image(
    isa: str, algorithm: str, channels: tuple[int, int], groups: int, threads: int
) -> None:
    if algorithm == "winograd" and groups > 1:
        pytest.skip("Winograd takes no groups")
    case = Case(SAME3, channels, (9, 10), groups, batch=3)
    x, weight, bias = case.operands(0.6)
    added = sparse_array((channels[1], 9, 10), 0.0, 5)
    expected = convolve(x, weight, bias, case) + added
    builder = PlanBuilder()
    source, target = builder.load(x.shape, masked=True), builder.nhwc(expected.shape, slack=16)
    arrays = {"weight": weight, "bias": bias, "residual": added}
    builder.step("conv", [source], [target], arrays, algorithm=algorithm, groups=groups, **SAME3.attributes())
    builder.expose_values(target)
    (values,) = builder.build(isa, threads=threads).run([x])
    np.testing.assert_allclose(values[:, : channels[1]], expected, rtol=1e-5, atol=2e-5 * np.abs(expected).max())
    assert not values[:, channels[1] :].any(), "padding channels must be zero"


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
@pytest.mark.parametrize("window", [Window((7, 7), (2, 2), (3, 3, 3, 3)), SAME3, Window((1, 1))], ids=str)
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_gathers_a_row_input(isa: str, layout: str, window: Window, channels: int) -> None:
    case = Case(window, (channels, 40), (18, 15), batch=2)
    x, weight, bias = case.operands(0.0)
    expected = convolve(x, weight, bias, case)
    builder = PlanBuilder()
    rows = x if layout == "nchw" else np.ascontiguousarray(x.transpose(0, 2, 3, 1))
    source = builder.graph_input(rows.shape)
    result = builder.nhwc(expected.shape, masked=True)
    builder.step(
        "conv",
        [source],
        [result],
        {"weight": weight, "bias": bias},
        input_layout=layout,
        groups=1,
        **window.attributes(),
    )
    builder.expose_values(result)
    (values,) = builder.build(isa).run([rows])
    np.testing.assert_allclose(values[:, :40], expected, rtol=1e-5, atol=1e-4)
    assert not values[:, 40:].any(), "padding channels must be zero"


@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
def test_gathers_a_column(isa: str, layout: str, dilation: int) -> None:
    window = Window((8, 1), (3, 1), (4, 0, 3, 0), (dilation, 1))
    case = Case(window, (2, 40), (50, 1), batch=2)
    x, weight, bias = case.operands(0.0)
    expected = convolve(x, weight, bias, case)
    builder = PlanBuilder()
    rows = x if layout == "nchw" else np.ascontiguousarray(x.transpose(0, 2, 3, 1))
    source, result = builder.graph_input(rows.shape), builder.nhwc(expected.shape)
    arrays = {"weight": weight, "bias": bias}
    builder.step("conv", [source], [result], arrays, input_layout=layout, groups=1, **window.attributes())
    builder.expose_values(result)
    (values,) = builder.build(isa).run([rows])
    np.testing.assert_allclose(values[:, :40], expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("algorithm", ["sparse", "dense"])
def test_adds_a_constant_map_to_a_column(isa: str, algorithm: str) -> None:
    window = Window((4, 1), pads=(1, 0, 2, 0))
    case = Case(window, (32, 40), (9, 1), batch=2)
    x, weight, bias = case.operands(0.5)
    added = sparse_array((40, 9, 1), 0.0, 5)
    expected = convolve(x, weight, bias, case) + added
    arrays = {"weight": weight, "bias": bias, "residual": added}
    form = {"masked_inputs": True, "algorithm": algorithm, "groups": 1}
    result = run_nhwc("conv", [x], expected.shape, isa, arrays, **form, **window.attributes())
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-4)


def test_results_repeat_bit_for_bit_and_do_not_depend_on_threads(isa: str) -> None:
    case = Case(SAME3, (64, 64), (14, 14))
    x, weight, bias = case.operands(0.5)
    results = []
    for threads in (1, 2, 2, 3):
        builder = PlanBuilder()
        source = builder.load(x.shape, masked=True)
        target = builder.nhwc(x.shape)
        builder.step(
            "conv",
            [source],
            [target],
            {"weight": weight, "bias": bias},
            groups=1,
            algorithm="sparse",
            **SAME3.attributes(),
        )
        builder.expose_values(target)
        program = builder.build(isa, threads=threads)
        results += [program.run([x])[0] for _ in range(3)]
    assert all(np.array_equal(results[0], other) for other in results[1:])


def test_a_zero_input_skips_an_infinite_weight(isa: str) -> None:
    x = np.zeros((1, 16, 3, 3), np.float32)
    x[0, 1] = 2.0
    weight = np.ones((16, 16, 1, 1), np.float32)
    weight[:, 0] = np.inf
    result = run_nhwc(
        "conv",
        [x],
        (1, 16, 3, 3),
        isa,
        {"weight": weight},
        masked_inputs=True,
        algorithm="sparse",
        groups=1,
        **Window((1, 1)).attributes(),
    )
    np.testing.assert_array_equal(result, np.full((1, 16, 3, 3), 2.0, np.float32))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weight": np.ones((16, 8, 3, 3), np.float32)}, "weight shape does not match"),
        ({"weight": np.ones((16, 16, 3), np.float32)}, "weight must be 4-D"),
        ({"bias": np.ones(3, np.float32)}, "bias must hold one value per output channel"),
        ({"strides": (0, 1)}, "must be in"),
        ({"pads": (-1, 0, 0, 0)}, "pads must be in"),
        ({"pads": (0, 0, 0, 0)}, "output is 4x4, expected 2x2"),
        ({"groups": 5}, "not divisible by groups 5"),
        ({"algorithm": "fast"}, "algorithm must be auto, sparse, dense or winograd"),
        ({"algorithm": "sparse"}, "the sparse algorithm needs a masked nhwc input"),
        ({"activation": "relu"}, "activation is 'relu', needs 'none' or 'fatrelu'"),
        ({"activation": "fatrelu"}, "constant 'thresholds' is missing"),
        ({"residual": np.ones((16, 4, 3), np.float32)}, "constant 'residual' has shape"),
    ],
)
def test_refuses(change: dict[str, object], message: str) -> None:
    arrays = {"weight": np.ones((16, 16, 3, 3), np.float32)}
    attributes: dict[str, object] = {**SAME3.attributes(), "groups": 1}
    for key, value in change.items():
        if isinstance(value, np.ndarray):
            arrays[key] = value
        else:
            attributes[key] = value
    builder = PlanBuilder()
    source = builder.load((1, 16, 4, 4), masked=False)
    builder.step("conv", [source], [builder.nhwc((1, 16, 4, 4))], arrays, **attributes)
    with pytest.raises(_core.Error, match=message):
        builder.build()
