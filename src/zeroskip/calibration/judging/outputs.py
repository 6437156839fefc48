"""Outputs: what a model said of N inputs, by the name of each output."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin
from numpy.typing import NDArray

from ...errors import CalibrationError

Column = NDArray[Any] | list[NDArray[Any]]
"""An array ``[N, ...]``, or N arrays where their shapes differ."""


_MOST_COPIED = 1 << 28


class Outputs(dict[str, Any], NDArrayOperatorsMixin):
    """A dictionary of outputs, each an array ``[N, ...]``, or a list of N arrays where these differ in shape.

    Where the model has one output, the dictionary can be used in place of that array as well:
    ``outputs.argmax(axis=1)`` is ``outputs["logits"].argmax(axis=1)``.

    Args:
        columns: By name, in the order of the model.
        hidden: Names that are no outputs of the model, but values inside it that losses are measured on.
    """

    __array_priority__ = 1.0

    def __init__(self, columns: Mapping[str, Column], hidden: Iterable[str] = ()) -> None:
        super().__init__(columns)
        self.hidden = frozenset(hidden)

    @classmethod
    def of(cls, outputs: Any) -> Outputs:
        """Return outputs; an array is the only one of its model."""
        return outputs if isinstance(outputs, cls) else cls({"": np.asarray(outputs)})

    @property
    def samples(self) -> int:
        """Number of inputs."""
        return len(next(iter(self.values())))

    @property
    def shown(self) -> Outputs:
        """The outputs of the model alone."""
        return Outputs({name: column for name, column in self.items() if name not in self.hidden})

    @property
    def lent(self) -> Outputs:
        """The same for code that may work in place: copies, of large ones views that cannot be written to."""
        is_large = sum(row.nbytes for column in self.values() for row in map(np.asarray, column)) > _MOST_COPIED
        return Outputs({name: _lent(column, is_large) for name, column in self.items()}, self.hidden)

    @property
    def only(self) -> NDArray[Any]:
        """The array of the only output.

        Raises:
            CalibrationError: If there are several, or it is no array.
        """
        shown = self.shown
        if len(shown) != 1:
            raise CalibrationError(f"the model has the outputs {list(shown)}: name the one that is meant")
        (column,) = shown.values()
        if not isinstance(column, np.ndarray):
            raise CalibrationError("the outputs of single inputs differ in shape and are no array")
        return column

    def take(self, places: Any) -> Outputs:
        """Return the outputs for some inputs, in the order of ``places``."""
        return Outputs(
            {
                name: column[places] if isinstance(column, np.ndarray) else [column[int(place)] for place in places]
                for name, column in self.items()
            },
            self.hidden,
        )

    @classmethod
    def joined(cls, parts: Sequence[Outputs]) -> Outputs:
        """Return the outputs of several batches as one."""
        columns = {name: joined([part[name] for part in parts]) for name in parts[0]}
        return cls(columns, parts[0].hidden)

    def __getitem__(self, key: Any) -> Any:
        return super().__getitem__(key) if isinstance(key, str) else self.only[key]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return getattr(self.only, name)
        except CalibrationError as error:
            raise AttributeError(f"outputs are a dictionary, without '{name}': {error}") from error

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self.only, dtype=dtype) if copy else np.asarray(self.only, dtype=dtype)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        return getattr(ufunc, method)(*(item.only if isinstance(item, Outputs) else item for item in inputs), **options)

    def __reduce__(self) -> Any:
        return Outputs, (dict(self), self.hidden)

    __hash__ = None  # type: ignore[assignment]


def _lent(column: Column, is_large: bool) -> Column:
    if isinstance(column, list):
        return [_lent_array(np.asarray(row), is_large) for row in column]
    return _lent_array(column, is_large)


def _lent_array(array: NDArray[Any], is_large: bool) -> NDArray[Any]:
    lent: NDArray[Any] = array.view() if is_large else array.copy()
    lent.flags.writeable = not is_large
    return lent


def joined(parts: Sequence[Column]) -> Column:
    """Return the columns of several batches as one."""
    if all(isinstance(part, np.ndarray) for part in parts) and len({part.shape[1:] for part in parts}) == 1:  # type: ignore[union-attr]
        return np.concatenate(parts)
    return collected([row for part in parts for row in part])


def collected(rows: Sequence[NDArray[Any]]) -> Column:
    """Return one array of rows that are alike, else the list."""
    alike = len({(np.shape(row), getattr(row, "dtype", None)) for row in rows}) == 1
    return np.stack(rows) if alike else list(rows)
