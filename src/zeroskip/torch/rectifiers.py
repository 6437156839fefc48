"""Finding the ReLUs of a traced model: modules, functions, tensor methods, and clips that are one.

Those written with two operands, ``torch.maximum(x, 0)`` or ``x * (x > 0)``, are known by :mod:`.gates`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from torch import fx, nn

from ..learning.fatrelu import FATReLU
from .gates import gated, number_of


@dataclass(frozen=True)
class Rectifier:
    """A ReLU that a model applies.

    Args:
        path: What to call its FATReLU.
        module_path: Path of the ReLU module, None for a function.
        max_value: Upper clip, None for none.
        is_inplace: Whether it overwrites its input, so that whoever reads that later sees the result.
        threshold: Above 0 for what is a FATReLU already, ``nn.Threshold(0.5, 0)``.
    """

    path: str
    module_path: str | None
    max_value: float | None
    is_inplace: bool = False
    threshold: float = 0.0


class RectifierTracer(fx.Tracer):
    """Traces into everything but ``torch.nn`` and FATReLU, and remembers which module makes each call."""

    def __init__(self) -> None:
        super().__init__()
        self.callers: dict[fx.Node, str] = {}
        self._path = ""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Stop at FATReLU too, whose forward depends on the mode."""
        return isinstance(m, FATReLU) or super().is_leaf_module(m, module_qualified_name)

    def call_module(
        self, m: nn.Module, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Trace a submodule, see ``torch.fx.Tracer``."""
        outer, self._path = self._path, self.path_of_module(m)
        try:
            return super().call_module(m, forward, args, kwargs)
        finally:
            self._path = outer

    def create_node(self, *args: Any, **kwargs: Any) -> fx.Node:
        """Add a node, see ``torch.fx.Tracer``."""
        node = super().create_node(*args, **kwargs)
        self.callers[node] = self._path
        return node


def module_clip(module: nn.Module) -> Rectifier | None:
    """Say whether a module is a ReLU, ReLU6, a hard tanh from 0, or a threshold below which all is 0."""
    if isinstance(module, nn.ReLU):
        return Rectifier("", None, None)
    if isinstance(module, nn.Hardtanh) and module.min_val == 0.0:  # ReLU6 is a Hardtanh
        return Rectifier("", None, float(module.max_val))
    if isinstance(module, nn.Threshold) and module.threshold >= 0 and module.value == 0:
        return Rectifier("", None, None, threshold=float(module.threshold))
    if isinstance(module, nn.LeakyReLU) and module.negative_slope == 0.0:
        return Rectifier("", None, None)
    return None


def find_rectifier(node: fx.Node, tracer: RectifierTracer) -> Rectifier | None:
    """Say whether a node applies a ReLU, and which.

    Args:
        node: Of a graph that ``tracer`` made.
        tracer: Knows the modules.
    """
    if node.op == "call_module":
        module = tracer.root.get_submodule(str(node.target))
        found = module_clip(module)
        is_inplace = bool(getattr(module, "inplace", False))
        path = str(node.target)
        return found and replace(found, path=path, module_path=path, is_inplace=is_inplace)
    if node.op not in ("call_function", "call_method"):
        return None
    rule = _FUNCTIONS.get(node.target) if node.op == "call_function" else _METHODS.get(str(node.target))
    bounds = None if rule is None else rule(node)
    if bounds is None and gated(node) is not None:
        bounds = Bounds(0.0, None)
    if bounds is None or bounds.low != 0.0:
        return None
    caller = tracer.callers[node]
    name = "relu6" if bounds.high == 6.0 else "relu"
    called = str(getattr(node.target, "__name__", node.target))
    is_inplace = called.endswith("_") or bool(node.kwargs.get("inplace", False))
    return Rectifier(f"{caller}.{name}" if caller else name, None, bounds.high, is_inplace, bounds.threshold)


class Bounds(NamedTuple):
    """What a function clips to, and up to which value everything is 0 instead."""

    low: float
    high: float | None
    threshold: float = 0.0


def source_of(node: fx.Node) -> fx.Node:
    """Return what the ReLU of a node is taken of."""
    return gated(node) or node.all_input_nodes[0]


def later_users(node: fx.Node, found: Rectifier) -> list[fx.Node]:
    """Return the nodes that read the input of an in-place ReLU after it ran, and so see its result."""
    if not found.is_inplace:
        return []
    order = {other: place for place, other in enumerate(node.graph.nodes)}
    return [user for user in source_of(node).users if order[user] > order[node]]


def _unbounded(node: fx.Node) -> Bounds:
    return Bounds(0.0, None)


def _six(node: fx.Node) -> Bounds:
    return Bounds(0.0, 6.0)


def _hardtanh(node: fx.Node) -> Bounds | None:
    return _numbers(_argument(node, 1, "min_val", -1.0), _argument(node, 2, "max_val", 1.0))


def _clamp(node: fx.Node) -> Bounds | None:
    return _numbers(_argument(node, 1, "min", None), _argument(node, 2, "max", None))


def _threshold(node: fx.Node) -> Bounds | None:
    threshold = number_of(_argument(node, 1, "threshold", None))
    if threshold is None or threshold < 0.0 or _argument(node, 2, "value", None) != 0:
        return None
    return Bounds(0.0, None, threshold)


def _argument(node: fx.Node, place: int, name: str, default: Any) -> Any:
    return node.args[place] if len(node.args) > place else node.kwargs.get(name, default)


def _leaky(node: fx.Node) -> Bounds | None:
    return Bounds(0.0, None) if number_of(_argument(node, 1, "negative_slope", 0.01)) == 0.0 else None


def _numbers(low: Any, high: Any) -> Bounds | None:
    low_value, high_value = number_of(low), None if high is None else number_of(high)
    if low_value is None or (high is not None and high_value is None):
        return None
    return Bounds(low_value, high_value)


_FUNCTIONS: dict[Any, Callable[[fx.Node], Bounds | None]] = {
    F.relu: _unbounded,
    torch.relu: _unbounded,
    torch.relu_: _unbounded,
    F.relu_: _unbounded,
    F.relu6: _six,
    F.hardtanh: _hardtanh,
    F.hardtanh_: _hardtanh,
    torch.clamp: _clamp,
    torch.clamp_: _clamp,
    torch.clip: _clamp,
    torch.clip_: _clamp,
    torch.clamp_min: _clamp,
    torch.clamp_min_: _clamp,
    F.threshold: _threshold,
    F.threshold_: _threshold,  # type: ignore[attr-defined]
    torch.threshold: _threshold,
    torch.threshold_: _threshold,
    F.leaky_relu: _leaky,
    F.leaky_relu_: _leaky,
}

_METHODS: dict[str, Callable[[fx.Node], Bounds | None]] = {
    "relu": _unbounded,
    "relu_": _unbounded,
    "clamp": _clamp,
    "clamp_": _clamp,
    "clip": _clamp,
    "clip_": _clamp,
    "clamp_min": _clamp,
    "clamp_min_": _clamp,
}
