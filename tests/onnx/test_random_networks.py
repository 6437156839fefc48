"""Random networks: whatever the rules meet in whatever order, the result stays what ONNX Runtime computes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx_graphs import Array, build, random_array, run

from zeroskip.onnx import canonicalize, load_model, to_bytes, to_standard


class Writer:
    """Writes a random network as ONNX text; ``draw`` decides."""

    def __init__(self, draw: Callable[[st.SearchStrategy], object], shape: tuple[int, int, int, int]) -> None:
        self.draw = draw
        self.lines: list[str] = []
        self.constants: dict[str, Array] = {}
        self.tensors = [("x", shape)]

    def choose(self, *items: object) -> object:
        return self.draw(st.sampled_from(items))

    def constant(self, *shape: int, low: float = -1.5, high: float = 1.5) -> str:
        name = f"k{len(self.constants)}"
        random = np.random.default_rng(len(self.constants))
        self.constants[name] = np.asarray(random.uniform(low, high, shape), np.float32)
        return name

    def integers(self, *items: int) -> str:
        name = f"k{len(self.constants)}"
        self.constants[name] = np.array(items, np.int64)
        return name

    def write(self, text: str, shape: tuple[int, ...]) -> None:
        name = f"t{len(self.lines)}"
        self.lines.append(f"{name} = {text}")
        self.tensors.append((name, shape))

    def part(self, text: str) -> str:
        """Write a node whose output only the next one reads; return its name."""
        name = f"t{len(self.lines)}"
        self.lines.append(f"{name} = {text}")
        return name


def convolution(w: Writer, x: str, n: int, c: int, h: int, v: int) -> None:
    kernel, stride = w.choose((1, 1), (1, 2), (3, 1), (3, 2))
    pad = w.choose(0, kernel // 2)
    groups, outputs = w.choose((1, 4), (1, 6), (c, c))
    if min(h, v) + 2 * pad < kernel:
        return
    size = [(extent + 2 * pad - kernel) // stride + 1 for extent in (h, v)]
    weight = w.constant(outputs, c // groups, kernel, kernel)
    bias = w.choose("", ", " + w.constant(outputs))
    attributes = f"strides = [{stride}, {stride}], pads = [{pad}, {pad}, {pad}, {pad}], group = {groups}"
    w.write(f"Conv <{attributes}> ({x}, {weight}{bias})", (n, outputs, *size))


def normalization(w: Writer, x: str, n: int, c: int, h: int, v: int) -> None:
    factors = ", ".join([w.constant(c), w.constant(c), w.constant(c), w.constant(c, low=0.2, high=2.0)])
    w.write(f"BatchNormalization ({x}, {factors})", (n, c, h, v))


def arithmetic(w: Writer, x: str, n: int, c: int, h: int, v: int) -> None:
    shape = w.choose((), (1,), (c, 1, 1), (1, c, 1, 1))
    factor = w.constant(*shape, low=0.5, high=2.0)
    text = w.choose("Mul({x}, {k})", "Add({k}, {x})", "Sub({x}, {k})", "Sub({k}, {x})", "Div({x}, {k})")
    w.write(text.format(x=x, k=factor), (n, c, h, v))


def activation(w: Writer, x: str, n: int, c: int, h: int, v: int) -> None:
    kind = w.choose("relu", "relu6", "threshold", "where", "channels", "mask", "smooth", "hardswish")
    zero, low = w.constant(low=0.0, high=0.0), w.constant(low=0.1, high=0.6)
    if kind == "relu":
        text = f"Relu({x})"
    elif kind == "relu6":
        text = f"Clip({x}, {zero}, {w.constant(low=1.0, high=2.0)})"
    elif kind == "threshold":
        text = f"ThresholdedRelu <alpha = 0.25> ({x})"
    elif kind == "where":
        text = f"Where({w.part(f'LessOrEqual({x}, {low})')}, {zero}, {x})"
    elif kind == "channels":
        limits = w.constant(c, 1, 1, low=0.0, high=0.6)
        text = f"Where({w.part(f'Greater({x}, {limits})')}, {x}, {zero})"
    elif kind == "mask":
        mask = w.part(f"GreaterOrEqual({x}, {low})")
        text = f"Mul({x}, {w.part(f'Cast <to = 1> ({mask})')})"
    elif kind == "smooth":
        text = w.choose(f"Sigmoid({x})", f"Tanh({x})", f"HardSigmoid({x})", f"Identity({x})", f"Dropout({x})")
    else:
        three, six = w.constant(low=3.0, high=3.0), w.constant(low=6.0, high=6.0)
        shifted = w.part(f"Add({x}, {three})")
        clipped = w.part(f"Clip({shifted}, {zero}, {six})")
        text = f"Mul({x}, {w.part(f'Div({clipped}, {six})')})"
    w.write(text, (n, c, h, v))


def layout(w: Writer, x: str, n: int, c: int, h: int, v: int) -> None:
    """Go to channels last, do something there, come back."""
    y = w.part(f"Transpose <perm = [0, 2, 3, 1]> ({x})")
    kind = w.choose("relu", "affine", "pad", "threshold", "sum", "nothing")
    pads = (0, 0)
    if kind == "relu":
        y = w.part(f"Relu({y})")
    elif kind == "affine":
        y = w.part(f"Add({w.part(f'Mul({y}, {w.constant(c)})')}, {w.constant(c)})")
    elif kind == "pad":
        pads = w.choose((1, 1), (0, 2))
        y = w.part(f"Pad({y}, {w.integers(0, pads[0], pads[0], 0, 0, pads[1], pads[1], 0)})")
    elif kind == "threshold":
        condition = w.part(f"Greater({y}, {w.constant(c, low=0.0, high=0.6)})")
        y = w.part(f"Where({condition}, {y}, {w.constant(low=0.0, high=0.0)})")
    elif kind == "sum":
        y = w.part(f"Add({y}, {w.part(f'Relu({y})')})")
    w.write(f"Transpose <perm = [0, 3, 1, 2]> ({y})", (n, c, h + sum(pads), v + sum(pads)))


def window(w: Writer, x: str, n: int, c: int, h: int, v: int) -> None:
    if min(h, v) < 3:
        return
    kind, ceil = w.choose("MaxPool", "AveragePool"), w.choose(0, 1)
    size = [(extent - 3 + ceil) // 2 + 1 for extent in (h, v)]
    w.write(f"{kind} <kernel_shape = [3, 3], strides = [2, 2], ceil_mode = {ceil}> ({x})", (n, c, *size))


def padding(w: Writer, x: str, n: int, c: int, h: int, v: int) -> None:
    a, b = w.choose((0, 0), (1, 1), (0, 1))
    w.write(f"Pad({x}, {w.integers(0, 0, a, a, 0, 0, b, b)})", (n, c, h + a + b, v + a + b))


def joining(w: Writer, x: str, n: int, c: int, h: int, v: int) -> None:
    others = [name for name, shape in w.tensors if shape == (n, c, h, v)]
    other = w.choose(*others)
    kind = w.choose("Add", "Mul", "Sub", "Sum", "Concat")
    if kind == "Concat":
        w.write(f"Concat <axis = 1> ({x}, {other})", (n, 2 * c, h, v))
    else:
        w.write(f"{kind} ({x}, {other})", (n, c, h, v))


def gate(w: Writer, x: str, n: int, c: int, h: int, v: int) -> None:
    pooled = w.part(f"GlobalAveragePool({x})")
    w.write(f"Mul({w.part(f'HardSigmoid({pooled})')}, {x})", (n, c, h, v))


def selection(w: Writer, x: str, n: int, c: int, h: int, v: int) -> None:
    start, axis = w.integers(0), w.integers(1)
    w.write(f"Slice({x}, {start}, {w.integers((c + 1) // 2)}, {axis})", (n, (c + 1) // 2, h, v))


STEPS = (
    convolution, convolution, normalization, arithmetic, activation, activation, layout, window, padding, joining, gate,
    selection,
)  # fmt: skip


@st.composite
def networks(draw: Callable[[st.SearchStrategy], object]) -> tuple[str, str, dict[str, Array]]:
    """Return body, name of the output and constants of a network of up to ten steps, with or without a linear head."""
    writer = Writer(draw, (2, 3, 8, 7))
    for _ in range(draw(st.integers(1, 10))):
        name, shape = writer.tensors[-1] if draw(st.booleans()) else writer.choose(*writer.tensors)
        if np.prod(shape) < 20_000:
            writer.choose(*STEPS)(writer, name, *shape)
    name, (_, channels, height, width) = writer.tensors[-1]
    output = writer.part(f"Identity({name})")
    if draw(st.booleans()):
        flat = writer.part(f"Flatten({output})")
        product = writer.part(f"MatMul({flat}, {writer.constant(channels * height * width, 5)})")
        output = writer.part(f"Relu({writer.part(f'Add({product}, {writer.constant(5)})')})")
    return " ".join(writer.lines), output, writer.constants


# Not random from run to run: rounding in front of a threshold may flip an element from 0 to the threshold, rarely.
@settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(networks())
def test_random_networks(network: tuple[str, str, dict[str, Array]]) -> None:
    body, output, constants = network
    model = build(body, inputs=("N", 3, "H", "W"), outputs=output, constants=constants)
    x = random_array(2, 3, 8, 7)
    lowered = to_bytes(to_standard(canonicalize(load_model(model), {"x": x.shape})))
    (want,), (got,) = run(model, {"x": x}), run(lowered, {"x": x})
    assert got.shape == want.shape
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-4 * max(float(np.abs(want).max(initial=0.0)), 1e-6))
