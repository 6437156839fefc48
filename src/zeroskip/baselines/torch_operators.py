"""ONNX operators by ``torch.nn.functional``: each takes the node's attributes, then its input tensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional

from ..errors import EngineError

Attributes: TypeAlias = Mapping[str, Any]
Operator: TypeAlias = Callable[..., Tensor]


def _padded(x: Tensor, attributes: Attributes, value: float) -> tuple[Tensor, list[int]]:
    """Return symmetric pads for the operator itself, or pad here where begin and end differ."""
    rank = x.dim() - 2
    if attributes.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID"):
        raise EngineError("the eager PyTorch engine has no auto_pad: export the model with explicit pads")
    pads = list(attributes.get("pads", [0] * 2 * rank))
    if pads[:rank] == pads[rank:]:
        return x, pads[:rank]
    pairs = [pad for axis in reversed(range(rank)) for pad in (pads[axis], pads[axis + rank])]
    return functional.pad(x, pairs, value=value), [0] * rank


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
    x, pads = _padded(x, attributes, float("-inf"))
    pool = (functional.max_pool1d, functional.max_pool2d, functional.max_pool3d)[rank - 1]
    ones = [1] * rank
    result: Tensor = pool(
        x,
        kernel,
        attributes.get("strides", ones),
        pads,
        attributes.get("dilations", ones),
        bool(attributes.get("ceil_mode", 0)),
    )
    return result


def _average_pool(attributes: Attributes, x: Tensor) -> Tensor:
    kernel, rank = attributes["kernel_shape"], x.dim() - 2
    counts_pads = bool(attributes.get("count_include_pad", 0))
    pads = list(attributes.get("pads", [0] * 2 * rank))
    if pads[:rank] != pads[rank:] and not counts_pads:
        raise EngineError("the eager PyTorch engine cannot average over uneven pads that do not count")
    x, even_pads = _padded(x, attributes, 0.0)
    pool = (functional.avg_pool1d, functional.avg_pool2d, functional.avg_pool3d)[rank - 1]
    result: Tensor = pool(
        x,
        kernel,
        attributes.get("strides", [1] * rank),
        even_pads,
        bool(attributes.get("ceil_mode", 0)),
        counts_pads,
    )
    return result


def _gemm(attributes: Attributes, a: Tensor, b: Tensor, c: Tensor | None = None) -> Tensor:
    a = a.t() if attributes.get("transA") else a
    b = b.t() if attributes.get("transB") else b
    alpha, beta = attributes.get("alpha", 1.0), attributes.get("beta", 1.0)
    if c is None:
        return (a @ b).mul_(alpha)
    return torch.addmm(c, a, b, alpha=alpha, beta=beta)


def _batch_norm(
    attributes: Attributes, x: Tensor, scale: Tensor, bias: Tensor, mean: Tensor, var: Tensor
) -> Tensor:
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


OPERATORS: Mapping[str, Operator] = MappingProxyType(
    {
        "Add": lambda attributes, a, b: a + b,
        "AveragePool": _average_pool,
        "BatchNormalization": _batch_norm,
        "Clip": _clip,
        "Concat": lambda attributes, *parts: torch.cat(parts, attributes["axis"]),
        "Conv": _conv,
        "Div": lambda attributes, a, b: a / b,
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
        "MatMul": lambda attributes, a, b: a @ b,
        "MaxPool": _max_pool,
        "Mul": lambda attributes, a, b: a * b,
        "ReduceMean": _reduce_mean,
        "Relu": lambda attributes, x: torch.relu(x),
        "Reshape": _reshape,
        "Sigmoid": lambda attributes, x: torch.sigmoid(x),
        "Softmax": lambda attributes, x: torch.softmax(x, attributes.get("axis", -1)),
        "Squeeze": _squeeze,
        "Sub": lambda attributes, a, b: a - b,
        "Tanh": lambda attributes, x: torch.tanh(x),
        "ThresholdedRelu": lambda attributes, x: functional.threshold(x, attributes.get("alpha", 1.0), 0.0),
        "Transpose": lambda attributes, x: x.permute(attributes["perm"]),
        "Unsqueeze": _unsqueeze,
        "Where": lambda attributes, condition, a, b: torch.where(condition, a, b),
    }
)
