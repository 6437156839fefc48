"""Binding a data set to a model: which column feeds which input, and as which type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data import Dataset
from ..data.columns import ONLY, Column, ColumnSource
from ..data.items import Layout
from ..data.iterables import read_iterable
from ..engine.onnx_types import dtype_of
from ..engine.signature import NodeArg
from ..errors import DataError

_TEXT = np.dtype(object)


def as_dataset(data: Any, arguments: Sequence[NodeArg]) -> Dataset:
    """Return a data set of whatever yields inputs; of a data set itself.

    Args:
        data: A data set, a DataLoader, a generator, a list, ...
        arguments: Inputs of the model; how many there are and how many axes each has tells inputs from targets and
            batches from single inputs.

    Raises:
        DataError: See :func:`zeroskip.data.from_iterable`.
    """
    if isinstance(data, Dataset):
        return data
    ranks = tuple(len(item.shape) if item.has_rank else None for item in arguments)
    return read_iterable(data, Layout([item.name for item in arguments], None, ranks))


def bound(data: Dataset, arguments: Sequence[NodeArg]) -> Dataset:
    """Return a data set whose inputs are called as the model calls them, and of its types.

    Args:
        data: The data set.
        arguments: Inputs of the model.

    Raises:
        DataError: If an input is missing, or values cannot be of its type.
    """
    source = data.source
    if not isinstance(source, ColumnSource):
        if len(arguments) != 1:
            names = [item.name for item in arguments]
            raise DataError(
                f"the model has {len(arguments)} inputs {names}, the data feed one: give them by name, for example "
                "zeroskip.data.from_iterable of dictionaries, or an .npz with an array for each"
            )
        return data
    if source.is_bound_to(arguments):
        return data
    pairs = _matched(source, arguments)
    columns = {item.name: _cast_column(source.column(name), item) for name, item in pairs}
    has_batch_axis = not source.is_whole and _brings_batch_axis(source, pairs)
    if has_batch_axis and (sizes := _batch_sizes(columns)) is not None:
        return _unrolled(data, columns, sizes, arguments)
    is_whole = source.is_whole or has_batch_axis
    return replace(data, source=ColumnSource(columns, is_whole=is_whole, bound_to=tuple(arguments)))


def _batch_sizes(columns: Mapping[str, Column]) -> list[int] | None:
    """Return how many inputs each item has; None where its arrays have no batch axis in common."""
    found = []
    for arrays in zip(*columns.values(), strict=True):
        sizes = {np.shape(array)[:1] for array in arrays}
        if len(sizes) != 1 or () in sizes:
            return None
        found.append(int(next(iter(sizes))[0]))
    return found


def _unrolled(
    data: Dataset, columns: Mapping[str, Column], sizes: Sequence[int], arguments: Sequence[NodeArg]
) -> Dataset:
    """Return a data set of single inputs of one of batches, whose targets must be those of single inputs already."""
    is_single = all(size == 1 for size in sizes)
    if data.targets is not None and not is_single:
        raise DataError("the items are batches: say batched=True, so that their targets are told apart as well")
    if len(data) != len(sizes) and not is_single:
        raise DataError("a part of a data set whose items are batches: say batched=True where it is made")
    rows = {name: [row for array in column for row in array] for name, column in columns.items()}
    alike = {name: len({row.shape for row in arrays}) == 1 for name, arrays in rows.items()}
    stacked = {name: np.stack(arrays) if alike[name] else arrays for name, arrays in rows.items()}
    source = ColumnSource(stacked, bound_to=tuple(arguments))
    if is_single:
        return replace(data, source=source)
    places = np.arange(len(source))
    names = tuple(str(place) for place in places)
    return replace(data, source=source, indices=places, all_names=names, all_groups=places)


def _matched(source: ColumnSource, arguments: Sequence[NodeArg]) -> list[tuple[str, NodeArg]]:
    """Return for each input of the model the column that feeds it."""
    names = [item.name for item in arguments]
    if set(names) <= set(source.names):
        return [(item.name, item) for item in arguments]
    if len(arguments) == 1 and len(source.names) == 1:
        return [(source.names[0], arguments[0])]
    if len(arguments) == 1 and "x" in source.names:
        return [("x", arguments[0])]
    if source.names == tuple(str(place) for place in range(len(arguments))):
        return list(zip(source.names, arguments, strict=True))
    given = "one input" if source.names == (ONLY,) else f"{list(source.names)}"
    raise DataError(
        f"the model has {len(names)} inputs {names}, the data feed {given}: give each input by its name, as "
        "dictionaries or as arrays of an .npz; of tuples inputs=N says how many parts are inputs"
    )


def _brings_batch_axis(source: ColumnSource, pairs: Sequence[tuple[str, NodeArg]]) -> bool:
    """Whether every item has as many axes as the model takes, and so is a run of its own."""
    known = [(source.column(name)[0], item) for name, item in pairs if item.has_rank]
    return bool(known) and all(np.ndim(array) == len(item.shape) for array, item in known)


def _cast_column(column: Column, argument: NodeArg) -> Column:
    if isinstance(column, np.ndarray):
        return cast(column, argument)
    return [cast(np.asarray(array), argument) for array in column]


def cast(array: NDArray[Any], argument: NodeArg) -> NDArray[Any]:
    """Return an array in the type that an input takes.

    Args:
        array: Of any type.
        argument: The input.

    Raises:
        DataError: If values would change: pixels for an input of floating point, fractions for one of integers, what
            is too large for either.
    """
    wanted = dtype_of(argument.type)
    if wanted is None or wanted == _TEXT or array.dtype == wanted:
        return np.ascontiguousarray(array)
    what = f"the model's input '{argument.name}' takes {wanted}, the data are {array.dtype}"
    if wanted.kind == "f" and array.dtype == np.uint8:
        raise DataError(f"{what}: say how pixels become numbers, by a preprocessing or a transform")
    with np.errstate(over="ignore", invalid="ignore"):
        values = array.astype(wanted)
    if array.size and not _is_same(array, values):
        raise DataError(f"{what}, and hold values that it cannot hold ({array.min()} .. {array.max()})")
    return np.ascontiguousarray(values)


def _is_same(before: NDArray[Any], after: NDArray[Any]) -> bool:
    if after.dtype.kind == "f":
        return bool(np.isfinite(after).all())
    return bool((after == before).all())
