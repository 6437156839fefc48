"""Penalties on activations that make them sparse: Hoyer-square, L1 and transformed L1, as functions of a tensor.

Each penalty of one activation is a mean over its samples and elements (Hoyer-square: divided by the number of
elements), so its size, and with it the strength to choose, depends neither on the batch size nor on the resolution.

References:
    [Ku20] M. Kurtz et al., ICML 2020, section 3: Hoyer-square and L1 on activations.
    [YWL20] H. Yang, W. Wen, H. Li, "DeepHoyer", ICLR 2020: Hoyer-square as a differentiable penalty.
    [ZX18] S. Zhang, J. Xin, "Minimization of transformed L1 penalty", Mathematical Programming 169, 2018.
"""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ..learning.functional import keep_where_positive, with_signs_of

_TINY = torch.finfo(torch.float32).tiny


def hoyer_square(x: Tensor) -> Tensor:
    """Return ``(sum |x|)^2 / (n sum x^2)`` averaged over the samples: the share of elements that matter, in [0, 1].

    Scale-free, and 0 with a gradient of 0 for a sample of all zeros.

    Args:
        x: ``[N, ...]`` floating point, n elements per sample.

    Returns:
        0-dimensional, float32 or wider.

    Example:
        >>> hoyer_square(torch.tensor([[2.0, 2.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]]))
        tensor(0.2500)
    """
    return _penalty(x, _HoyerSquare())


def l1(x: Tensor) -> Tensor:
    """Return the mean of ``|x|``.

    Args:
        x: ``[N, ...]`` floating point.

    Returns:
        0-dimensional, float32 or wider.
    """
    return _penalty(x, _L1())


def transformed_l1(x: Tensor, a: float = 1.0) -> Tensor:
    """Return the mean of ``(a + 1) |x| / (a + |x|)``: near the count of nonzeros for small a, L1 for large a.

    Args:
        x: ``[N, ...]`` floating point.
        a: > 0.

    Returns:
        0-dimensional, float32 or wider.
    """
    return _penalty(x, _TransformedL1(a))


class _Measure(Protocol):
    """A penalty on magnitudes, and its derivative."""

    def value(self, y: Tensor) -> Tensor:
        """Return the penalty of each sample of ``y [N, ...]``, summed over elements: ``[N]``, float32 or wider."""

    def slope(self, y: Tensor, factor: Tensor) -> Tensor:
        """Return ``factor`` times the derivative, right where y > 0, in the shape and type of y."""


class _HoyerSquare:
    def value(self, y: Tensor) -> Tensor:
        return _sums(y).square() / _sums(y.square()).clamp(min=_TINY)

    def slope(self, y: Tensor, factor: Tensor) -> Tensor:
        energy = _sums(y.square())
        ratio = torch.where(energy > _TINY, _sums(y) / energy.clamp(min=_TINY), 0.0)
        constant, linear = (value.to(y.dtype) for value in (2.0 * factor * ratio, -2.0 * factor * ratio.square()))
        shape = (-1, *[1] * (y.ndim - 1))
        return (y * linear.view(shape)).add_(constant.view(shape))  # addcmul would not broadcast as fast


class _L1:
    def value(self, y: Tensor) -> Tensor:
        return _sums(y)

    def slope(self, y: Tensor, factor: Tensor) -> Tensor:
        return torch.full_like(y, float(factor))


class _TransformedL1:
    def __init__(self, a: float) -> None:
        self._a = a

    def value(self, y: Tensor) -> Tensor:
        return (self._a + 1.0) * _sums(y / (y + self._a))

    def slope(self, y: Tensor, factor: Tensor) -> Tensor:
        inverse = (y + self._a).reciprocal_()
        return inverse.square_().mul_((self._a * (self._a + 1.0) * factor).to(y.dtype))


class _Penalty(torch.autograd.Function):
    """The sum over samples of a measure, with its derivative written out."""

    @staticmethod
    def forward(x: Tensor, measure: _Measure) -> Tensor:
        return measure.value(x.abs()).sum()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        x, ctx.measure = inputs
        ctx.save_for_backward(x)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        y = x.abs()
        return with_signs_of(keep_where_positive(ctx.measure.slope(y, gradient), y), x), None


def _penalty(x: Tensor, measure: _Measure) -> Tensor:
    """Return a penalty averaged over samples and elements."""
    # In 16 bits autograd takes twice to four times as long as the derivative written out, in 32 bits about as long.
    writes_out = x.device.type == "cpu" and x.dtype.itemsize == 2 and not torch.compiler.is_compiling()
    total: Tensor = _Penalty.apply(x, measure) if writes_out else measure.value(x.abs()).sum()  # type: ignore[no-untyped-call]
    return total / max(x.numel(), 1)


def _sums(x: Tensor) -> Tensor:
    """Return the sum of each sample, added up in float32 at least: many 16-bit numbers would lose the small ones."""
    dimensions = list(range(1, x.ndim)) if x.ndim > 1 else [0]
    if x.dtype == torch.bfloat16:  # added up in float32 without being told; told so, torch copies all of x first
        return x.sum(dimensions).float()
    return x.sum(dimensions, dtype=torch.promote_types(x.dtype, torch.float32))
