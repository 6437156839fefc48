"""Random convolutional networks as ONNX text: convolutions of all kinds, residuals, concatenations, thresholds.

A network is drawn by a function that chooses one of several items, so that hypothesis and a seed can both make them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from random_spellings import clip, pad, reduce_mean, slices, split

Array = NDArray[Any]
Choose = Callable[[Sequence[Any]], Any]
"""Returns one of the items."""


class Writer:
    """Writes a random network as ONNX text; ``pick`` decides."""

    def __init__(self, pick: Choose, shape: tuple[int, int, int, int], opset: int = 18) -> None:
        self.pick = pick
        self.opset = opset
        self.lines: list[str] = []
        self.constants: dict[str, Array] = {}
        self.tensors = [("x", shape)]

    def choose(self, *items: Any) -> Any:
        return self.pick(items)

    def constant(self, *shape: int, low: float = -1.5, high: float = 1.5) -> str:
        name = f"k{len(self.constants)}"
        random = np.random.default_rng(len(self.constants))
        self.constants[name] = np.asarray(random.uniform(low, high, shape), np.float32)
        return name

    def integers(self, *items: int) -> str:
        return self.array(np.array(items, np.int64))

    def filled(self, value: float) -> str:
        return self.array(np.array(value, np.float32))

    def array(self, array: Array) -> str:
        name = f"k{len(self.constants)}"
        self.constants[name] = array
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
    kinds = ("relu", "relu6", "smooth", "hardswish", "threshold", "where", "channels", "mask")
    kind = w.choose(*(kinds if w.opset >= 12 else kinds[:4]))
    zero, low = w.constant(low=0.0, high=0.0), w.constant(low=0.1, high=0.6)
    if kind == "relu":
        text = f"Relu({x})"
    elif kind == "relu6":
        text = clip(w, x, 0.0, w.choose(1.0, 1.5, 2.0))
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
        clipped = w.part(clip(w, shifted, 0.0, 6.0))
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
        y = w.part(pad(w, y, [pads[0]] * 2, [pads[1]] * 2, [1, 2]))
    elif kind == "threshold" and w.opset >= 12:
        condition = w.part(f"Greater({y}, {w.constant(c, low=0.0, high=0.6)})")
        y = w.part(f"Where({condition}, {y}, {w.constant(low=0.0, high=0.0)})")
    elif kind == "sum":
        y = w.part(f"Add({y}, {w.part(f'Relu({y})')})")
    w.write(f"Transpose <perm = [0, 3, 1, 2]> ({y})", (n, c, h + sum(pads), v + sum(pads)))


def window(w: Writer, x: str, n: int, c: int, h: int, v: int) -> None:
    if min(h, v) < 3:
        return
    kind, ceil = w.choose("MaxPool", "AveragePool"), w.choose(0, 1)
    ceil = ceil if w.opset >= 10 else 0
    size = [(extent - 3 + ceil) // 2 + 1 for extent in (h, v)]
    mode = f", ceil_mode = {ceil}" if ceil else ""
    w.write(f"{kind} <kernel_shape = [3, 3], strides = [2, 2]{mode}> ({x})", (n, c, *size))


def padding(w: Writer, x: str, n: int, c: int, h: int, v: int) -> None:
    a, b = w.choose((0, 0), (1, 1), (0, 1))
    w.write(pad(w, x, [a, a], [b, b], [2, 3]), (n, c, h + a + b, v + a + b))


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
    w.write(slices(w, x, {1: (0, (c + 1) // 2, 1)}, (n, c, h, v)), (n, (c + 1) // 2, h, v))


def wide_convolution(w: Writer, x: str, n: int, c: int, h: int, v: int) -> None:
    """Write a convolution of uneven windows, pads and dilations, and enough channels for every tile width."""
    kernel = (w.choose(1, 2, 3, 5), w.choose(1, 2, 3, 5))
    stride, dilation = (w.choose(1, 1, 2, 3), w.choose(1, 1, 2)), (w.choose(1, 1, 2), w.choose(1, 1, 2))
    pads = [w.choose(*range(size)) for size in (*kernel, *kernel)]
    groups, outputs = w.choose((1, 16), (1, 33), (1, 70), (c, 2 * c))
    extents = [(size - 1) * step + 1 for size, step in zip(kernel, dilation, strict=True)]
    padded = [h + pads[0] + pads[2], v + pads[1] + pads[3]]
    if any(size < extent for size, extent in zip(padded, extents, strict=True)):
        return
    size = [(padded[i] - extents[i]) // stride[i] + 1 for i in (0, 1)]
    bound = float(np.sqrt(3.0 / (c // groups * kernel[0] * kernel[1])))
    weight = w.constant(outputs, c // groups, *kernel, low=-bound, high=bound)
    attributes = f"strides = {list(stride)}, pads = {pads}, dilations = {list(dilation)}, group = {groups}"
    w.write(f"Conv <{attributes}> ({x}, {weight}, {w.constant(outputs)})", (n, outputs, *size))


def residual(w: Writer, x: str, n: int, c: int, h: int, v: int) -> None:
    """Write a block of a residual network, whose activation the next convolution can skip by."""
    inner = w.choose(8, 16, 24)
    first, second, third = (
        w.constant(*shape, low=-float(np.sqrt(3.0 / np.prod(shape[1:]))), high=float(np.sqrt(3.0 / np.prod(shape[1:]))))
        for shape in ((inner, c, 1, 1), (inner, inner, 3, 3), (c, inner, 1, 1))
    )
    a = w.part(f"Relu({w.part(f'Conv({x}, {first})')})")
    b = w.part(f"Conv <pads = [1, 1, 1, 1]> ({a}, {second})")
    b = w.part(f"ThresholdedRelu <alpha = 0.3> ({b})" if w.opset >= 10 else f"Relu({b})")
    y = w.part(f"Add({x}, {w.part(f'Conv({b}, {third})')})")
    w.write(f"Relu({y})", (n, c, h, v))


def late_normalization(w: Writer, x: str, n: int, c: int, h: int, v: int) -> None:
    """Write an activation, batch normalisation behind it, now and then a pool, and a padded convolution or two."""
    factors = [w.constant(c, low=w.choose(-1.5, 0.2)), w.constant(c), w.constant(c), w.constant(c, low=0.2, high=2.0)]
    y = w.part(f"BatchNormalization ({w.part(f'Relu({x})')}, {', '.join(factors)})")
    if min(h, v) > 2 and w.choose(False, True):
        y, h, v = w.part(f"MaxPool <kernel_shape = [2, 2], strides = [1, 1]> ({y})"), h - 1, v - 1
    stride, outputs, bound = w.choose(1, 2), w.choose(8, 20), float(np.sqrt(3.0 / (9 * c)))
    for _ in range(w.choose(1, 1, 2)):
        weight = w.constant(outputs, c, 3, 3, low=-bound, high=bound)
        size = [(extent - 1) // stride + 1 for extent in (h, v)]
        w.write(f"Conv <strides = [{stride}, {stride}], pads = [1, 1, 1, 1]> ({y}, {weight})", (n, outputs, *size))


def pooling(w: Writer, x: str, n: int, c: int, h: int, v: int) -> None:
    kernel, stride = (w.choose(1, 2, 3), w.choose(1, 2, 3)), (w.choose(1, 2), w.choose(1, 2, 3))
    pads = [w.choose(*range(size)) for size in (*kernel, *kernel)]
    padded = [h + pads[0] + pads[2], v + pads[1] + pads[3]]
    if padded[0] < kernel[0] or padded[1] < kernel[1]:
        return
    size = [(padded[i] - kernel[i]) // stride[i] + 1 for i in (0, 1)]
    kind = w.choose("MaxPool <", "AveragePool <", "AveragePool <count_include_pad = 1, ")
    attributes = f"kernel_shape = {list(kernel)}, strides = {list(stride)}, pads = {pads}"
    w.write(f"{kind}{attributes}> ({x})", (n, c, *size))


def resizing(w: Writer, x: str, n: int, c: int, h: int, v: int) -> None:
    if w.opset < 13:
        return
    factors = (w.choose(1, 2), w.choose(1, 2, 3))
    name = w.array(np.array([1, 1, *factors], np.float32))
    mode = w.choose(
        'mode = "nearest", coordinate_transformation_mode = "asymmetric", nearest_mode = "floor"',
        'mode = "linear", coordinate_transformation_mode = "half_pixel"',
        'mode = "linear", coordinate_transformation_mode = "align_corners"',
    )
    w.write(f"Resize <{mode}> ({x}, , {name})", (n, c, h * factors[0], v * factors[1]))


def reduction(w: Writer, x: str, n: int, c: int, h: int, v: int) -> None:
    kind = w.choose("GlobalAveragePool", "GlobalMaxPool", "ReduceMean")
    w.write(reduce_mean(w, x, [2, 3]) if kind == "ReduceMean" else f"{kind}({x})", (n, c, 1, 1))


def parting(w: Writer, x: str, n: int, c: int, h: int, v: int) -> None:
    """Cut the channels in two, and put them together the other way round."""
    if c < 2:
        return
    first, second = f"t{len(w.lines)}a", f"t{len(w.lines)}b"
    w.lines.append(f"{first}, {second} = {split(w, x, 1, [1, c - 1])}")
    w.write(f"Concat <axis = 1> ({second}, {w.part(f'Relu({first})')})", (n, c, h, v))


def island(w: Writer, x: str, n: int, c: int, h: int, v: int) -> None:
    """Write something that the engine does not run."""
    text = f"Atan({x})" if w.opset < 9 else w.choose(f"Atan({x})", f"Asinh({x})")
    w.write(text, (n, c, h, v))


def function(w: Writer, x: str, n: int, c: int, h: int, v: int) -> None:
    """Write an elementwise function that is no rectifier."""
    newer = ("Erf", "Sign") if w.opset > 8 else ()
    kind = w.choose(
        "Abs", "Elu", "LeakyRelu", "Mish", "Neg", "PRelu", "Selu", "Softplus", "Softsign", "Sqrt", *newer
    )  # fmt: skip
    if kind == "PRelu":
        text = f"PRelu({x}, {w.constant(*w.choose((1,), (c, 1, 1)), low=-0.5, high=0.5)})"
    elif kind == "Sqrt":
        text = f"Sqrt({w.part(f'Abs({x})')})"
    elif kind == "Mish":
        text = f"Mul({x}, {w.part(f'Tanh({x})')})"
    else:
        text = f"{kind}({x})"
    w.write(text, (n, c, h, v))


def broadcast(w: Writer, x: str, n: int, c: int, h: int, v: int) -> None:
    """Combine with something of fewer elements: a constant, or a reduction of the tensor itself."""
    kind = w.choose("Add", "Sub", "Mul", "Max", "Min", "Div")
    if kind == "Div" or w.choose(False, True):
        other = w.constant(*w.choose((1,), (v,), (h, 1), (1, h, v), (c, 1, v), (c, h, v)), low=0.5, high=1.5)
    else:
        other = w.part(reduce_mean(w, x, w.choose([1], [3], [1, 2], [2, 3])))
    operands = f"{x}, {other}" if kind == "Div" or w.choose(False, True) else f"{other}, {x}"
    w.write(f"{kind}({operands})", (n, c, h, v))


def transposed(w: Writer, x: str, n: int, c: int, h: int, v: int) -> None:
    """Convolve to a larger map."""
    size, stride, outputs = w.choose(1, 2, 3, 4), w.choose(1, 2, 3), w.choose(1, 3, 16)
    pads = [w.choose(0, 1) if size > 2 else 0 for _ in range(4)]
    extents = [(have - 1) * stride + size - pads[axis] - pads[axis + 2] for axis, have in enumerate((h, v))]
    weight = w.constant(c, outputs, size, size, low=-0.5, high=0.5)
    if min(extents) < 1:
        return
    text = f"ConvTranspose <strides = [{stride}, {stride}], pads = {pads}> ({x}, {weight}, {w.constant(outputs)})"
    w.write(text, (n, outputs, *extents))


def normalization_of_data(w: Writer, x: str, n: int, c: int, h: int, v: int) -> None:
    """Normalise by what the tensor itself holds."""
    if h * v < 4 or w.choose(False, True):
        norm = w.part(f"ReduceL2 <axes = [1]> ({x})") if w.opset < 18 else w.part(f"ReduceL2({x}, {w.integers(1)})")
        w.write(f"Div({x}, {w.part(f'Add({norm}, {w.constant(low=0.1, high=0.1)})')})", (n, c, h, v))
    else:
        text = f"InstanceNormalization <epsilon = 0.01> ({x}, {w.constant(c, low=0.5)}, {w.constant(c)})"
        w.write(text, (n, c, h, v))


def product(w: Writer, x: str, n: int, c: int, h: int, v: int) -> None:
    """Multiply every matrix of the map with its transpose, or square all elements."""
    if w.choose(False, True):
        w.write(f"Mul({x}, {x})", (n, c, h, v))
    else:
        turned = w.part(f"Transpose <perm = [0, 1, 3, 2]> ({x})")
        scaled = w.part(f"MatMul({x}, {turned})")
        w.write(f"Mul({scaled}, {w.constant(low=0.1, high=0.1)})", (n, c, h, h))


STEPS = (
    convolution, convolution, normalization, arithmetic, activation, activation, layout, window, padding, joining, gate,
    selection,
)  # fmt: skip

ENGINE_STEPS = (
    *STEPS, wide_convolution, wide_convolution, wide_convolution, residual, residual, late_normalization, pooling,
    resizing, reduction, parting, activation, joining, island, function, broadcast, transposed, normalization_of_data,
    product,
)  # fmt: skip
"""What else the engine meets; islands among it."""


def network(
    pick: Choose,
    steps: Sequence[Callable[..., None]] = STEPS,
    shape: tuple[int, int, int, int] = (2, 3, 8, 7),
    opset: int = 18,
) -> tuple[str, str, dict[str, Array]]:
    """Return body, name of the output and constants of a network of up to ten steps, with or without a linear head.

    Args:
        pick: Decides.
        steps: What it may consist of.
        shape: Of the input ``x``.
        opset: Version of ONNX in which it is written, 7 or newer.
    """
    writer = Writer(pick, shape, opset)
    for _ in range(pick(range(1, 11))):
        name, sizes = writer.tensors[-1] if pick((False, True)) else writer.choose(*writer.tensors)
        if np.prod(sizes) < 20_000:
            writer.choose(*steps)(writer, name, *sizes)
    name, (_, channels, height, width) = writer.tensors[-1]
    output = writer.part(f"Identity({name})")
    if pick((False, True)):
        flat = writer.part(f"Flatten({output})")
        product = writer.part(f"MatMul({flat}, {writer.constant(channels * height * width, 5)})")
        output = writer.part(f"Relu({writer.part(f'Add({product}, {writer.constant(5)})')})")
    return " ".join(writer.lines), output, writer.constants
