"""The inputs and outputs of a model as a caller sees them, and the check of what a caller passes in.

Mirrors onnxruntime's ``NodeArg``: name, shape with strings for symbolic dimensions, type.
"""

from __future__ import annotations

import keyword
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ShapeError
from .arrays import as_array
from .onnx_types import dtype_of, type_text

if TYPE_CHECKING:
    import onnx_ir as ir

Dimension = int | str | None
_GUESSED_EXTENT = 224

InputShapes = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class NodeArg:
    """One input or output of a model.

    Args:
        name: Name in the ONNX graph.
        shape: One entry per dimension: an int, a string for a symbolic one, None for one without a name. Empty
            where the rank is not known.
        type: ONNX type, ``"tensor(float)"`` for float32.
    """

    name: str
    shape: list[Dimension]
    type: str = "tensor(float)"
    has_rank: bool = field(default=True, compare=False, repr=False)

    @classmethod
    def from_value(cls, value: ir.Value) -> NodeArg:
        """Describe a value of an ONNX graph."""
        dimensions = [] if value.shape is None else [_dimension(item) for item in value.shape]
        return cls(value.name or "", dimensions, type_text(value.type), value.shape is not None)

    @property
    def is_tensor(self) -> bool:
        """Whether it is a tensor, not a sequence or optional."""
        return self.type.startswith("tensor(")

    def __str__(self) -> str:
        return f"{self.name}: {self.type} [{', '.join(str(item) for item in self.shape)}]"


class Signature:
    """The inputs and outputs of one model.

    Args:
        inputs: In the order of the graph.
        outputs: In the order of the graph.
        binds_names: Whether a named dimension must have the same size wherever it occurs. ONNX Runtime takes a name
            for a comment.
    """

    def __init__(self, inputs: Sequence[NodeArg], outputs: Sequence[NodeArg], *, binds_names: bool = True) -> None:
        self.inputs = tuple(inputs)
        self.outputs = tuple(outputs)
        self._binds_names = binds_names
        self.input_names = tuple(argument.name for argument in self.inputs)
        self._latest: tuple[tuple[tuple[str, tuple[int, ...], np.dtype[Any]], ...], InputShapes] = ((), ())

    @classmethod
    def of(cls, model: ir.Model, *, binds_names: bool = True) -> Signature:
        """Read the signature of a model; initializers that are also listed as inputs are not part of it."""
        inputs = [value for value in model.graph.inputs if value.const_value is None]
        return cls(
            [NodeArg.from_value(value) for value in inputs],
            [NodeArg.from_value(value) for value in model.graph.outputs],
            binds_names=binds_names,
        )

    def check(self, feed: Mapping[str, Any]) -> tuple[list[Any], InputShapes]:
        """Return the values of ``feed`` in graph order, and their shapes; arrays are neither copied nor changed.

        Args:
            feed: Input name to array (any strides and byte order) of the input's type, or what :func:`as_array`
                makes one of; a list for a sequence. Optional inputs may be left out.

        Raises:
            ShapeError: If a name is missing or unknown, or an array has a wrong dtype, rank or extent.
        """
        usual = self.usual_shapes(feed)
        if usual is not None:
            return [feed[name] for name in self.input_names], usual
        values = self._checked(feed)
        shapes = tuple(value.shape if isinstance(value, np.ndarray) else () for value in values)
        if all(type(value) is np.ndarray and value.dtype.isnative for value in values):
            dtypes = [value.dtype for value in values]
            self._latest = (tuple(zip(self.input_names, shapes, dtypes, strict=True)), shapes)
        return values, shapes

    def usual_shapes(self, feed: Mapping[str, Any]) -> InputShapes | None:
        """Return the shapes of a feed of native arrays as the one before was, as most are; None of others."""
        usual, shapes = self._latest
        if not usual or type(feed) is not dict or len(feed) != len(usual):
            return None
        for name, shape, dtype in usual:
            value = feed.get(name)
            if type(value) is not np.ndarray or value.shape != shape or value.dtype is not dtype:
                return None
        return shapes

    def _checked(self, feed: Mapping[str, Any]) -> list[Any]:
        if not isinstance(feed, Mapping):
            raise ShapeError(
                f"inputs are a {type(feed).__name__}, expected a mapping of names to arrays; "
                f"the model takes {', '.join(str(argument) for argument in self.inputs)}"
            )
        names = [argument.name for argument in self.inputs]
        required = [argument.name for argument in self.inputs if not argument.type.startswith("optional(")]
        missing = [name for name in required if name not in feed]
        unknown = [name for name in feed if name not in names]
        if missing or unknown:
            raise ShapeError(
                f"inputs do not match the model: missing {missing or 'none'}, unknown {unknown or 'none'}; "
                f"the model takes {', '.join(str(argument) for argument in self.inputs)}"
            )
        symbols = self._symbols()
        return [_checked(argument, feed.get(argument.name), symbols) for argument in self.inputs]

    def check_shapes(self, shapes: Mapping[str, Sequence[int]]) -> InputShapes:
        """Return input shapes in graph order, checked like arrays; raises like :meth:`check`."""
        names = [argument.name for argument in self.inputs if argument.is_tensor]
        if set(shapes) != set(names):
            raise ShapeError(f"expected a shape for each of the inputs {names}, got {sorted(shapes)}")
        symbols = self._symbols()
        for argument in self.inputs:
            if argument.is_tensor:
                _check_extents(argument, tuple(shapes[argument.name]), symbols)
        return tuple(tuple(shapes.get(argument.name, ())) for argument in self.inputs)

    def resolve_shapes(self, shapes: Mapping[str, Sequence[int]] | InputShapes | None) -> InputShapes:
        """Return input shapes in graph order: those given, which are checked if they are by name, else the default.

        Raises:
            ShapeError: If they do not fit, or there are none and no default.
        """
        if isinstance(shapes, Mapping):
            return self.check_shapes(shapes)
        if (found := shapes or self.default_shapes()) is None:
            described = ", ".join(str(argument) for argument in self.inputs)
            raise ShapeError(f"the plan depends on the input's shape: pass input_shapes or call run first; {described}")
        return found

    def named(self, shapes: InputShapes) -> dict[str, tuple[int, ...]]:
        """Return shapes in graph order by name of the input."""
        pairs = zip(self.inputs, shapes, strict=True)
        return {argument.name: shape for argument, shape in pairs if argument.is_tensor}

    def _symbols(self) -> dict[str, tuple[int, str] | None]:
        """Return the names of dimensions that bind sizes: those that are words, and used once in every input.

        Exporters write ``?``, ``None`` or any other word for every open dimension, and mean different sizes by it;
        ONNX Runtime takes them so.
        """
        if not self._binds_names:
            return {}
        used = [[item for item in argument.shape if isinstance(item, str)] for argument in self.inputs]
        return {
            name: None
            for name in {name for names in used for name in names}
            if name.isidentifier() and not keyword.iskeyword(name) and all(names.count(name) <= 1 for names in used)
        }

    @property
    def has_open_shapes(self) -> bool:
        """Whether any dimension of an input is symbolic, or its rank not known."""
        return not all(
            argument.has_rank and all(isinstance(item, int) for item in argument.shape)
            for argument in self.inputs
            if argument.is_tensor
        )

    def default_shapes(self) -> InputShapes | None:
        """Return the shapes at batch 1, to plan for before any run; None if another dimension is open."""
        shapes = []
        for argument in self.inputs:
            is_known = argument.has_rank or not argument.is_tensor
            if not is_known or not all(isinstance(item, int) for item in argument.shape[1:]):
                return None
            shapes.append(tuple(item if isinstance(item, int) else 1 for item in argument.shape))
        return tuple(shapes)

    def guessed_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return shapes that most models accept: batch 1, 224 for every other open dimension."""
        return {
            argument.name: tuple(
                item if isinstance(item, int) else (1 if axis == 0 else _GUESSED_EXTENT)
                for axis, item in enumerate(argument.shape)
            )
            for argument in self.inputs
            if argument.is_tensor and argument.has_rank
        }

    def output_indices(self, names: Sequence[str] | None) -> list[int]:
        """Return which outputs ``names`` asks for, in that order; None or nothing means all.

        Raises:
            ShapeError: If the model has no output of a name.
        """
        if not names:
            return list(range(len(self.outputs)))
        known = [argument.name for argument in self.outputs]
        if isinstance(names, str):
            raise ShapeError(f"output_names is the text '{names}'; expected a list of some of {known}, or None for all")
        unknown = [name for name in names if name not in known]
        if unknown:
            raise ShapeError(f"the model has no output {unknown}; its outputs are {known}")
        return [known.index(name) for name in names]


def _dimension(item: Any) -> Dimension:
    if isinstance(item, int):
        return item if item >= 0 else None
    value = getattr(item, "value", None)
    return str(value) if value else None


def _checked(argument: NodeArg, value: Any, symbols: dict[str, tuple[int, str] | None]) -> Any:
    if not argument.is_tensor:
        return value  # checked by what runs it
    expected = dtype_of(argument.type)
    value = as_array(value, expected, argument.name)
    if expected is not None and value.dtype.newbyteorder("=") != expected and not _are_texts(value, expected):
        raise ShapeError(
            f"input '{argument.name}': expected dtype {expected}, got {value.dtype}; "
            f"convert with .astype(np.{expected.name})"
        )
    _check_extents(argument, value.shape, symbols)
    return _texts(value, argument.name) if value.dtype.kind in "US" else value


def _texts(value: np.ndarray[Any, Any], name: str) -> np.ndarray[Any, Any]:
    """Return texts as objects, which is what outputs are and what every runtime takes; bytes as the UTF-8 they are."""
    try:
        return (np.char.decode(value, "utf-8") if value.dtype.kind == "S" else value).astype(np.object_)
    except UnicodeDecodeError as error:
        raise ShapeError(f"input '{name}': expected texts, got bytes that are not UTF-8: {error}") from error


def _are_texts(value: np.ndarray[Any, Any], expected: np.dtype[Any]) -> bool:
    return expected.kind == "O" and value.dtype.kind in "OUS"


def _check_extents(argument: NodeArg, shape: tuple[int, ...], symbols: dict[str, tuple[int, str] | None]) -> None:
    if not argument.has_rank:
        return
    where = f"input '{argument.name}': expected shape {argument.shape}, got {list(shape)}"
    if len(shape) != len(argument.shape):
        raise ShapeError(f"{where}: {len(argument.shape)} dimensions are needed, not {len(shape)}")
    for axis, (expected, got) in enumerate(zip(argument.shape, shape, strict=True)):
        if got < 0:
            raise ShapeError(f"{where}: dimension {axis} is negative")
        if isinstance(expected, int) and expected != got:
            raise ShapeError(f"{where}: dimension {axis} must be {expected}")
        if isinstance(expected, str) and expected in symbols:
            bound = symbols[expected]
            if bound is None:
                symbols[expected] = (got, argument.name)
            elif bound[0] != got:
                raise ShapeError(f"{where}: '{expected}' is already {bound[0]} in input '{bound[1]}'")
