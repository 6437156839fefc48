"""Convolution and linear layers of u8: every algorithm, byte for byte against NumPy, on every instruction set."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from zeroskip import _core

from .builder import PlanBuilder, Shape
from .convolution import DEFAULTS, LAYERS, convolved

Array = np.ndarray[Any, Any]


def requantized(sums: Array, arrays: dict[str, Array], attributes: dict[str, Any], residual: Array | None) -> Array:
    """What the contract of the epilogue says, operation by operation in float32."""
    shape = (-1,) + (1,) * (sums.ndim - 2)
    f32 = np.float32
    value = sums.astype(f32) * arrays["multipliers"].reshape(shape)
    if residual is not None:
        if "sum_scale" in attributes:
            zero = attributes["sum_zero_point"]
            value = np.rint(np.clip(value, f32(0 - zero), f32(255 - zero))) * f32(attributes["sum_scale"])
        other = residual.astype(f32) - f32(attributes["residual_zero_point"])
        value = value + other * f32(attributes["residual_scale"])
    if attributes.get("activation") == "fatrelu":
        value = np.where(value > arrays["thresholds"].reshape(shape), value, f32(0))
    value = np.minimum(value, f32(attributes.get("max_value", 32767)))
    return np.clip(np.rint(value) + attributes["y_zero_point"], 0, 255).astype(np.uint8)


def activations(random: np.random.Generator, shape: Shape, sparsity: float, zero: int) -> Array:
    values = random.integers(0, 256, shape)
    return np.where(random.random(shape) < sparsity, zero, values).astype(np.uint8)


def run_layer(name: str, isa: str, sparsity: float, form: dict[str, Any], *, from_rows: bool = False) -> None:
    """Run a layer and hold all of its bytes against NumPy."""
    layer = DEFAULTS | LAYERS[name]
    random = np.random.default_rng(18)
    zero, y_zero, outputs = form.get("zero", 0), form.get("y_zero", 0), layer["outputs"]
    x = activations(random, layer["x"], sparsity, zero)
    shape = (outputs, layer["x"][1] // layer["groups"], *layer["kernel"])
    weight = random.integers(-128, 128, shape).clip(*form.get("weights", (-128, 127))).astype(np.int8)
    bias = random.integers(-3000, 3000, outputs).astype(np.int32)
    sums = convolved(x.astype(np.int64) - zero, weight.astype(np.int64), layer) + bias[:, None, None]
    spread = 60.0 / max(1.0, float(np.abs(sums).mean()))
    arrays: dict[str, Array] = {"weight": weight, "bias": bias}
    arrays["multipliers"] = (spread * random.uniform(0.5, 2, outputs)).astype(np.float32)
    attributes = {name: layer[name] for name in ("kernel", "strides", "pads", "dilations", "groups")}
    attributes |= {"x_zero_point": zero, "y_zero_point": y_zero, "algorithm": form.get("algorithm", "auto")}
    if form.get("activation"):
        attributes |= {"activation": "fatrelu", "max_value": 111.0}
        arrays["thresholds"] = random.uniform(0, 20, outputs).astype(np.float32)
    builder = PlanBuilder()
    if from_rows:
        inputs = [builder.tensor(shape=layer["x"], dtype="u8")]
        builder.inputs.append(inputs[0])
    else:
        inputs = [builder.load(layer["x"], dtype="u8")]
    given, residual = [x], None
    if form.get("residual"):
        residual = activations(random, sums.shape, 0.3, 5)
        inputs.append(builder.load(sums.shape, dtype="u8"))
        given.append(residual)
        attributes |= {"residual_scale": 0.37, "residual_zero_point": 5}
        if form.get("rounds"):
            attributes |= {"sum_scale": 1.21, "sum_zero_point": 77}
    result = builder.nhwc(sums.shape, slack=64, dtype="u8")
    builder.step("quantized_conv", inputs, [result], arrays, **attributes)
    builder.expose_values(result)
    (got,) = builder.build(isa).run(given)
    want = requantized(sums, arrays, attributes, residual)
    assert np.array_equal(got[:, :outputs], want), f"{np.mean(got[:, :outputs] != want):.3f} differ"
    assert not got[:, outputs:].any(), "padding channels are zero"


@pytest.mark.parametrize("algorithm", ["dense", "sparse", "auto"])
@pytest.mark.parametrize("name", LAYERS)
def test_layers(name: str, algorithm: str, isa: str) -> None:
    run_layer(name, isa, 0.6, {"algorithm": algorithm})


@pytest.mark.parametrize("sparsity", [0.0, 0.9, 1.0])
@pytest.mark.parametrize("algorithm", ["dense", "sparse"])
def test_sparsity(sparsity: float, algorithm: str, isa: str) -> None:
    run_layer("3x3", isa, sparsity, {"algorithm": algorithm})


@pytest.mark.parametrize("zero", [1, 128, 255])
@pytest.mark.parametrize("name", ["1x1", "1x1 padded", "3x3 odd", "few channels", "few pixels"])
@pytest.mark.parametrize("algorithm", ["dense", "sparse"])
def test_zero_points(name: str, zero: int, algorithm: str, isa: str) -> None:
    run_layer(name, isa, 0.6, {"algorithm": algorithm, "zero": zero, "y_zero": 255 - zero})


@pytest.mark.parametrize(
    "form", [{"residual": True}, {"residual": True, "rounds": True}, {"residual": True, "rounds": True, "y_zero": 30}]
)
@pytest.mark.parametrize("activation", [False, True])
def test_epilogues(form: dict[str, Any], activation: bool, isa: str) -> None:
    for algorithm in ("dense", "sparse"):
        run_layer("3x3 odd", isa, 0.6, form | {"activation": activation, "algorithm": algorithm})


@pytest.mark.parametrize("zero", [0, 200])
@pytest.mark.parametrize("name", LAYERS)
def test_weights_of_seven_bits(name: str, zero: int, isa: str) -> None:
    """Where no sum of two products can saturate the dense tile may multiply bytes."""
    form = {"weights": (-64, 64), "zero": zero, "y_zero": 20, "activation": True}
    run_layer(name, isa, 0.0, form | {"algorithm": "dense"})
    run_layer(name, isa, 0.6, form | {"residual": True, "rounds": True})


def test_rows_of_few_channels(isa: str) -> None:
    for weights in ((-128, 127), (-64, 64)):
        form = {"zero": 17, "activation": True, "weights": weights}
        run_layer("few channels", isa, 0.3, form, from_rows=True)


@pytest.mark.parametrize("rows", [1, 3, 50])
@pytest.mark.parametrize("zero", [0, 9])
@pytest.mark.parametrize(("features", "most"), [(301, 128), (304, 64)])
def test_linear(rows: int, zero: int, features: int, most: int, isa: str) -> None:
    random = np.random.default_rng(19)
    x = activations(random, (rows, features), 0.5, zero)
    arrays: dict[str, Array] = {
        "weight": random.integers(-most, most, (77, features)).astype(np.int8),
        "bias": random.integers(-3000, 3000, 77).astype(np.int32),
        "multipliers": random.uniform(1e-4, 1e-3, 77).astype(np.float32),
    }
    builder = PlanBuilder()
    source, result = builder.tensor(shape=(rows, features), dtype="u8"), builder.tensor(shape=(rows, 77), dtype="u8")
    builder.inputs.append(source)
    builder.outputs.append(result)
    builder.step("quantized_linear", [source], [result], arrays, x_zero_point=zero, y_zero_point=100)
    (got,) = builder.build(isa).run([x])
    sums = (x.astype(np.int64) - zero) @ arrays["weight"].T.astype(np.int64) + arrays["bias"]
    assert np.array_equal(got, requantized(sums, arrays, {"y_zero_point": 100}, None))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weight": np.zeros((64, 64, 1, 1), np.float32)}, "holds float32, needs s8"),
        ({"bias": np.zeros(64, np.float32)}, "holds float32, needs s32"),
        ({"bias": np.zeros(63, np.int32)}, "one value per output channel"),
        ({"multipliers": np.full(64, np.nan, np.float32)}, "multipliers must be finite"),
        ({"multipliers": None}, "'multipliers' is missing"),
        ({"y_zero_point": 256}, r"y_zero_point must be in \[0, 255\]"),
        ({"x_zero_point": -1}, r"x_zero_point must be in \[0, 255\]"),
        ({"residual_scale": 0.0}, "residual_scale must be positive"),
        ({"max_value": -1.0}, "max_value must not be negative"),
        ({"activation": "tanh"}, "needs 'none' or 'fatrelu'"),
        ({"algorithm": "winograd"}, "must be auto, sparse or dense"),
    ],
)
def test_wrong_steps_are_refused(change: dict[str, Any], message: str) -> None:
    arrays: dict[str, Any] = {"weight": np.zeros((64, 64, 1, 1), np.int8), "multipliers": np.ones(64, np.float32)}
    attributes: dict[str, Any] = {"kernel": (1, 1), "strides": (1, 1), "pads": (0,) * 4, "dilations": (1, 1)}
    for key, value in change.items():
        (attributes if key not in ("weight", "bias", "multipliers") else arrays)[key] = value
    builder = PlanBuilder()
    x = builder.load((1, 64, 2, 2), dtype="u8")
    given = {role: array for role, array in arrays.items() if array is not None}
    builder.step("quantized_conv", [x], [builder.nhwc((1, 64, 2, 2), dtype="u8")], given, **attributes)
    with pytest.raises(_core.Error, match=message):
        builder.build()


def test_integer_constants_are_for_steps_on_integers() -> None:
    builder = PlanBuilder()
    x, y = builder.load((1, 16, 2, 2)), builder.nhwc((1, 16, 2, 2))
    weight = np.zeros((16, 16, 1, 1), np.int8)
    attributes = {"kernel": (1, 1), "strides": (1, 1), "pads": (0,) * 4, "dilations": (1, 1)}
    builder.step("conv", [x], [y], {"weight": weight}, **attributes)
    with pytest.raises(_core.Error, match="'weight' holds s8, needs float32"):
        builder.build()
