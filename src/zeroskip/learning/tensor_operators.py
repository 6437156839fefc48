"""Further ONNX operators by PyTorch: functions, reductions, normalisations, products and moves of whole tensors.

Windows, and what is in most networks, stand in :mod:`.operators`, whose table holds these too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional

Attributes: TypeAlias = Mapping[str, Any]
Operator: TypeAlias = Callable[..., Any]


def _axes(x: Tensor, axes: Tensor | None) -> tuple[int, ...]:
    return tuple(range(x.dim())) if axes is None else tuple(int(axis) % x.dim() for axis in axes.tolist())


def _reduction(reduce: Callable[[Tensor, tuple[int, ...], bool], Tensor]) -> Operator:
    def operator(attributes: Attributes, x: Tensor, axes: Tensor | None = None) -> Tensor:
        return reduce(x, _axes(x, axes), bool(attributes.get("keepdims", 1)))

    return operator


def _product(x: Tensor, axes: tuple[int, ...], keeps: bool) -> Tensor:
    for axis in sorted(axes, reverse=True):
        x = x.prod(axis, keepdim=keeps)
    return x


def _arg_extreme(find: Callable[..., Tensor]) -> Operator:
    def operator(attributes: Attributes, x: Tensor) -> Tensor:
        axis = attributes.get("axis", 0)
        x = x.flip(axis) if attributes.get("select_last_index", 0) else x
        found = find(x, axis, bool(attributes.get("keepdims", 1)))
        return x.shape[axis] - 1 - found if attributes.get("select_last_index", 0) else found

    return operator


def _top_k(attributes: Attributes, x: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
    """Find the best by sorting, which alone keeps equal ones in order."""
    axis, is_largest = attributes.get("axis", -1), bool(attributes.get("largest", 1))
    values, indices = torch.sort(x, dim=axis, descending=is_largest, stable=True)
    return values.narrow(axis, 0, int(k)), indices.narrow(axis, 0, int(k))


def _gather_elements(attributes: Attributes, x: Tensor, places: Tensor) -> Tensor:
    axis = attributes.get("axis", 0)
    return torch.gather(x, axis, torch.where(places < 0, places + x.shape[axis], places).long())


def _cast(attributes: Attributes, x: Tensor) -> Tensor:
    return x.to(_TYPES[attributes["to"]])


def _elementwise(function: Callable[[Tensor], Tensor]) -> Operator:
    return lambda attributes, x: function(x)


def _pair(function: Callable[[Tensor, Tensor], Tensor]) -> Operator:
    return lambda attributes, a, b: function(a, b)


def _instance_normalization(attributes: Attributes, x: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    axes = tuple(range(2, x.dim()))
    variance, mean = torch.var_mean(x, axes, correction=0, keepdim=True)
    shape = (1, -1, *(1,) * len(axes))
    normalized = (x - mean) * torch.rsqrt(variance + attributes.get("epsilon", 1e-5))
    return normalized * scale.reshape(shape) + bias.reshape(shape)


def _layer_normalization(attributes: Attributes, x: Tensor, scale: Tensor, bias: Tensor | None = None) -> Tensor:
    axis = attributes.get("axis", -1) % x.dim()
    variance, mean = torch.var_mean(x, tuple(range(axis, x.dim())), correction=0, keepdim=True)
    y = (x - mean) * torch.rsqrt(variance + attributes.get("epsilon", 1e-5)) * scale
    return y if bias is None else y + bias


def _gather(attributes: Attributes, x: Tensor, indices: Tensor) -> Tensor:
    axis = attributes.get("axis", 0) % x.dim()
    places = torch.where(indices < 0, indices + x.shape[axis], indices)
    picked = x.index_select(axis, places.reshape(-1))
    return picked.reshape(*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :])


def _pixel_shuffle(attributes: Attributes, x: Tensor) -> Tensor:
    blocks, crops, groups = list(attributes["blocks"]), list(attributes["crops"]), attributes.get("groups", 1)
    rank = len(blocks)
    places = int(torch.tensor(blocks).prod())
    width, sizes = x.shape[1] // (groups * places), list(x.shape[2:])
    parted = x.reshape(x.shape[0], groups, *blocks, width, *sizes)
    order = [0, 1, 2 + rank]
    for axis in range(rank):
        order += [3 + rank + axis, 2 + axis]
    extents = [size * block for size, block in zip(sizes, blocks, strict=True)]
    y = parted.permute(order).reshape(x.shape[0], groups * width, *extents)
    for axis in range(rank):
        y = y.narrow(axis + 2, crops[axis], extents[axis] - crops[axis] - crops[axis + rank])
    return y


def _gelu(attributes: Attributes, x: Tensor) -> Tensor:
    approximate = attributes.get("approximate", "none")
    name = approximate.decode() if isinstance(approximate, bytes) else approximate
    return functional.gelu(x, approximate=name)


def _selu(attributes: Attributes, x: Tensor) -> Tensor:
    alpha, gamma = attributes.get("alpha", 1.6732632), attributes.get("gamma", 1.0507009)
    y: Tensor = gamma * functional.elu(x, alpha)
    return y


def _expand(attributes: Attributes, x: Tensor, shape: Tensor) -> Tensor:
    wanted = attributes.get("output_shape")
    return x.expand(*wanted) if wanted is not None else x * torch.ones(shape.tolist(), dtype=x.dtype)


_TYPES = {1: torch.float32, 6: torch.int32, 7: torch.int64, 9: torch.bool}
"""PyTorch's types by the numbers of ONNX."""

TENSOR_OPERATORS: dict[str, Operator] = {
    "Abs": _elementwise(torch.abs),
    "And": _pair(torch.logical_and),
    "Cast": _cast,
    "Ceil": _elementwise(torch.ceil),
    "Celu": lambda attributes, x: functional.celu(x, attributes.get("alpha", 1.0)),
    "Cos": _elementwise(torch.cos),
    "Elu": lambda attributes, x: functional.elu(x, attributes.get("alpha", 1.0)),
    "Equal": _pair(torch.eq),
    "Erf": _elementwise(torch.erf),
    "Exp": _elementwise(torch.exp),
    "Expand": _expand,
    "Floor": _elementwise(torch.floor),
    "Gather": _gather,
    "GatherElements": _gather_elements,
    "Gelu": _gelu,
    "Greater": _pair(torch.gt),
    "GreaterOrEqual": _pair(torch.ge),
    "InstanceNormalization": _instance_normalization,
    "LayerNormalization": _layer_normalization,
    "LeakyRelu": lambda attributes, x: functional.leaky_relu(x, attributes.get("alpha", 0.01)),
    "Less": _pair(torch.lt),
    "LessOrEqual": _pair(torch.le),
    "Log": _elementwise(torch.log),
    "Max": _pair(torch.maximum),
    "Min": _pair(torch.minimum),
    "Mish": _elementwise(functional.mish),
    "Mod": _pair(torch.remainder),
    "Not": _elementwise(torch.logical_not),
    "Or": _pair(torch.logical_or),
    "PRelu": _pair(lambda x, slope: torch.where(x > 0, x, x * slope)),
    "PixelShuffle": _pixel_shuffle,
    "Pow": _pair(torch.pow),
    "Reciprocal": _elementwise(torch.reciprocal),
    "ArgMax": _arg_extreme(torch.argmax),
    "ArgMin": _arg_extreme(torch.argmin),
    "ReduceL1": _reduction(lambda x, axes, keeps: x.abs().sum(axes, keepdim=keeps)),
    "ReduceL2": _reduction(lambda x, axes, keeps: torch.linalg.vector_norm(x, 2, axes, keepdim=keeps)),
    "ReduceMax": _reduction(lambda x, axes, keeps: x.amax(axes, keepdim=keeps)),
    "ReduceMin": _reduction(lambda x, axes, keeps: x.amin(axes, keepdim=keeps)),
    "ReduceProd": _reduction(_product),
    "ReduceSum": _reduction(lambda x, axes, keeps: x.sum(axes, keepdim=keeps)),
    "ReduceSumSquare": _reduction(lambda x, axes, keeps: (x * x).sum(axes, keepdim=keeps)),
    "Round": _elementwise(torch.round),
    "Selu": _selu,
    "Sign": _elementwise(torch.sign),
    "Sin": _elementwise(torch.sin),
    "Softplus": lambda attributes, x: functional.softplus(x),
    "Softsign": _elementwise(functional.softsign),
    "Sqrt": _elementwise(torch.sqrt),
    "TopK": _top_k,
    "Where": lambda attributes, condition, a, b: torch.where(condition, a, b),
    "Xor": _pair(torch.logical_xor),
}
