"""Nodes that the shape inference of the onnx package must not be given: it ends the process, or lets them through.

It is C++ that trusts what the checker of onnx would have refused, and is built with assertions. Every entry was
found by fuzzing (onnx 1.23) and has a regression file in the tests.
"""

from __future__ import annotations

from collections.abc import Callable

import onnx_ir as ir

from ..values import dims, integers, operand


def reason_to_refuse(node: ir.Node) -> str | None:
    """Return why a node of the default domain must not reach the shape inference, None if it may."""
    guard = _GUARDS.get(node.op_type)
    return None if guard is None else guard(node)


def _slice(node: ir.Node) -> str | None:
    steps, sizes = integers(operand(node, 4)) or (), dims(operand(node, 0)) or ()
    if 0 in sizes and any(step < 0 for step in steps):
        return "it walks backwards along an axis without elements"
    return None


def _split(node: ir.Node) -> str | None:
    wanted, present = node.attributes.get_int("num_outputs", len(node.outputs)), len(node.outputs)
    return None if wanted == present else f"num_outputs is {wanted}, but it has {present}"


def _transpose(node: ir.Node) -> str | None:
    perm, sizes = node.attributes.get_ints("perm", None), dims(operand(node, 0))
    if perm is None or sizes is None or sorted(perm) == list(range(len(sizes))):
        return None
    return f"perm {list(perm)} does not order {len(sizes)} axes"


_GUARDS: dict[str, Callable[[ir.Node], str | None]] = {"Slice": _slice, "Split": _split, "Transpose": _transpose}
