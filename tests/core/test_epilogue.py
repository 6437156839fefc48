"""The epilogue of a step: one check for all operators that carry one, whatever a plan says."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from zeroskip import _core

from .builder import PlanBuilder
from .windows import Window

C = 16
SHAPE = (1, C, 4, 4)
WINDOW = Window((1, 1)).attributes()
Arrays = dict[str, np.ndarray]


def conv(builder: PlanBuilder, arrays: Arrays, **attributes: object) -> None:
    weight = np.ones((C, C, 1, 1), np.float32)
    arrays = {"weight": weight, **arrays}
    builder.step("conv", [builder.load(SHAPE)], [builder.nhwc(SHAPE)], arrays, **WINDOW, **attributes)


def depthwise(builder: PlanBuilder, arrays: Arrays, **attributes: object) -> None:
    arrays = {"weight": np.ones((C, 1, 1, 1), np.float32), **arrays}
    builder.step("depthwise", [builder.load(SHAPE)], [builder.nhwc(SHAPE)], arrays, **WINDOW, **attributes)


def linear(builder: PlanBuilder, arrays: Arrays, **attributes: object) -> None:
    source, result = builder.graph_input((2, 3)), builder.graph_output((2, C))
    builder.step("linear", [source], [result], {"weight": np.ones((C, 3), np.float32), **arrays}, **attributes)


def add(builder: PlanBuilder, arrays: Arrays, **attributes: object) -> None:
    sources = [builder.load(SHAPE), builder.load(SHAPE)]
    builder.step("add", sources, [builder.nhwc(SHAPE)], arrays, **attributes)


def affine(builder: PlanBuilder, arrays: Arrays, **attributes: object) -> None:
    factors = {"scale": np.ones(C, np.float32), "bias": np.zeros(C, np.float32)}
    builder.step("affine", [builder.load(SHAPE)], [builder.nhwc(SHAPE)], factors | arrays, **attributes)


def activation(builder: PlanBuilder, arrays: Arrays, **attributes: object) -> None:
    kind = str(attributes.pop("activation"))
    builder.step("activation", [builder.load(SHAPE)], [builder.nhwc(SHAPE)], arrays, kind=kind, **attributes)


OPERATORS: list[Callable[..., None]] = [conv, depthwise, linear, add, affine, activation]


def thresholds(value: float, count: int = C) -> Arrays:
    """Return zeros, but for the last one."""
    values = np.zeros(count, np.float32)
    values[-1] = value
    return {"thresholds": values}


def build(operator: Callable[..., None], arrays: Arrays, **attributes: object) -> None:
    builder = PlanBuilder()
    operator(builder, arrays, **attributes)
    builder.build()


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize(
    ("arrays", "max_value", "message"),
    [
        (thresholds(-0.5), 6.0, "thresholds must not be negative or NaN, got -0.5"),
        (thresholds(-np.inf), 6.0, "thresholds must not be negative or NaN, got -inf"),
        (thresholds(np.nan), 6.0, "thresholds must not be negative or NaN, got nan"),
        (thresholds(0.5), -1.0, "max_value must not be negative or NaN, got -1"),
        (thresholds(0.5), -np.inf, "max_value must not be negative or NaN, got -inf"),
        (thresholds(0.5), np.nan, "max_value must not be negative or NaN, got nan"),
        (thresholds(0.5, C - 1), 6.0, r"constant 'thresholds' has shape \[15\], needs \[16\]"),
        ({"thresholds": np.zeros((C, 1), np.float32)}, 6.0, r"has shape \[16, 1\], needs \[16\]"),
        ({}, 6.0, "constant 'thresholds' is missing"),
    ],
)
def test_refuses(operator: Callable[..., None], arrays: Arrays, max_value: float, message: str) -> None:
    with pytest.raises(_core.Error, match=message):
        build(operator, arrays, activation="fatrelu", max_value=max_value)


@pytest.mark.parametrize("operator", OPERATORS[:-1])
def test_refuses_an_unknown_activation(operator: Callable[..., None]) -> None:
    with pytest.raises(_core.Error, match="activation is 'relu', needs 'none' or 'fatrelu'"):
        build(operator, thresholds(0.5), activation="relu")


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("max_value", [0.0, 6.0, np.inf])
@pytest.mark.parametrize("threshold", [-0.0, 0.0, 7.0, np.inf])
def test_accepts(operator: Callable[..., None], threshold: float, max_value: float) -> None:
    build(operator, thresholds(threshold), activation="fatrelu", max_value=max_value)
