"""ReLUs of a traced model that are written with two operands or a comparison.

``torch.maximum(x, 0)``, ``x * (x > 0)``, ``torch.where(x > 0, x, 0)`` and ``x.masked_fill(x < 0, 0)``, whichever way
round, with zeros as numbers, as tensors or like another tensor. The product differs from ReLU in one thing: it makes
NaN of minus infinity.
"""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import Tensor, fx

_MAXIMA = {torch.maximum, torch.max, torch.fmax, "maximum", "max", "fmax"}
_PRODUCTS = {operator.mul, torch.mul, torch.multiply, "mul", "multiply"}
_ABOVE = {operator.gt, operator.ge, torch.gt, torch.ge, torch.greater, torch.greater_equal, "gt", "ge", "greater",
          "greater_equal"}  # fmt: skip
_BELOW = {operator.lt, operator.le, torch.lt, torch.le, torch.less, torch.less_equal, "lt", "le", "less",
          "less_equal"}  # fmt: skip
_CASTS = {"float", "to", "type_as", "type", "half", "bfloat16", "double", "int", "long"}
_ZEROS = {torch.zeros, torch.zeros_like, "new_zeros"}
_FILLED = {torch.full: 1, torch.full_like: 1, "new_full": 2}
"""Functions that make a tensor of one value, and where the value stands among their arguments."""


def gated(node: fx.Node) -> fx.Node | None:
    """Return x if a node computes max(x, 0) in one of these ways, None otherwise."""
    if node.op not in ("call_function", "call_method"):
        return None
    if node.target in _MAXIMA:
        return _maximum(node)
    if node.target in _PRODUCTS:
        return _product(node)
    if node.target is torch.where or node.target == "where":
        return _selection(node)
    if node.target == "masked_fill" or node.target is torch.masked_fill:
        return _fill(node)
    return None


def number_of(value: Any) -> float | None:
    """Return the number that an argument is: itself, or a tensor of one value made or kept by the model."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value)
    if not isinstance(value, fx.Node):
        return None
    if value.op == "get_attr":
        found: Any = value.graph.owning_module
        tensor = _attribute(found, str(value.target)) if found is not None else None
        if isinstance(tensor, Tensor) and tensor.numel() and not isinstance(tensor, torch.nn.Parameter):
            return float(tensor.reshape(-1)[0]) if bool((tensor == tensor.reshape(-1)[0]).all()) else None
        return None
    if value.target in _ZEROS:
        return 0.0
    place = _FILLED.get(value.target)
    if place is not None:
        return number_of(value.args[place] if len(value.args) > place else value.kwargs.get("fill_value"))
    return None


def _attribute(module: Any, path: str) -> Any:
    for name in path.split("."):
        module = getattr(module, name, None)
    return module


def _maximum(node: fx.Node) -> fx.Node | None:
    given = [*node.args, *(node.kwargs[name] for name in ("input", "other") if name in node.kwargs)]
    if len(given) != 2 or (isinstance(given[1], int) and node.target in (torch.max, "max")):
        return None  # max(dim)
    return _with_zero(given[0], given[1]) or _with_zero(given[1], given[0])


def _with_zero(x: Any, other: Any) -> fx.Node | None:
    return x if isinstance(x, fx.Node) and number_of(x) is None and number_of(other) == 0.0 else None


def _product(node: fx.Node) -> fx.Node | None:
    for x, mask in (node.args, node.args[::-1]) if len(node.args) == 2 else ():
        while isinstance(mask, fx.Node) and mask.op == "call_method" and mask.target in _CASTS:
            mask = mask.args[0]
        if isinstance(x, fx.Node) and _is_positive(mask, x) is True:
            return x
    return None


def _selection(node: fx.Node) -> fx.Node | None:
    if len(node.args) != 3:
        return None
    # As a method the tensor to keep comes first: x.where(condition, other).
    condition, kept, other = node.args if node.op == "call_function" else (node.args[1], node.args[0], node.args[2])
    if isinstance(kept, fx.Node) and number_of(other) == 0.0 and _is_positive(condition, kept) is True:
        return kept
    if isinstance(other, fx.Node) and number_of(kept) == 0.0 and _is_positive(condition, other) is False:
        return other
    return None


def _fill(node: fx.Node) -> fx.Node | None:
    given = [*node.args, *node.kwargs.values()]
    if len(given) != 3 or number_of(given[2]) != 0.0 or not isinstance(given[0], fx.Node):
        return None
    return given[0] if _is_positive(given[1], given[0]) is False else None


def _is_positive(condition: Any, x: fx.Node) -> bool | None:
    """Tell whether a condition says that x is above 0 (True) or below (False); None if it says neither."""
    if not isinstance(condition, fx.Node) or len(condition.args) != 2:
        return None
    is_above = True if condition.target in _ABOVE else False if condition.target in _BELOW else None
    first, second = condition.args
    if is_above is None:
        return None
    if first is x and number_of(second) == 0.0:
        return is_above
    return not is_above if second is x and number_of(first) == 0.0 else None
