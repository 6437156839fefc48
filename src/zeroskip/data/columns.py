"""Columns: inputs in memory that feed one or several inputs of a model, of any type, of one size or of many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from .dataset import Indices

Column = NDArray[Any] | Sequence[NDArray[Any]]
"""An array ``[N, ...]``, or N arrays, perhaps of different sizes."""

ONLY = ""
"""Name of the column of data that feed one input, whatever that is called."""


class ColumnSource:
    """Inputs in memory, by the name of the model's input or by place.

    Args:
        columns: By name; ``""`` alone for data that feed the only input of a model, ``"0"``, ``"1"``, ... for inputs in
            the order of the model.
        is_whole: Whether each item is all that a run takes, batch axis and all, and so cannot be put into a batch.
        bound_to: What the columns were named and cast for; nothing in particular by default.

    Raises:
        DataError: If columns differ in length, or a value is not finite.
    """

    def __init__(
        self, columns: Mapping[str, Column], *, is_whole: bool = False, bound_to: tuple[Any, ...] = ()
    ) -> None:
        counts = {name: len(column) for name, column in columns.items()}
        if len(set(counts.values())) != 1:
            raise DataError(f"the inputs differ in number: {counts}; expected as many of each")
        for name, column in columns.items():
            _check_finite(name, column)
        self._columns = dict(columns)
        self._bound_to = bound_to
        self.is_whole = is_whole
        self.is_uniform = not is_whole and all(_is_uniform(column) for column in columns.values())

    def __len__(self) -> int:
        return len(next(iter(self._columns.values())))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns; see the class."""
        return tuple(self._columns)

    def column(self, name: str) -> Column:
        """Return a column as it is kept."""
        return self._columns[name]

    def is_bound_to(self, what: Sequence[Any]) -> bool:
        """Whether the columns were named and cast for this."""
        return bool(what) and self._bound_to == tuple(what)

    def load(self, indices: Indices) -> Any:
        """Return the inputs at these places.

        Returns:
            A new array ``[len(indices), ...]`` of the column's type, or a dictionary of such by name; of whole items
            the arrays of one.

        Raises:
            DataError: If their shapes differ.
        """
        if self.is_whole:
            if len(indices) != 1:
                raise DataError("these inputs bring their own batch axis and cannot be put together: use batch_size 1")
            found = {name: np.array(column[int(indices[0])]) for name, column in self._columns.items()}
        else:
            found = {name: _stacked(name, column, indices) for name, column in self._columns.items()}
        return found[ONLY] if self.names == (ONLY,) else found


def _stacked(name: str, column: Column, indices: Indices) -> NDArray[Any]:
    if isinstance(column, np.ndarray):
        return np.ascontiguousarray(column[indices])
    arrays = [np.asarray(column[int(index)]) for index in indices]
    shapes = [array.shape for array in arrays]
    different = next((place for place, shape in enumerate(shapes) if shape != shapes[0]), None)
    if different is not None:
        what = f" of '{name}'" if name else ""
        raise DataError(
            f"inputs{what} differ in shape: {list(shapes[0])} at {indices[0]} and {list(shapes[different])} at "
            f"{indices[different]}; use batch_size 1, or bring them to one size"
        )
    return np.stack(arrays)


def _is_uniform(column: Column) -> bool:
    return isinstance(column, np.ndarray) or len({np.shape(array) for array in column}) == 1


def _check_finite(name: str, column: Column) -> None:
    for index, sample in enumerate(column):
        values = np.asarray(sample)
        if values.dtype.kind == "O":
            raise DataError(f"{_called(name, index)} holds Python objects, expected numbers")
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise DataError(f"{_called(name, index)} holds NaN or infinities")


def _called(name: str, index: int) -> str:
    return f"x[{index}]" if name == ONLY else f"input '{name}' [{index}]"
