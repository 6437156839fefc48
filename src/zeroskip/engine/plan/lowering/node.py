"""Typed access to the attributes, shapes and constants of a canonical ONNX node."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from ....onnx.numbers import is_number
from ....onnx.values import static_shape

if TYPE_CHECKING:
    import onnx_ir as ir


class LoweringError(Exception):
    """A node that cannot be lowered, with the reason; the planner collects them and reports all at once."""


def int_attribute(node: ir.Node, name: str, default: int | None = None) -> int:
    """Return an integer attribute.

    Raises:
        LoweringError: If it is absent and there is no default.
    """
    attribute = node.attributes.get(name)
    return attribute.as_int() if attribute is not None else _default(name, default)


def float_attribute(node: ir.Node, name: str, default: float | None = None) -> float:
    """Return a float attribute; raises like :func:`int_attribute`."""
    attribute = node.attributes.get(name)
    return attribute.as_float() if attribute is not None else _default(name, default)


def string_attribute(node: ir.Node, name: str, default: str | None = None) -> str:
    """Return a string attribute; raises like :func:`int_attribute`."""
    attribute = node.attributes.get(name)
    return attribute.as_string() if attribute is not None else _default(name, default)


def ints_attribute(node: ir.Node, name: str, default: tuple[int, ...] | None = None) -> tuple[int, ...]:
    """Return a list-of-integers attribute as a tuple; raises like :func:`int_attribute`."""
    attribute = node.attributes.get(name)
    return tuple(attribute.as_ints()) if attribute is not None else _default(name, default)


_T = TypeVar("_T")


def _default(name: str, default: _T | None) -> _T:
    if default is None:
        raise LoweringError(f"attribute '{name}' is missing")
    return default


def shape_of(value: ir.Value) -> tuple[int, ...]:
    """Return the concrete shape of a value.

    Raises:
        LoweringError: If a dimension is unknown.
    """
    shape = static_shape(value)
    if shape is None:
        raise LoweringError(f"the shape of '{value.name}' depends on the data: {value.shape}")
    return shape


def type_of(value: ir.Value) -> str:
    """Return the element type of a value as ``TensorSpec.dtype`` says it.

    Raises:
        LoweringError: If no tensor holds such elements.
    """
    name = "FLOAT" if value.dtype is None or is_number(value) else value.dtype.name
    found = {"FLOAT": "float32", "UINT8": "u8"}.get(name)
    if found is None:
        raise LoweringError(f"'{value.name}' has element type {name.lower()}, supported are float32 and uint8")
    return found


def operand(node: ir.Node, index: int) -> ir.Value:
    """Return input ``index`` of a node.

    Raises:
        LoweringError: If it is absent.
    """
    value = optional_operand(node, index)
    if value is None:
        raise LoweringError(f"input {index} is missing")
    return value


def optional_operand(node: ir.Node, index: int) -> ir.Value | None:
    """Return input ``index`` of a node, or None when it is left out."""
    return node.inputs[index] if index < len(node.inputs) else None


def is_constant(value: ir.Value) -> bool:
    """Whether a value is fixed when the model is loaded."""
    return value.const_value is not None


def constant_of(value: ir.Value) -> NDArray[np.generic]:
    """Return the array of a constant value, without copying it.

    Raises:
        LoweringError: If the value is computed at run time.
    """
    if value.const_value is None:
        raise LoweringError(f"'{value.name}' must be a constant")
    return value.const_value.numpy()


def constant_ints(node: ir.Node, index: int) -> tuple[int, ...] | None:
    """Return a constant integer input, None when it is left out; raises like :func:`constant_of`."""
    value = optional_operand(node, index)
    return None if value is None else tuple(int(item) for item in constant_of(value).reshape(-1))


def constant_float(node: ir.Node, index: int, default: float) -> float:
    """Return a constant scalar input, or ``default`` when it is left out; raises like :func:`constant_of`."""
    value = optional_operand(node, index)
    return default if value is None else float(constant_of(value).reshape(-1)[0])


def normalized_axis(axis: int, rank: int) -> int:
    """Return ``axis`` counted from the front."""
    return axis + rank if axis < 0 else axis
