"""The builder that lowering functions write to: values in the layouts asked for, steps, constants.

A value of the graph may exist in several forms: ``nhwc``; ``row`` in its own ONNX order; ``row_nhwc``,
contiguous but with the channels last. Each form is made once, when an operator first asks for it, so that a
layout change is only paid for where two neighbours disagree.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from ....onnx.quantization import weight_quantization
from ....onnx.rewriting import sources
from ..draft import Draft, DraftStep
from ..types import AttributeValue, EliminatedNode, Layout
from .node import LoweringError, constant_of, is_constant, shape_of, type_of

if TYPE_CHECKING:
    import onnx_ir as ir

_TURNED_AT_ONCE = 256

Form: TypeAlias = Literal["nhwc", "row", "row_nhwc"]


def map_shape(shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """Return ``shape`` as that of a feature map: (N, C), (N, C, L) or (N, C, H, W) to four dimensions.

    Raises:
        LoweringError: If the rank is not 2, 3 or 4.
    """
    if len(shape) == 2:
        return (shape[0], shape[1], 1, 1)
    if len(shape) == 3:
        return (shape[0], shape[1], 1, shape[2])
    if len(shape) == 4:
        return (shape[0], shape[1], shape[2], shape[3])
    raise LoweringError(f"a feature map has rank 2, 3 or 4, this one {len(shape)}: {shape}")


class Builder:
    """Collects the steps of one graph in a :class:`Draft`."""

    def __init__(self) -> None:
        self.draft = Draft()
        self._forms: dict[str, dict[Form, int]] = {}
        self._channels_last_of: dict[str, ir.Value] = {}
        self._step_names: dict[str, int] = {}
        self._computed_rows: set[str] = set()

    # ------------------------------------------------------------------ values

    def graph_input(self, value: ir.Value) -> None:
        """Declare a graph input: row layout, in the caller's memory."""
        tensor = self.draft.add_tensor(_name(value), shape_of(value), "row", is_external=True, dtype=type_of(value))
        self.draft.inputs.append(tensor)
        self._forms[_name(value)] = {"row": tensor}

    def graph_output(self, value: ir.Value) -> None:
        """Declare a graph output: brings the value to row layout in the caller's memory."""
        tensor = self.row(value)
        if self.draft.tensors[tensor].is_external:  # an input passed through, or a value returned twice
            source, name = tensor, _name(value)
            copy_name, dtype = f"{name}:output{len(self.draft.outputs)}", self.draft.tensors[source].dtype
            tensor = self.draft.add_tensor(copy_name, shape_of(value), "row", dtype=dtype)
            self.emit("copy", f"{name}:copy", [source], [tensor])
        self.draft.tensors[tensor].is_external = True
        self.draft.outputs.append(tensor)

    def is_defined(self, value: ir.Value) -> bool:
        """Whether a step before produces the value."""
        return _name(value) in self._forms

    def has_nhwc(self, value: ir.Value) -> bool:
        """Whether the value already exists as a padded channels-last map."""
        return "nhwc" in self._of(value)

    def prefers_nhwc(self, *values: ir.Value) -> bool:
        """Whether an operator that can work in either layout should use nhwc for these operands.

        Of rank 4 are maps mostly; but what a step has made in row layout, as of attention, may just as well stay so.
        """
        if any(len(shape_of(value)) not in (2, 3, 4) for value in values):
            return False
        if any(self.has_nhwc(value) for value in values):
            return True
        return any(len(shape_of(value)) == 4 and _name(value) not in self._computed_rows for value in values)

    def nhwc(self, value: ir.Value, rank: int | None = None) -> int:
        """Return the value as an nhwc tensor, converting it when no step produced it so.

        Args:
            value: A computed value, or a constant.
            rank: Of the map that it is to be an operand for: a constant may have fewer axes.
        """
        if is_constant(value):
            return self._constant_map(value, rank or len(shape_of(value)))
        forms = self._of(value)
        if "nhwc" not in forms:
            name, shape = _name(value), map_shape(shape_of(value))
            order = "nchw" if "row" in forms else "nhwc"
            batch, channels, height, width = shape
            row_shape = shape if order == "nchw" else (batch, height, width, channels)
            source = self._reshaped(forms["row" if order == "nchw" else "row_nhwc"], row_shape)
            tensor = self.draft.add_tensor(f"{name}:nhwc", shape, "nhwc", dtype=type_of(value))
            step = self.emit("to_nhwc", f"{name}:to_nhwc", [source], [tensor], {"input_layout": order})
            step.notes.append("layout change: what reads it works on padded channels-last maps")
            forms["nhwc"] = tensor
        return forms["nhwc"]

    def row(self, value: ir.Value) -> int:
        """Return the value as a row tensor of its own shape, converting it when no step produced it so."""
        if is_constant(value):
            return self._constant_row(value)
        forms = self._of(value)
        if "row" not in forms:
            name = _name(value)
            if "nhwc" in forms:
                tensor = self.draft.add_tensor(f"{name}:row", map_shape(shape_of(value)), "row", dtype=type_of(value))
                order: dict[str, AttributeValue] = {"output_layout": "nchw"}
                step = self.emit("to_row", f"{name}:to_row", [forms["nhwc"]], [tensor], order)
                step.notes.append("layout change: back to the order of the model")
                tensor = self._reshaped(tensor, shape_of(value))
            else:
                rank = len(shape_of(value))
                tensor = self.draft.add_tensor(f"{name}:row", shape_of(value), "row", dtype=type_of(value))
                perm = (0, rank - 1, *range(1, rank - 1))
                self.emit("transpose", f"{name}:to_row", [forms["row_nhwc"]], [tensor], {"perm": perm})
            forms["row"] = tensor
        return forms["row"]

    def _reshaped(self, source: int, shape: tuple[int, ...]) -> int:
        """Return a row tensor under another shape; the copy emitted for it is elided wherever it can be."""
        before = self.draft.tensors[source]
        if before.shape == shape:
            return source
        tensor = self.draft.add_tensor(f"{before.name}:{'x'.join(map(str, shape))}", shape, "row", dtype=before.dtype)
        self.emit("copy", f"{before.name}:reshape", [source], [tensor])
        return tensor

    def unpadded(self, value: ir.Value) -> tuple[int, str] | None:
        """Return a row tensor of a map that exists in no other layout, with the order of its dimensions.

        A convolution of few channels reads such a tensor directly instead of through a padded copy.
        """
        forms = self._of(value)
        if "nhwc" in forms or len(shape_of(value)) != 4:
            return None
        return (forms["row"], "nchw") if "row" in forms else (forms["row_nhwc"], "nhwc")

    def define(self, value: ir.Value, layout: Layout) -> int:
        """Declare that the step being lowered produces ``value`` in ``layout``; return the tensor."""
        shape = shape_of(value)
        stored = map_shape(shape) if layout == "nhwc" else shape
        tensor = self.draft.add_tensor(_name(value), stored, layout, dtype=type_of(value))
        self._forms[_name(value)] = {layout: tensor}
        if layout == "row":
            self._computed_rows.add(_name(value))
        return tensor

    def define_same(self, value: ir.Value, source: ir.Value) -> None:
        """Declare that ``value`` is ``source``."""
        self._forms[_name(value)] = self._of(source)
        if _name(source) in self._computed_rows:
            self._computed_rows.add(_name(value))

    def move_channels_last(self, node: ir.Node) -> None:
        """Lower a transposition that moves the channels of an nhwc map from axis 1 to the end."""
        source, value = node.inputs[0], node.outputs[0]
        assert source is not None
        forms = self._of(source)
        if "row_nhwc" not in forms:
            batch, channels, height, width = map_shape(shape_of(source))
            tensor = self.draft.add_tensor(_name(value), (batch, height, width, channels), "row", dtype=type_of(value))
            self.step("to_row", node, [self.nhwc(source)], [tensor], {"output_layout": "nhwc"})
            forms["row_nhwc"] = self._reshaped(tensor, shape_of(value))
        self._forms[_name(value)] = {"row": forms["row_nhwc"]}
        self._channels_last_of[_name(value)] = source

    def move_channels_first(self, node: ir.Node) -> None:
        """Lower a transposition that moves the channels from the end to axis 1: only a change of name."""
        source, value = node.inputs[0], node.outputs[0]
        assert source is not None
        original = self._channels_last_of.get(_name(source))
        if original is not None:
            self.define_same(value, original)
        else:
            self._forms[_name(value)] = {"row_nhwc": self.row(source)}
        self.eliminate(node, "transposition absorbed: its consumers read channels-last data")

    def eliminate(self, node: ir.Node, reason: str) -> None:
        """Record that ``node`` needs no step."""
        self.draft.eliminated += [EliminatedNode(name, reason) for name in sources(node)]

    def number(self, number: float, layout: Layout) -> int:
        """Return a tensor of one number, to be broadcast, that a step writes."""
        name = f"number:{number:g}:{layout}"
        forms = self._forms.setdefault(name, {})
        if layout not in forms:
            shape = (1, 1, 1, 1) if layout == "nhwc" else ()
            forms[layout] = self.draft.add_tensor(name, shape, layout)
            step = self.emit("constant", f"{name}:constant", [], [forms[layout]])
            step.constants = {"value": self.constant(name, np.full(shape, number))}
        return forms[layout]

    def _constant_row(self, value: ir.Value) -> int:
        """Return a constant as a tensor that a step writes."""
        forms = self._forms.setdefault(_name(value), {})
        if "row" not in forms:
            forms["row"] = self.draft.add_tensor(_name(value), shape_of(value), "row")
            step = self.emit("constant", f"{_name(value)}:constant", [], [forms["row"]])
            step.constants = {"value": self.initializer(value)}
        return forms["row"]

    def _constant_map(self, value: ir.Value, rank: int) -> int:
        """Return a constant as an nhwc tensor that a step writes; axes are added in front up to ``rank``."""
        shape = map_shape((1,) * (rank - len(shape_of(value))) + shape_of(value))
        name = f"{_name(value)}:{'x'.join(map(str, shape))}"
        forms = self._forms.setdefault(name, {})
        if "nhwc" not in forms:
            forms["nhwc"] = self.draft.add_tensor(f"{name}:nhwc", shape, "nhwc")
            step = self.emit("constant", f"{name}:constant", [], [forms["nhwc"]])
            step.constants = {"value": self.initializer(value, shape)}
        return forms["nhwc"]

    def _of(self, value: ir.Value) -> dict[Form, int]:
        if is_constant(value):
            raise LoweringError(f"operand '{value.name}' is a constant where a computed value is expected")
        try:
            return self._forms[_name(value)]
        except KeyError:
            raise LoweringError(f"operand '{value.name}' comes from a node that is not supported") from None

    # --------------------------------------------------------- steps, constants

    def emit(
        self,
        op: str,
        name: str,
        inputs: list[int],
        outputs: list[int],
        attributes: dict[str, AttributeValue] | None = None,
    ) -> DraftStep:
        """Append a step that no ONNX node stands for."""
        step = DraftStep(op, self._unique(name), inputs, outputs, attributes or {})
        self.draft.steps.append(step)
        return step

    def step(
        self,
        op: str,
        node: ir.Node,
        inputs: list[int],
        outputs: list[int],
        attributes: dict[str, AttributeValue] | None = None,
        *,
        constants: dict[str, str] | None = None,
        macs: int = 0,
    ) -> DraftStep:
        """Append the step that carries out ``node``."""
        name = node.name or _name(node.outputs[0])
        step = self.emit(op, name, inputs, outputs, attributes)
        step.constants = constants or {}
        step.nodes = list(sources(node))
        step.macs = macs
        return step

    def constant(self, name: str, values: ArrayLike) -> str:
        """Store a constant as contiguous float32 and return its name.

        The name stands for the contents: steps of every plan of a session share what is stored under it.
        """
        self.draft.constants[name] = _contiguous(np.asarray(values, dtype=np.float32))
        return name

    def initializer(self, value: ir.Value, shape: tuple[int, ...] | None = None, use: str = "") -> str:
        """Store the constant ``value`` and return its name.

        Args:
            value: A constant of the graph.
            shape: Reshape it so.
            use: Sets it apart from other uses of the same constant, which need it packed in another way.
        """
        array = constant_of(value)
        parts = [_name(value)]
        if shape is not None and shape != array.shape:
            array = array.reshape(shape)
            parts.append("x".join(str(size) for size in shape))
        name = self.constant(":".join(parts + [use] * bool(use)), array)
        integers = weight_quantization(value)
        if integers is not None and (integers.scale.size == 1 or integers.axis == 0):
            self.draft.integers[name] = replace(integers, values=integers.values.reshape(array.shape))
        return name

    def _unique(self, name: str) -> str:
        count = self._step_names.get(name, 0)
        self._step_names[name] = count + 1
        return name if count == 0 else f"{name}#{count}"


def _contiguous(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return an array in row-major order.

    The weight of a MatMul comes turned by a view. Copied as it is, every element is a cache line of its own, for
    VGG's first linear layer 2.5 s instead of 0.5 (Zen 3, November 2026).
    """
    if array.ndim != 2 or array.flags.c_contiguous:
        return np.asarray(array, order="C")  # ascontiguousarray would make a list of a number
    result = np.empty(array.shape, array.dtype)
    for first in range(0, array.shape[1], _TURNED_AT_ONCE):
        columns = slice(first, first + _TURNED_AT_ONCE)
        result[:, columns] = array[:, columns]
    return result


def _name(value: ir.Value) -> str:
    if value.name is None:
        raise LoweringError("a value has no name")
    return value.name
