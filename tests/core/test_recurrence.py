"""recurrence: LSTM, GRU and RNN behind the product with their inputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from engine.numpy_recurrent import recur
from zeroskip import _core

from .builder import PlanBuilder

KINDS = {"lstm": 4, "gru": 3, "gru_reset_after": 3, "rnn_tanh": 1, "rnn_relu": 1}
DIRECTIONS = {"forward": 1, "reverse": 1, "bidirectional": 2}


def layer(kind: str, direction: str, steps: int, rows: int, units: int, first: bool) -> tuple[Any, ...]:
    """Return operands and constants of a layer."""
    rng = np.random.default_rng(units)
    directions, gates = DIRECTIONS[direction], KINDS[kind]
    operands = [rng.standard_normal((steps, rows, directions * gates * units), np.float32)]
    if first:
        operands += [
            rng.standard_normal((directions, rows, units), np.float32) for _ in range(2 if kind == "lstm" else 1)
        ]
    weight = rng.standard_normal((directions, gates * units, units), np.float32) / np.float32(units**0.5)
    arrays = {"weight": weight}
    if kind == "gru_reset_after":
        arrays["bias"] = rng.standard_normal((directions, units), np.float32)
    return operands, arrays


def plan(kind: str, direction: str, operands: list[np.ndarray], arrays: dict[str, np.ndarray]) -> PlanBuilder:
    builder = PlanBuilder()
    sources = [builder.graph_input(x.shape) for x in operands]
    directions, _, units = arrays["weight"].shape
    steps, rows, _ = operands[0].shape
    shapes = [(steps, directions, rows, units), *[(directions, rows, units)] * (2 if kind == "lstm" else 1)]
    builder.step(
        "recurrence", sources, [builder.graph_output(s) for s in shapes], arrays, kind=kind, direction=direction
    )
    return builder


def check(isa: str, kind: str, direction: str, sizes: tuple[int, int, int], first: bool, threads: int = 2) -> None:
    operands, arrays = layer(kind, direction, *sizes, first)
    results = plan(kind, direction, operands, arrays).build(isa, threads).run(operands)
    for result, expected in zip(results, recur(kind, direction, operands, arrays), strict=True):
        np.testing.assert_allclose(result, expected, rtol=2e-5, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("first", [False, True])
def test_directions_and_first_states(isa: str, kind: str, direction: str, first: bool) -> None:
    check(isa, kind, direction, (4, 2, 19), first)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("units", [1, 15, 16, 17, 33, 64, 70])
def test_units_and_rows_at_the_edges_of_their_tiles(isa: str, kind: str, units: int) -> None:
    for rows in (1, 2, 3, 8, 13):
        check(isa, kind, "forward", (3, rows, units), True)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("threads", [1, 3, 8])
def test_threads_share_the_units(isa: str, kind: str, threads: int) -> None:
    """So many that a direction is shared; the bits do not depend on it."""
    operands, arrays = layer(kind, "bidirectional", 5, 1, 200, True)
    builder = plan(kind, "bidirectional", operands, arrays)
    alone, shared = (builder.build(isa, count).run(operands) for count in (1, threads))
    for a, b in zip(alone, shared, strict=True):
        np.testing.assert_array_equal(a, b)
    check(isa, kind, "bidirectional", (5, 1, 200), True, threads)


@pytest.mark.parametrize("kind", ["lstm", "gru", "gru_reset_after"])
def test_gates_far_outside_saturate(isa: str, kind: str) -> None:
    operands, arrays = layer(kind, "forward", 3, 1, 16, True)
    operands[0] *= np.float32(1e4)
    results = plan(kind, "forward", operands, arrays).build(isa).run(operands)
    for result, expected in zip(results, recur(kind, "forward", operands, arrays), strict=True):
        np.testing.assert_allclose(result, expected, atol=1e-5)


def test_nan_of_one_row_stays_there(isa: str) -> None:
    operands, arrays = layer("lstm", "forward", 3, 2, 16, False)
    operands[0][0, 1, 5] = np.nan
    y, _, _ = plan("lstm", "forward", operands, arrays).build(isa).run(operands)
    assert np.isfinite(y[:, :, 0]).all()
    assert np.isnan(y[-1, 0, 1]).all()


def refusal(operands: list[np.ndarray], arrays: dict[str, np.ndarray], **changes: Any) -> str:
    builder = plan("lstm", "forward", operands, arrays)
    for index, shape in changes.pop("shapes", {}).items():
        builder.tensors[index]["shape"] = shape
    builder.steps[0]["attributes"].update(changes)
    with pytest.raises(_core.Error) as error:
        builder.build()
    return str(error.value)


def test_hostile_plans_are_refused() -> None:
    operands, arrays = layer("lstm", "forward", 3, 2, 16, True)
    assert "kind is 'rnn', needs one of lstm" in refusal(operands, arrays, kind="rnn")
    assert "direction is 'back', needs forward, reverse or bidirectional" in refusal(operands, arrays, direction="back")
    assert "takes 1 input or 2, got 3" in refusal(operands, arrays, kind="gru")
    assert "[3, 2, 128]" in refusal(operands, arrays, direction="bidirectional", shapes={3: (3, 2, 2, 16)})
    assert "[1, 2, 16]" in refusal(operands, arrays, shapes={1: (1, 3, 16)})
    assert "[1, 2, 16]" in refusal(operands, arrays, shapes={5: (1, 2, 17)})
    assert "units" in refusal(operands, arrays, shapes={3: (3, 2, 16)})
    assert "more than 2^24 units" in refusal(operands, arrays, shapes={3: (1, 1, 1, 1 << 39)})
    assert "weight" in refusal(operands, {"weight": arrays["weight"][:, :-1]})
    wrong_bias = {**arrays, "bias": np.zeros((1, 16), np.float32)}
    assert "only gru_reset_after takes a bias" in refusal(operands, wrong_bias)
