"""Every way to write FATReLU, y = min(x > T ? x : 0, max), becomes one operator: ``zeroskip::FatRelu``.

``match`` recognises the spelling that ends in a node and changes nothing, so that writing thresholds into a
model (``zeroskip.onnx.thresholded_model``) can use it on the untouched graph; ``fat_relu`` is the rewrite rule.

Comparisons that include the threshold itself become strict by taking the next lower float. NaN gives 0 in
every spelling, as in ONNX ThresholdedRelu.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from ..rewriting import RuleTable, add_constant, become, owner
from ..values import constant, has_one_use, is_own, operand, own_producer, producer, scalar
from .comparisons import Comparison, comparison_of, condition_of_mask, fill_of, is_zero


@dataclass(frozen=True)
class Spelling:
    """What a group of nodes computes: y = min(x > threshold ? x : 0, max_value).

    Args:
        x: Input of the activation.
        threshold: float32 ``[]`` or ``[C]``.
        axis: Axis of the channels when there is one threshold for each.
        max_value: Upper clip, infinity when there is none.
        nodes: The nodes that spell it, the last one excepted.
        on_activation: It is a FATReLU only if x is the output of one, because negative x would not become 0.
    """

    x: ir.Value
    threshold: NDArray[np.float32] = field(default_factory=lambda: np.zeros((), np.float32))
    axis: int = 1
    max_value: float = np.inf
    nodes: tuple[ir.Node, ...] = ()
    on_activation: bool = False


def match(node: ir.Node) -> Spelling | None:
    """Return what the nodes ending in ``node`` compute if it is a FATReLU, else None.

    An activation of an activation is one FATReLU when nothing else reads the inner one.
    """
    matcher = _MATCHERS.get(node.op_type)
    spelling = matcher(node) if matcher is not None and (node.domain == "" or is_own(node, "FatRelu")) else None
    if spelling is None:
        return None
    inner_node = spelling.x.producer()
    inner = None if inner_node is None else match(inner_node)
    if inner_node is not None and inner is None:
        return _joined_below(inner_node, spelling) or _alone(spelling)
    if inner_node is not None and inner is not None:
        joined = _joined(inner, spelling, inner_node) if _reads_only(spelling) else None
        # Without joining, x is still the output of an activation, so nothing below 0 is left to remove.
        threshold = np.maximum(spelling.threshold, np.float32(0.0))
        return joined or replace(spelling, threshold=threshold, on_activation=False)
    return _alone(spelling)


def _alone(spelling: Spelling) -> Spelling | None:
    return None if spelling.on_activation or (spelling.threshold < 0).any() else spelling


def _joined_below(inner_node: ir.Node, outer: Spelling) -> Spelling | None:
    """Compose a rectifier with what before it is none only because it keeps values below 0: max(min(x, 6), 0)."""
    matcher = _MATCHERS.get(inner_node.op_type) if inner_node.domain == "" else None
    inner = None if matcher is None else matcher(inner_node)
    if inner is None or not inner.on_activation or _alone(outer) is None or not _reads_only(outer):
        return None
    return _joined(inner, outer, inner_node)


def _reads_only(spelling: Spelling) -> bool:
    """Tell whether only the nodes of the spelling read x."""
    readers = {usage.node for usage in spelling.x.uses()} - set(spelling.nodes)
    return len(readers) <= 1 and not spelling.x.is_graph_output()


def _joined(inner: Spelling, outer: Spelling, inner_node: ir.Node) -> Spelling | None:
    """Compose two: min(x, m1) > T2 is x > T2 as long as m1 > T2."""
    if (outer.threshold >= inner.max_value).any():
        return None
    if inner.threshold.ndim and outer.threshold.ndim and inner.axis != outer.axis:
        return None
    threshold = np.maximum(inner.threshold, outer.threshold)
    if threshold.ndim and threshold.size != max(inner.threshold.size, outer.threshold.size):
        return None
    return Spelling(
        inner.x,
        threshold,
        inner.axis if inner.threshold.ndim else outer.axis,
        min(inner.max_value, outer.max_value),
        (*inner.nodes, inner_node, *outer.nodes),
    )


def fat_relu(node: ir.Node) -> bool:
    """Rewrite a node that ends a spelling of FATReLU."""
    spelling = match(node)
    if spelling is None or (is_own(node, "FatRelu") and not spelling.nodes):
        return False
    attributes: dict[str, float | int] = {}
    inputs = [spelling.x]
    if spelling.threshold.ndim:
        inputs.append(add_constant(owner(node), spelling.threshold, f"{node.outputs[0].name}.thresholds"))
        if spelling.axis != 1:
            attributes["axis"] = spelling.axis
    else:
        attributes["threshold"] = float(spelling.threshold)
    if np.isfinite(spelling.max_value):
        attributes["max_value"] = spelling.max_value
    return become(node, "FatRelu", inputs, attributes, own=True, absorbs=spelling.nodes)


# One matcher per operator that a spelling can end in.


def _relu(node: ir.Node) -> Spelling | None:
    return Spelling(_first(node))


def _leaky_relu(node: ir.Node) -> Spelling | None:
    return Spelling(_first(node)) if node.attributes.get_float("alpha", 0.01) == 0.0 else None


def _fat_relu(node: ir.Node) -> Spelling | None:
    thresholds = constant(operand(node, 1))
    threshold = np.float32(node.attributes.get_float("threshold", 0.0)) if thresholds is None else thresholds
    return Spelling(
        _first(node),
        np.asarray(threshold, dtype=np.float32),
        node.attributes.get_int("axis", 1),
        node.attributes.get_float("max_value", np.inf),
    )


def _thresholded_relu(node: ir.Node) -> Spelling | None:
    alpha = np.array(node.attributes.get_float("alpha", 1.0), dtype=np.float32)
    return None if np.isnan(alpha) else Spelling(_first(node), alpha)


def _clip(node: ir.Node) -> Spelling | None:
    low, high = operand(node, 1), operand(node, 2)
    low_value = -np.inf if low is None else scalar(low)
    high_value = np.inf if high is None else scalar(high)
    if low_value is None or high_value is None or not (low_value <= 0.0 < high_value):
        return None  # a bound that is NaN is none: see elementwise
    # A lower bound below 0 does nothing to the output of an activation.
    return Spelling(_first(node), max_value=high_value, on_activation=low_value < 0.0)


def _max(node: ir.Node) -> Spelling | None:
    found = _other_than_constant(node, lambda value: value == 0.0)
    return None if found is None else Spelling(found[0])


def _min(node: ir.Node) -> Spelling | None:
    x = _other_than_constant(node, lambda value: value > 0.0)
    return None if x is None else Spelling(x[0], max_value=x[1], on_activation=True)


def _other_than_constant(node: ir.Node, accepts: Callable[[float], bool]) -> tuple[ir.Value, float] | None:
    if len(node.inputs) != 2:
        return None
    for x, other in (node.inputs, node.inputs[::-1]):
        if x is None or constant(x) is not None:
            continue
        value = fill_of(other, x)  # a number, or full_like(x, number) of whatever size
        if value is not None and accepts(value):
            return x, value
    return None


def _shrink(node: ir.Node) -> Spelling | None:
    # Shrink also keeps x below -lambd, which the output of an activation never is.
    if node.attributes.get_float("bias", 0.0) != 0.0:
        return None
    threshold = np.array(node.attributes.get_float("lambd", 0.5), dtype=np.float32)
    return Spelling(_first(node), threshold, on_activation=True) if threshold >= 0.0 else None


def _where(node: ir.Node) -> Spelling | None:
    condition, when_true, when_false = node.inputs
    for kept, dropped, is_kept_when in ((when_true, when_false, True), (when_false, when_true, False)):
        comparison = comparison_of(condition, is_kept_when)
        if comparison is not None and kept is not None and is_zero(dropped, kept):
            return _gate(kept, comparison)
    return None


def _mul(node: ir.Node) -> Spelling | None:
    for x, mask in (node.inputs, node.inputs[::-1]):
        condition, nodes = condition_of_mask(mask)
        comparison = comparison_of(condition, True)
        if x is not None and comparison is not None:
            spelling = _gate(x, comparison)
            return None if spelling is None else replace(spelling, nodes=(*spelling.nodes, *nodes))
    return None


def _gate(kept: ir.Value, comparison: Comparison) -> Spelling | None:
    """Combine what is kept with the condition on which it is: the same x, or an activation of it."""
    gate = Spelling(comparison.x, comparison.threshold, comparison.axis, nodes=comparison.nodes)
    if kept is comparison.x:
        return gate
    node = own_producer(kept, "FatRelu") or producer(kept, "Relu", "Clip", "ThresholdedRelu")
    inner = match(node) if node is not None and has_one_use(kept) else None
    if node is None or inner is None or inner.x is not comparison.x:
        return None
    return _joined(inner, gate, node)


def _first(node: ir.Node) -> ir.Value:
    x = operand(node, 0)
    if x is None:
        raise ValueError("it has no input")
    return x


_MATCHERS: dict[str, Callable[[ir.Node], Spelling | None]] = {
    "Clip": _clip,
    "FatRelu": _fat_relu,
    "LeakyRelu": _leaky_relu,
    "Max": _max,
    "Min": _min,
    "Mul": _mul,
    "Relu": _relu,
    "Shrink": _shrink,
    "ThresholdedRelu": _thresholded_relu,
    "Where": _where,
}

RULES: RuleTable = dict.fromkeys(_MATCHERS, (fat_relu,))
