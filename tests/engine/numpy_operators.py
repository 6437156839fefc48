"""The native operators in numpy, on logical arrays: maps are (N, C, H, W) whatever their layout in memory."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from zeroskip.engine.plan.types import Plan, Step

from .numpy_choices import arg_extreme, gather_elements, top_k
from .numpy_recurrent import recurrence

Arrays = list[np.ndarray]
Constants = dict[str, np.ndarray]
Operator = Callable[[Plan, Step, Arrays, Constants], np.ndarray | tuple[np.ndarray, ...]]
OPERATORS: dict[str, Operator] = {
    "arg_extreme": arg_extreme,
    "gather_elements": gather_elements,
    "recurrence": recurrence,
    "top_k": top_k,
}


def operator(function: Operator) -> Operator:
    OPERATORS[function.__name__.rstrip("_")] = function
    return function


def per_channel(plan: Plan, step: Step, values: np.ndarray) -> np.ndarray:
    """Shape ``values`` for broadcasting over the channels of the step's output.

    The channel axis is 1, for row tensors what the attribute says, and always the last one of a linear step.
    """
    rank = len(plan.tensors[step.outputs[0]].shape)
    axis = rank - 1 if step.op == "linear" else step.attributes.get("axis", min(1, rank - 1))
    return values.reshape(-1, *(1,) * (rank - 1 - axis))


def epilogue(plan: Plan, step: Step, x: np.ndarray, constants: Constants) -> np.ndarray:
    if step.op == "activation" or step.attributes.get("activation", "none") == "none":
        return x
    return fat_relu(x, per_channel(plan, step, constants["thresholds"]), step)


def fat_relu(x: np.ndarray, thresholds: np.ndarray, step: Step) -> np.ndarray:
    return np.minimum(np.where(x > thresholds, x, 0), step.attributes.get("max_value", math.inf))


@operator
def conv(plan: Plan, step: Step, operands: Arrays, constants: Constants) -> np.ndarray:
    x = operands[0].transpose(0, 3, 1, 2) if step.attributes.get("input_layout") == "nhwc" else operands[0]
    weight, groups = constants["weight"], step.attributes["groups"]
    parts = zip(np.split(x, groups, 1), np.split(weight, groups, 0), strict=True)
    y = np.concatenate([_conv_of_one_group(plan, step, *part) for part in parts], axis=1)
    if "bias" in constants:
        y += constants["bias"].reshape(1, -1, 1, 1)
    if "residual" in constants:
        y += constants["residual"]
    return y + operands[1] if len(operands) > 1 else y


def _conv_of_one_group(plan: Plan, step: Step, x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Add up one matrix product per tap."""
    (top, left, bottom, right), (kh, kw) = step.attributes["pads"], step.attributes["kernel"]
    (dh, dw), (sh, sw) = step.attributes["dilations"], step.attributes["strides"]
    padded = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
    batch, _, height, width = plan.tensors[step.outputs[0]].shape
    y = np.zeros((batch, height, width, weight.shape[0]), np.float32)
    for ky, kx in itertools.product(range(kh), range(kw)):
        rows = slice(ky * dh, ky * dh + (height - 1) * sh + 1, sh)
        columns = slice(kx * dw, kx * dw + (width - 1) * sw + 1, sw)
        y += padded[:, :, rows, columns].transpose(0, 2, 3, 1) @ weight[:, :, ky, kx].T
    return y.transpose(0, 3, 1, 2)


OPERATORS["depthwise"] = conv


@operator
def linear(plan: Plan, step: Step, operands: Arrays, constants: Constants) -> np.ndarray:
    x = operands[0]
    if plan.tensors[step.inputs[0]].layout == "nhwc":
        assert x.shape[2:] == (1, 1)
        x = x[:, :, 0, 0]
    return x @ constants["weight"].T + constants.get("bias", np.float32(0))


@operator
def add(plan: Plan, step: Step, operands: Arrays, constants: Constants) -> np.ndarray:
    assert operands[0].shape == operands[1].shape
    return operands[0] + operands[1]


@operator
def mul(plan: Plan, step: Step, operands: Arrays, constants: Constants) -> np.ndarray:
    return operands[0] * operands[1]


@operator
def affine(plan: Plan, step: Step, operands: Arrays, constants: Constants) -> np.ndarray:
    scale, bias = (per_channel(plan, step, constants[role]) for role in ("scale", "bias"))
    return operands[0] * scale + bias


def functions(x: np.ndarray, attributes: dict) -> dict[str, Callable[[], np.ndarray]]:
    """Return the functions of one operand by kind."""
    erf = np.vectorize(math.erf, otypes=[np.float32])
    alpha, gamma = attributes.get("alpha", 1.0), attributes.get("gamma", 1.0)
    return {
        "abs": lambda: np.abs(x),
        "ceil": lambda: np.ceil(x),
        "celu": lambda: np.where(x > 0, x, alpha * np.expm1(x / alpha)),
        "cos": lambda: np.cos(x),
        "elu": lambda: gamma * np.where(x > 0, x, alpha * np.expm1(x)),
        "erf": lambda: erf(x),
        "exp": lambda: np.exp(x),
        "floor": lambda: np.floor(x),
        "gelu": lambda: x / 2 * (1 + erf(x / math.sqrt(2))),
        "gelu_tanh": lambda: x / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
        "hardswish": lambda: x * np.clip(x / 6 + 0.5, 0, 1),
        "log": lambda: np.log(x),
        "mish": lambda: x * np.tanh(np.logaddexp(x, 0)),
        "reciprocal": lambda: 1 / x,
        "round": lambda: np.round(x),
        "sigmoid": lambda: 1 / (1 + np.exp(-x)),
        "sign": lambda: np.sign(x),
        "sin": lambda: np.sin(x),
        "softplus": lambda: np.logaddexp(x, 0),
        "softsign": lambda: x / (1 + np.abs(x)),
        "sqrt": lambda: np.sqrt(x),
        "tanh": lambda: np.tanh(x),
    }


@operator
def activation(plan: Plan, step: Step, operands: Arrays, constants: Constants) -> np.ndarray:
    (x,) = operands
    kind, attributes = step.attributes["kind"], step.attributes
    if kind == "fatrelu":
        return fat_relu(x, per_channel(plan, step, constants["thresholds"]), step)
    if kind == "clip":
        return np.clip(x, attributes["min_value"], attributes["max_value"])
    if kind == "hardsigmoid":
        return np.clip(attributes["alpha"] * x + attributes["beta"], 0, 1)
    if kind == "prelu":
        return np.where(x > 0, x, x * per_channel(plan, step, constants["slope"]))
    with np.errstate(all="ignore"):
        return functions(x, attributes)[kind]()


@operator
def quantize(plan: Plan, step: Step, operands: Arrays, constants: Constants) -> np.ndarray:
    scale, zero_point = np.float32(step.attributes["scale"]), step.attributes["zero_point"]
    with np.errstate(all="ignore"):
        steps = operands[0] / scale
    kept = np.where(steps > -zero_point, np.minimum(steps, 255 - zero_point), -zero_point)  # NaN becomes the smallest
    return np.rint(kept) + zero_point


@operator
def dequantize(plan: Plan, step: Step, operands: Arrays, constants: Constants) -> np.ndarray:
    return (operands[0] - step.attributes["zero_point"]) * np.float32(step.attributes["scale"])


def _pool(plan: Plan, step: Step, x: np.ndarray, is_average: bool) -> np.ndarray:
    """Pool by visiting every output position: windows may hang over the edge (ceil mode)."""
    _, _, height, width = x.shape
    y = np.empty(plan.tensors[step.outputs[0]].shape, np.float32)
    (kh, kw), (sh, sw), (top, left, bottom, right) = (step.attributes[key] for key in ("kernel", "strides", "pads"))
    dh, dw = step.attributes.get("dilations", (1, 1))
    for oy, ox in itertools.product(range(y.shape[2]), range(y.shape[3])):
        rows = [oy * sh - top + ky * dh for ky in range(kh)]
        columns = [ox * sw - left + kx * dw for kx in range(kw)]
        inside = x[:, :, [r for r in rows if 0 <= r < height]][..., [c for c in columns if 0 <= c < width]]
        if not is_average:
            y[:, :, oy, ox] = inside.max(axis=(2, 3))
            continue
        count = inside.shape[2] * inside.shape[3]
        if step.attributes["count_include_pad"]:
            count = sum(r < height + bottom for r in rows) * sum(c < width + right for c in columns)
        y[:, :, oy, ox] = inside.sum(axis=(2, 3)) / count
    return y


@operator
def max_pool(plan: Plan, step: Step, operands: Arrays, constants: Constants) -> np.ndarray:
    return _pool(plan, step, operands[0], is_average=False)


@operator
def avg_pool(plan: Plan, step: Step, operands: Arrays, constants: Constants) -> np.ndarray:
    return _pool(plan, step, operands[0], is_average=True)


@operator
def global_avg_pool(plan: Plan, step: Step, operands: Arrays, constants: Constants) -> np.ndarray:
    return operands[0].mean(axis=(2, 3), keepdims=True)


@operator
def global_max_pool(plan: Plan, step: Step, operands: Arrays, constants: Constants) -> np.ndarray:
    return operands[0].max(axis=(2, 3), keepdims=True)


@operator
def concat(plan: Plan, step: Step, operands: Arrays, constants: Constants) -> np.ndarray:
    return np.concatenate(operands, axis=step.attributes["axis"])


@operator
def to_nhwc(plan: Plan, step: Step, operands: Arrays, constants: Constants) -> np.ndarray:
    batch, channels, height, width = plan.tensors[step.outputs[0]].shape
    if step.attributes["input_layout"] == "nhwc":
        return operands[0].reshape(batch, height, width, channels).transpose(0, 3, 1, 2)
    return operands[0].reshape(batch, channels, height, width)


@operator
def to_row(plan: Plan, step: Step, operands: Arrays, constants: Constants) -> np.ndarray:
    x = operands[0].transpose(0, 2, 3, 1) if step.attributes["output_layout"] == "nhwc" else operands[0]
    return x.reshape(plan.tensors[step.outputs[0]].shape)


@operator
def copy(plan: Plan, step: Step, operands: Arrays, constants: Constants) -> np.ndarray:
    source, result = (plan.tensors[index] for index in (step.inputs[0], step.outputs[0]))
    assert source.layout == result.layout
    if source.layout == "nhwc":
        assert source.shape[:2] == result.shape[:2]
    return operands[0].reshape(result.shape)


@operator
def softmax(plan: Plan, step: Step, operands: Arrays, constants: Constants) -> np.ndarray:
    axis = step.attributes["axis"]
    exponentials = np.exp(operands[0] - operands[0].max(axis=axis, keepdims=True))
    return exponentials / exponentials.sum(axis=axis, keepdims=True)


@operator
def lrn(plan: Plan, step: Step, operands: Arrays, constants: Constants) -> np.ndarray:
    (x,), size = operands, step.attributes["size"]
    before, after = (size - 1) // 2, size - 1 - (size - 1) // 2
    squares = np.pad(x**2, ((0, 0), (before, after), (0, 0), (0, 0)))
    sums = sliding_window_view(squares, size, axis=1).sum(-1)
    return x / (step.attributes["bias"] + step.attributes["alpha"] / size * sums) ** step.attributes["beta"]


@operator
def pad(plan: Plan, step: Step, operands: Arrays, constants: Constants) -> np.ndarray:
    (x,), pads = operands, step.attributes["pads"]
    amounts = list(zip(pads[: x.ndim], pads[x.ndim :], strict=True))
    if step.attributes["mode"] != "constant":
        return np.pad(x, amounts, mode=step.attributes["mode"])
    return np.pad(x, amounts, constant_values=step.attributes["value"])


@operator
def transpose(plan: Plan, step: Step, operands: Arrays, constants: Constants) -> np.ndarray:
    return operands[0].transpose(step.attributes["perm"])


@operator
def slice_(plan: Plan, step: Step, operands: Arrays, constants: Constants) -> np.ndarray:
    bounds = (
        range(*bound) for bound in zip(*(step.attributes[key] for key in ("starts", "ends", "steps")), strict=True)
    )
    return operands[0][np.ix_(*bounds)]


@operator
def reduce(plan: Plan, step: Step, operands: Arrays, constants: Constants) -> np.ndarray:
    (x,), axes, keeps = operands, step.attributes["axes"], bool(step.attributes["keepdims"])
    return {
        "sum": lambda: x.sum(axes, keepdims=keeps),
        "mean": lambda: x.mean(axes, keepdims=keeps),
        "l1": lambda: np.abs(x).sum(axes, keepdims=keeps),
        "l2": lambda: np.sqrt((x * x).sum(axes, keepdims=keeps)),
        "sum_square": lambda: (x * x).sum(axes, keepdims=keeps),
        "max": lambda: x.max(axes, keepdims=keeps),
        "min": lambda: x.min(axes, keepdims=keeps),
        "prod": lambda: x.prod(axes, keepdims=keeps),
    }[step.attributes["kind"]]()


@operator
def broadcast(plan: Plan, step: Step, operands: Arrays, constants: Constants) -> np.ndarray:
    a, b, *condition = operands
    with np.errstate(all="ignore"):
        y = {
            "add": lambda: a + b,
            "greater": lambda: a > b,
            "greater_equal": lambda: a >= b,
            "equal": lambda: a == b,
            "quotient": lambda: np.trunc(a / b),
            "select": lambda: np.where(condition[0] != 0, a, b),
            "sub": lambda: a - b,
            "mul": lambda: a * b,
            "div": lambda: a / b,
            "max": lambda: np.maximum(a, b),
            "min": lambda: np.minimum(a, b),
            "pow": lambda: a**b,
            "prelu": lambda: np.where(a > 0, a, a * b),
        }[step.attributes["kind"]]()
    return y.astype(np.float32)


@operator
def constant(plan: Plan, step: Step, operands: Arrays, constants: Constants) -> np.ndarray:
    return constants["value"]


@operator
def expand(plan: Plan, step: Step, operands: Arrays, constants: Constants) -> np.ndarray:
    return np.broadcast_to(operands[0], plan.tensors[step.outputs[0]].shape)


@operator
def gather(plan: Plan, step: Step, operands: Arrays, constants: Constants) -> np.ndarray:
    return operands[0].take(step.attributes["indices"], step.attributes["axis"])


@operator
def matmul(plan: Plan, step: Step, operands: Arrays, constants: Constants) -> np.ndarray:
    return operands[0] @ operands[1]


@operator
def normalize(plan: Plan, step: Step, operands: Arrays, constants: Constants) -> np.ndarray:
    (x,), attributes = operands, step.attributes
    is_map = plan.tensors[step.outputs[0]].layout == "nhwc"
    first = 2 if is_map else attributes["axis"]
    axes = tuple(range(first, x.ndim))
    y = (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + attributes["epsilon"])
    per_row = is_map or attributes.get("per_row", 0)
    shape = (-1, *(1,) * len(axes)) if per_row else x.shape[first:]
    return y * constants["scale"].reshape(shape) + constants["bias"].reshape(shape)


@operator
def pixel_shuffle(plan: Plan, step: Step, operands: Arrays, constants: Constants) -> np.ndarray:
    (x,), (rows, columns), groups = operands, step.attributes["blocks"], step.attributes["groups"]
    batch, channels, height, width = x.shape
    parted = x.reshape(batch, groups, rows, columns, channels // (groups * rows * columns), height, width)
    turned = parted.transpose(0, 1, 4, 5, 2, 6, 3)
    y = turned.reshape(batch, channels // (rows * columns), height * rows, width * columns)
    top, left, bottom, right = step.attributes["crops"]
    return y[:, :, top : y.shape[2] - bottom, left : y.shape[3] - right]


@operator
def resize(plan: Plan, step: Step, operands: Arrays, constants: Constants) -> np.ndarray:
    """Resize separably: one matrix of interpolation weights per axis."""
    sizes = plan.tensors[step.outputs[0]].shape[2:]
    rows, columns = (
        _resize_matrix(step, before, after, scale)
        for before, after, scale in zip(operands[0].shape[2:], sizes, step.attributes["scales"], strict=True)
    )
    return rows @ operands[0] @ columns.T


def _resize_matrix(step: Step, before: int, after: int, scale: float) -> np.ndarray:
    matrix = np.zeros((after, before), np.float32)
    for index in range(after):
        x = _source_coordinate(step.attributes["coordinate_transformation_mode"], index, before, after, scale)
        if step.attributes["mode"] == "nearest":
            matrix[index, min(max(_nearest(step.attributes["nearest_mode"], x), 0), before - 1)] = 1
        else:
            x = min(max(x, 0), before - 1)
            low = math.floor(x)
            matrix[index, low] += 1 - (x - low)
            matrix[index, min(low + 1, before - 1)] += x - low
    return matrix


def _source_coordinate(mode: str, index: int, before: int, after: int, scale: float) -> float:
    if mode == "align_corners":
        return index * (before - 1) / (after - 1) if after > 1 else 0.0
    if mode == "asymmetric":
        return index / scale
    if mode == "pytorch_half_pixel" and after == 1:
        return 0.0
    x = (index + 0.5) / scale - 0.5
    return x + before / 2 * (1 - after / (scale * before)) if mode == "half_pixel_symmetric" else x


def _nearest(mode: str, x: float) -> int:
    return {
        "round_prefer_floor": lambda: math.ceil(x - 0.5),
        "round_prefer_ceil": lambda: math.floor(x + 0.5),
        "floor": lambda: math.floor(x),
        "ceil": lambda: math.ceil(x),
    }[mode]()
