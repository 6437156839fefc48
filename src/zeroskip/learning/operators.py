"""ONNX operators by ``torch.nn.functional``: each takes the node's attributes, then its input tensors.

All of them have gradients. The attributes may hold ``output_shape`` where a graph with known shapes is carried out:
windows of pools then reach as far as that asks for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional

from ..errors import EngineError
from .recurrent import recurrence
from .resize import resize
from .tensor_operators import TENSOR_OPERATORS

Attributes: TypeAlias = Mapping[str, Any]
Operator: TypeAlias = Callable[..., Any]


def _padded(x: Tensor, attributes: Attributes, value: float) -> tuple[Tensor, list[int]]:
    """Return symmetric pads for the operator itself, or pad here where begin and end differ."""
    rank = x.dim() - 2
    if attributes.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID"):
        raise EngineError("the eager PyTorch engine has no auto_pad: export the model with explicit pads")
    pads = list(attributes.get("pads", [0] * 2 * rank))
    if pads[:rank] == pads[rank:]:
        return x, pads[:rank]
    return functional.pad(x, _in_torch_order(pads), value=value), [0] * rank


def _conv(attributes: Attributes, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    rank = x.dim() - 2
    x, pads = _padded(x, attributes, 0.0)
    ones = [1] * rank
    return torch.convolution(
        x,
        weight,
        bias,
        attributes.get("strides", ones),
        pads,
        attributes.get("dilations", ones),
        False,
        [0] * rank,
        attributes.get("group", 1),
    )


def _max_pool(attributes: Attributes, x: Tensor) -> Tensor:
    kernel, rank = attributes["kernel_shape"], x.dim() - 2
    x, pads = _reaching(attributes, x, float("-inf"))
    pool = (functional.max_pool1d, functional.max_pool2d, functional.max_pool3d)[rank - 1]
    ones = [1] * rank
    result: Tensor = pool(x, kernel, attributes.get("strides", ones), pads, attributes.get("dilations", ones))
    return result


def _average_pool(attributes: Attributes, x: Tensor) -> Tensor:
    """Sum up every window and divide by how much of it counts: inputs, or inputs and pads, but nothing beyond."""
    kernel, rank = attributes["kernel_shape"], x.dim() - 2
    strides = attributes.get("strides", [1] * rank)
    pool = (functional.avg_pool1d, functional.avg_pool2d, functional.avg_pool3d)[rank - 1]
    counts_pads = bool(attributes.get("count_include_pad", 0))
    padded, pads = _reaching(attributes, x, 0.0)
    if padded is x:
        result: Tensor = pool(x, kernel, strides, pads, False, counts_pads)
        return result
    ones = torch.ones_like(x[:1, :1])
    if counts_pads:
        ones = functional.pad(ones, _in_torch_order(attributes["pads"]), value=1.0)
        attributes = {**attributes, "pads": [0] * 2 * rank}
    counted, _ = _reaching(attributes, ones, 0.0, always=True)
    sums: Tensor = pool(padded, kernel, strides)
    return sums / pool(counted, kernel, strides)


def _reaching(attributes: Attributes, x: Tensor, value: float, always: bool = False) -> tuple[Tensor, list[int]]:
    """Pad or cut the input of a pool so that its windows end where the input does.

    Args:
        attributes: Of the pool.
        x: ``[N, C, ...]``.
        value: What to pad with.
        always: Pad here also where the pool itself could.

    Returns:
        The input, the same one where the pool itself can pad it, and what the pool has yet to pad at either end.
    """
    rank = x.dim() - 2
    ones, kernel = [1] * rank, attributes["kernel_shape"]
    strides, dilations = attributes.get("strides", ones), attributes.get("dilations", ones)
    if attributes.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID", "NOTSET", "VALID"):
        raise EngineError("pools have no auto_pad in PyTorch: export the model with explicit pads")
    pads = list(attributes.get("pads", [0] * 2 * rank))
    begins, ends, needed = pads[:rank], pads[rank:], []
    for axis in range(rank):
        extent = dilations[axis] * (kernel[axis] - 1) + 1
        room = x.shape[axis + 2] + begins[axis] + ends[axis] - extent
        count = _windows(attributes, axis, room, strides[axis], x.shape[axis + 2] + begins[axis])
        needed.append((count - 1) * strides[axis] + extent - x.shape[axis + 2] - begins[axis])
    is_symmetric = begins == ends and all(
        ends[axis] - strides[axis] < needed[axis] <= ends[axis] for axis in range(rank)
    )
    if not always and is_symmetric and all(2 * pad <= size for pad, size in zip(begins, kernel, strict=True)):
        return x, begins
    return functional.pad(x, _in_torch_order([*begins, *needed]), value=value), [0] * rank


def _windows(attributes: Attributes, axis: int, room: int, stride: int, last_start: int) -> int:
    """Return how many windows a pool has along an axis; none begins behind the input."""
    if "output_shape" in attributes:
        return int(attributes["output_shape"][axis + 2])
    if not attributes.get("ceil_mode", 0):
        return room // stride + 1
    count = -(-room // stride) + 1
    return count - 1 if (count - 1) * stride >= last_start else count


def _in_torch_order(pads: Sequence[int]) -> list[int]:
    """Return the begins, then the ends of all axes as pairs from the last axis to the first."""
    rank = len(pads) // 2
    return [pad for axis in reversed(range(rank)) for pad in (pads[axis], pads[axis + rank])]


def _quotient(attributes: Attributes, a: Tensor, b: Tensor) -> Tensor:
    return torch.div(a, b, rounding_mode=None if a.is_floating_point() else "trunc")


def _gemm(attributes: Attributes, a: Tensor, b: Tensor, c: Tensor | None = None) -> Tensor:
    a = a.t() if attributes.get("transA") else a
    b = b.t() if attributes.get("transB") else b
    alpha, beta = attributes.get("alpha", 1.0), attributes.get("beta", 1.0)
    if c is None:
        return (a @ b).mul_(alpha)
    return torch.addmm(c, a, b, alpha=alpha, beta=beta)


def _batch_norm(attributes: Attributes, x: Tensor, scale: Tensor, bias: Tensor, mean: Tensor, var: Tensor) -> Tensor:
    return functional.batch_norm(x, mean, var, scale, bias, eps=attributes.get("epsilon", 1e-5))


def _clip(attributes: Attributes, x: Tensor, low: Tensor | None = None, high: Tensor | None = None) -> Tensor:
    lowest = attributes.get("min") if low is None else low.item()
    highest = attributes.get("max") if high is None else high.item()
    return torch.clamp(x, lowest, highest)


def _reshape(attributes: Attributes, x: Tensor, shape: Tensor) -> Tensor:
    sizes = [x.shape[axis] if size == 0 else size for axis, size in enumerate(shape.tolist())]
    return x.reshape(sizes)


def _flatten(attributes: Attributes, x: Tensor) -> Tensor:
    axis = attributes.get("axis", 1)
    return x.flatten(axis) if axis == 1 else x.reshape(int(torch.tensor(x.shape[:axis]).prod()), -1)


def _axes(attributes: Attributes, axes: Tensor | None) -> tuple[int, ...]:
    return tuple(attributes.get("axes", ()) if axes is None else axes.tolist())


def _squeeze(attributes: Attributes, x: Tensor, axes: Tensor | None = None) -> Tensor:
    wanted = _axes(attributes, axes)
    return x.squeeze(wanted) if wanted else x.squeeze()


def _unsqueeze(attributes: Attributes, x: Tensor, axes: Tensor | None = None) -> Tensor:
    for axis in sorted(_axes(attributes, axes)):
        x = x.unsqueeze(axis)
    return x


def _reduce_mean(attributes: Attributes, x: Tensor, axes: Tensor | None = None) -> Tensor:
    wanted = _axes(attributes, axes) or tuple(range(x.dim()))
    return x.mean(wanted, keepdim=bool(attributes.get("keepdims", 1)))


def _lrn(attributes: Attributes, x: Tensor) -> Tensor:
    alpha, beta, bias = (
        attributes.get("alpha", 1e-4),
        attributes.get("beta", 0.75),
        attributes.get("bias", 1.0),
    )
    return functional.local_response_norm(x, attributes["size"], alpha, beta, bias)


def _hard_sigmoid(attributes: Attributes, x: Tensor) -> Tensor:
    return torch.clamp(attributes.get("alpha", 0.2) * x + attributes.get("beta", 0.5), 0.0, 1.0)


def _pad(
    attributes: Attributes, x: Tensor, pads: Tensor, value: Tensor | None = None, axes: Tensor | None = None
) -> Tensor:
    amounts, places = pads.tolist(), range(x.dim()) if axes is None else axes.tolist()
    full = [0] * 2 * x.dim()
    for position, axis in enumerate(places):
        full[axis % x.dim()] = amounts[position]
        full[axis % x.dim() + x.dim()] = amounts[position + len(amounts) // 2]
    mode = _text(attributes.get("mode", "constant"))
    if mode == "constant":
        return functional.pad(x, _in_torch_order(full), value=0.0 if value is None else float(value))
    if mode not in ("reflect", "edge"):
        raise EngineError(f"mode '{mode}' of Pad has no counterpart in PyTorch")
    for axis in range(x.dim()):
        begin, end = full[axis], full[axis + x.dim()]
        if begin or end:
            places_read = torch.arange(-begin, x.shape[axis] + end)
            last = x.shape[axis] - 1
            folded = places_read.clamp(0, last) if mode == "edge" else last - (last - places_read.abs()).abs()
            x = x.index_select(axis, folded)
    return x


def _slice(
    attributes: Attributes,
    x: Tensor,
    starts: Tensor,
    ends: Tensor,
    axes: Tensor | None = None,
    steps: Tensor | None = None,
) -> Tensor:
    count = len(starts)
    wanted = range(count) if axes is None else axes.tolist()
    by = [1] * count if steps is None else steps.tolist()
    for start, end, axis, step in zip(starts.tolist(), ends.tolist(), wanted, by, strict=True):
        places = range(x.shape[axis])[slice(start, end if step > 0 or end >= -x.shape[axis] else None, step)]
        if step > 0:
            x = x.narrow(axis, places.start, len(range(places.start, places.stop))) if places else x[:0]
            x = x if step == 1 else x.index_select(axis, torch.arange(0, x.shape[axis], step))
        else:
            x = x.index_select(axis, torch.tensor(list(places)))
    return x


def _split(attributes: Attributes, x: Tensor, sizes: Tensor | None = None) -> tuple[Tensor, ...]:
    axis = attributes.get("axis", 0)
    if sizes is not None:
        return torch.split(x, sizes.tolist(), axis)
    return torch.split(x, -(-x.shape[axis] // attributes["num_outputs"]), axis)


def _linear(attributes: Attributes, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    return functional.linear(x, weight, bias)


def _channel_affine(attributes: Attributes, x: Tensor, scale: Tensor, shift: Tensor | None = None) -> Tensor:
    shape = [1] * x.dim()
    shape[attributes.get("axis", 1)] = -1
    y = x * scale.reshape(shape)
    return y if shift is None else y + shift.reshape(shape)


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


OPERATORS: Mapping[str, Operator] = MappingProxyType(
    {
        "Add": lambda attributes, a, b: a + b,
        "AveragePool": _average_pool,
        "BatchNormalization": _batch_norm,
        "Clip": _clip,
        "Concat": lambda attributes, *parts: torch.cat(parts, attributes["axis"]),
        "ChannelAffine": _channel_affine,
        "Conv": _conv,
        "Div": _quotient,
        "Dropout": lambda attributes, x, *rest: x,
        "Flatten": _flatten,
        "Gemm": _gemm,
        "GlobalAveragePool": lambda attributes, x: x.mean(tuple(range(2, x.dim())), keepdim=True),
        "GlobalMaxPool": lambda attributes, x: x.amax(tuple(range(2, x.dim())), keepdim=True),
        "Greater": lambda attributes, a, b: a > b,
        "HardSigmoid": _hard_sigmoid,
        "HardSwish": lambda attributes, x: functional.hardswish(x),
        "Identity": lambda attributes, x: x,
        "LRN": _lrn,
        "Linear": _linear,
        "MatMul": lambda attributes, a, b: a @ b,
        "MaxPool": _max_pool,
        "Mul": lambda attributes, a, b: a * b,
        "Pad": _pad,
        "Recurrence": recurrence,
        "ReduceMean": _reduce_mean,
        "Relu": lambda attributes, x: torch.relu(x),
        "Reshape": _reshape,
        "Resize": resize,
        "Sigmoid": lambda attributes, x: torch.sigmoid(x),
        "Slice": _slice,
        "Softmax": lambda attributes, x: torch.softmax(x, attributes.get("axis", -1)),
        "Split": _split,
        "Squeeze": _squeeze,
        "Sub": lambda attributes, a, b: a - b,
        "Tanh": lambda attributes, x: torch.tanh(x),
        "ThresholdedRelu": lambda attributes, x: functional.threshold(x, attributes.get("alpha", 1.0), 0.0),
        "Transpose": lambda attributes, x: x.permute(attributes["perm"]),
        "Unsqueeze": _unsqueeze,
        "Where": lambda attributes, condition, a, b: torch.where(condition, a, b),
        **TENSOR_OPERATORS,
    }
)
