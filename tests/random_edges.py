"""Edges of what exporters write: odd scales, uneven parts, empty inputs, axes from the back, small maps."""

from __future__ import annotations

import numpy as np

from random_networks import Writer
from random_spellings import axis_of, clip, pad, reduce_mean, slices, split, with_axes

_SCALES = (0.35, 0.5, 0.6, 0.7, 0.9, 1.0, 1.1, 1.3, 1.4, 1.5, 1.9, 2.3, 2.6, 1 / 3)
_LINEAR = (
    'coordinate_transformation_mode = "half_pixel"',
    'coordinate_transformation_mode = "align_corners"',
    'coordinate_transformation_mode = "asymmetric"',
    'coordinate_transformation_mode = "pytorch_half_pixel"',
)
_NEAREST = tuple(f'{how}, nearest_mode = "{mode}"' for how in _LINEAR[:3] for mode in ("floor", "round_prefer_floor"))


def odd_resizing(w: Writer, x: str, n: int, c: int, h: int, v: int) -> None:
    """Resize by scales that float32 does not hold exactly, or to sizes; the other inputs are empty or left out."""
    if w.opset < 10:
        factors = [w.choose(1.0, 1.3, 1.4, 2.0, 2.3, 2.6) for _ in (h, v)]
    else:
        factors = [w.choose(*_SCALES) for _ in (h, v)]
    size = [int(np.float32(factor) * np.float32(extent)) for factor, extent in zip(factors, (h, v), strict=True)]
    if min(size) < 1:
        return
    mode = w.choose("nearest", "linear")
    scales = w.array(np.array([1, 1, *factors], np.float32))
    if w.opset < 9:
        text = f'Upsample <mode = "{mode}", scales = [1.0, 1.0, {factors[0]}, {factors[1]}]> ({x})'
    elif w.opset < 11:
        text = f'{"Upsample" if w.opset == 9 else "Resize"} <mode = "{mode}"> ({x}, {scales})'
    else:
        text = _resize(w, x, mode, scales, factors, (n, c, *size))
    w.write(text, (n, c, *size))


def _resize(w: Writer, x: str, mode: str, scales: str, factors: list[float], shape: tuple[int, ...]) -> str:
    attributes = f'mode = "{mode}", {w.choose(*(_NEAREST if mode == "nearest" else _LINEAR))}'
    empty = w.array(np.zeros(0, np.float32)) if w.opset < 13 or w.choose(True, False) else ""
    if w.choose(True, False):
        if w.opset >= 18 and w.choose(True, False):
            scales, attributes = w.array(np.array(factors, np.float32)), f"{attributes}, axes = [2, 3]"
        return f"Resize <{attributes}> ({x}, {empty}, {scales})"
    sizes = w.integers(*shape)
    if w.opset >= 18 and w.choose(True, False):
        sizes, attributes = w.integers(*shape[2:]), f"{attributes}, axes = [2, 3]"
        return f"Resize <{attributes}> ({x}, , , {sizes})"
    head = w.part(f"Slice({w.part(f'Shape({x})')}, {w.integers(0)}, {w.integers(2)})")  # the batch stays open
    sizes = w.part(f"Concat <axis = 0> ({head}, {w.integers(*shape[2:])})")
    return f"Resize <{attributes}> ({x}, {empty}, {empty if w.opset < 13 else ''}, {sizes})"


def strided_slice(w: Writer, x: str, n: int, c: int, h: int, v: int) -> None:
    """Take every second or third channel, row or column, from either end, perhaps of two axes."""
    sizes, parts = [n, c, h, v], {}
    for axis in w.choose((1,), (1,), (2,), (3,), (1, 3), (2, 3), (3, 1), (0, 1)):
        if axis == 0:  # all of the batch
            parts[0] = (0, n, 1)
            continue
        step = 1 if w.opset < 10 else w.choose(1, 2, 2, 3)
        start = w.choose(0, 0, 1) if sizes[axis] > 1 else 0
        end = w.choose(sizes[axis], max(start + 1, sizes[axis] - 1))
        parts[axis] = (start, end, step)
    text = slices(w, x, parts, sizes)
    for axis, (start, end, step) in parts.items():
        sizes[axis] = -(-(end - start) // step)
    w.write(text, tuple(sizes))


def gathering(w: Writer, x: str, n: int, c: int, h: int, v: int) -> None:
    """Gather indices that are evenly spaced, or one alone, or any; also of the batch."""
    axis, sizes = w.choose(0, 1, 1, 2, 3), [n, c, h, v]
    length = sizes[axis]
    first, step = w.choose(*range(length)), w.choose(1, 2, 3)
    indices = w.choose(list(range(first, length, step)), [first], [first - length], [length - 1, 0])
    place = axis_of(w, axis)
    if w.choose(False, False, True):
        alone = w.part(f"Gather <axis = {place}> ({x}, {w.array(np.array(indices[0], np.int64))})")
        w.write(with_axes(w, "Unsqueeze", alone, [axis]), tuple(1 if i == axis else s for i, s in enumerate(sizes)))
        return
    sizes[axis] = len(indices)
    w.write(f"Gather <axis = {place}> ({x}, {w.integers(*indices)})", tuple(sizes))


def small_window(w: Writer, x: str, n: int, c: int, h: int, v: int) -> None:
    """Pool with ``ceil_mode``, also where the window is larger than what is left of the map."""
    kernel, stride = w.choose(2, 3), w.choose(2, 3)
    if w.opset < 10 or min(h, v) + stride <= kernel:
        return
    size = [max(-(-(extent - kernel) // stride), 0) + 1 for extent in (h, v)]
    size = [  # no window begins behind the map
        count - ((count - 1) * stride >= extent) for count, extent in zip(size, (h, v), strict=True)
    ]
    kind = w.choose("MaxPool", "AveragePool")
    attributes = f"kernel_shape = [{kernel}, {kernel}], strides = [{stride}, {stride}], ceil_mode = 1"
    w.write(f"{kind} <{attributes}> ({x})", (n, c, *size))


def same_padding(w: Writer, x: str, n: int, c: int, h: int, v: int) -> None:
    """Write a layer with ``auto_pad``; the stride of a convolution may exceed its window."""
    kernel, stride = (w.choose(1, 2, 3), w.choose(1, 2, 3)), (w.choose(1, 2, 3), w.choose(1, 2, 4))
    kind = w.choose("Conv", "MaxPool", "AveragePool")
    if kind != "Conv" and any(step > size for step, size in zip(stride, kernel, strict=True)):
        return
    size = [-(-extent // step) for extent, step in zip((h, v), stride, strict=True)]
    mode = w.choose("SAME_UPPER", "SAME_LOWER")
    attributes = f'auto_pad = "{mode}", kernel_shape = {list(kernel)}, strides = {list(stride)}'
    if kind != "Conv":
        w.write(f"{kind} <{attributes}> ({x})", (n, c, *size))
        return
    bound = float(np.sqrt(3.0 / (c * kernel[0] * kernel[1])))
    weight = w.constant(8, c, *kernel, low=-bound, high=bound)
    w.write(f"Conv <{attributes}> ({x}, {weight})", (n, 8, *size))


def uneven_parts(w: Writer, x: str, n: int, c: int, h: int, v: int) -> None:
    """Cut an axis into parts of any sizes, none among them, and join some of them in another order."""
    sizes = [n, c, h, v]
    axis = w.choose(1, 1, 2, 3)
    count = w.choose(2, 3, 4)
    if sizes[axis] < count:
        return
    largest = -(-sizes[axis] // count)
    parts = [largest] * (count - 1) + [sizes[axis] - largest * (count - 1)]
    if parts[-1] < 1 or w.choose(True, False):
        cuts = sorted(w.choose(*range(sizes[axis] + 1)) for _ in range(count - 1))
        parts = [end - start for start, end in zip([0, *cuts], [*cuts, sizes[axis]], strict=True)]
    names = [f"t{len(w.lines)}{letter}" for letter in "abcd"[:count]]
    w.lines.append(f"{', '.join(names)} = {split(w, x, axis, parts)}")
    kept = [index for index in range(count) if parts[index] or w.choose(True, False)][::-1]
    kept = kept[: w.choose(1, count)]
    sizes[axis] = sum(parts[index] for index in kept)
    if sizes[axis]:
        operands = ", ".join(names[index] for index in kept)
        w.write(f"Concat <axis = {axis_of(w, axis)}> ({operands})", tuple(sizes))


def edge_padding(w: Writer, x: str, n: int, c: int, h: int, v: int) -> None:
    """Pad axes named in any way, in front of a layer or alone, with zeros or not."""
    begins, ends = [w.choose(0, 1, 2) for _ in "hv"], [w.choose(0, 1) for _ in "hv"]
    axes = w.choose([2, 3], [3], [2])
    value = w.choose(0.0, 0.0, 0.5)
    padded = pad(w, x, begins[: len(axes)], ends[: len(axes)], axes, value)
    sizes = [n, c, h, v]
    for axis, begin, end in zip(axes, begins, ends, strict=False):
        sizes[axis] += begin + end
    w.write(padded, tuple(sizes))


def channels_last(w: Writer, x: str, n: int, c: int, h: int, v: int) -> None:
    """Go to channels last, do something along axes counted from the back, come back."""
    y, sizes = w.part(f"Transpose <perm = [0, 2, 3, 1]> ({x})"), [n, h, v, c]
    kind = w.choose("pad", "slice", "concat", "mean", "split", "softmax", "squeeze")
    if kind == "pad":
        axes = w.choose([1, 2], [3], [2, 3], [1])
        begins, ends = [w.choose(0, 1, 2) for _ in axes], [w.choose(0, 1) for _ in axes]
        y = w.part(pad(w, y, begins, ends, axes))
        for axis, begin, end in zip(axes, begins, ends, strict=True):
            sizes[axis] += begin + end
    elif kind == "slice":
        axis, step = w.choose(1, 2, 3), 1 if w.opset < 10 else w.choose(1, 2)
        y = w.part(slices(w, y, {axis: (0, sizes[axis], step)}, sizes))
        sizes[axis] = -(-sizes[axis] // step)
    elif kind == "concat":
        y, sizes[3] = w.part(f"Concat <axis = {axis_of(w, 3)}> ({y}, {w.part(f'Relu({y})')})"), 2 * c
    elif kind == "mean":
        axes = w.choose([1, 2], [3], [1])
        y = w.part(reduce_mean(w, y, axes))
        sizes = [1 if axis in axes else size for axis, size in enumerate(sizes)]
    elif kind == "split" and c > 1:
        names = f"t{len(w.lines)}a", f"t{len(w.lines)}b"
        w.lines.append(f"{', '.join(names)} = {split(w, y, 3, [c - 1, 1])}")
        y = w.part(f"Concat <axis = {axis_of(w, 3)}> ({names[1]}, {names[0]})")
    elif kind == "softmax" and w.opset >= 13:
        y = w.part(f"Softmax <axis = {axis_of(w, 3)}> ({y})")
    elif kind == "squeeze":
        y = w.part(with_axes(w, "Squeeze", w.part(reduce_mean(w, y, [1, 2])), [1, 2]))
        y, sizes[1:3] = w.part(with_axes(w, "Unsqueeze", y, [1, 2])), [1, 1]
    w.write(f"Transpose <perm = [0, 3, 1, 2]> ({y})", tuple(sizes[axis] for axis in (0, 3, 1, 2)))


def odd_bounds(w: Writer, x: str, n: int, c: int, h: int, v: int) -> None:
    """Clip between bounds of which some are left out, are minus zero or no numbers."""
    low = w.choose(None, 0.0, -0.0, -0.25, 1e-30)
    text = clip(w, x, low, w.choose(None, 1.0, 0.5))
    if w.opset >= 11 and w.choose(False, False, True):
        nothing = w.part(f"Div({w.filled(0.0)}, {w.filled(0.0)})")
        text = f"Clip({x}, {nothing}, {w.filled(1.0)})"
    w.write(text, (n, c, h, v))


def folded(w: Writer, x: str, n: int, c: int, h: int, v: int) -> None:
    """Add or multiply by what turns out a constant, once the shapes are known."""
    length = w.part(f"Shape({x})")
    if w.opset >= 10:
        length = w.part(f"Slice({length}, {w.integers(0)}, {w.integers(1)})")
        zeros = w.part(f"ConstantOfShape({w.part(f'Concat <axis = 0> ({length}, {w.integers(6)})')})")
        state = w.part(f"Gemm <transB = 1> ({zeros}, {w.constant(c, 6)}, {w.constant(c)})")
        y = w.part(with_axes(w, "Unsqueeze", w.part(f"Sigmoid({state})"), [2, 3]))
    else:
        y = w.part(f"Relu({w.constant(1, c, 1, 1)})")
    w.write(f"{w.choose('Add', 'Mul')}({x}, {y})", (n, c, h, v))


def reshaping(w: Writer, x: str, n: int, c: int, h: int, v: int) -> None:
    """Flatten and put together again by the shape that the tensor had."""
    flat = w.part(f"Flatten <axis = {axis_of(w, 2)}> ({x})")
    w.write(f"Reshape({flat}, {w.part(f'Shape({x})')})", (n, c, h, v))


EDGE_STEPS = (
    odd_resizing, odd_resizing, strided_slice, gathering, small_window, small_window, same_padding, uneven_parts,
    edge_padding, channels_last, channels_last, odd_bounds, folded, reshaping,
)  # fmt: skip
