"""Data sets of whatever yields inputs: DataLoaders, generators, lists of dictionaries, arrays.

Items are read once, at the start, and kept in memory: a search goes over the data many times, and a generator is used
up after one. An item is ``x``, ``(x, target)``, ``(x1, x2, ..., target)`` or a dictionary; with a batch axis where the
iterable yields batches. No framework is imported: tensors are taken by what they offer to NumPy.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, ZeroskipError
from ..system import available_memory_bytes
from .columns import ONLY, Column, ColumnSource
from .dataset import Dataset
from .items import Item, Layout, as_array, as_targets, is_whole_item, take_apart, with_ranks
from .label_table import MAX_CLASS
from .targets import Targets, collect, count_of, join, take

_MEMORY_SHARE = 0.4
_CHECKED_FROM_BYTES = 1 << 28
_MOST_UNCOUNTED = 20_000
"""Inputs that are taken from what does not say how many it has: more of them may never end."""

Transform = Callable[[Any], Any]


@dataclass
class _Gathered:
    """What was read so far."""

    columns: dict[str, list[NDArray[Any]]] = field(default_factory=dict)
    targets: list[Targets] = field(default_factory=list)
    count: int = 0
    bytes: int = 0
    is_whole: bool = False


def from_iterable(
    items: Any,
    *,
    transform: Transform | None = None,
    size: int | None = None,
    inputs: Sequence[str] | int | None = None,
    batched: bool | None = None,
    description: str | None = None,
) -> Dataset:
    """Make a data set of what an iterable yields; it is read once and kept in memory.

    Args:
        items: A torch ``DataLoader`` or ``Dataset``, a generator, a list of arrays, of dictionaries or of tuples, an
            array ``[N, ...]``, a dictionary of such arrays, or inputs and their targets, ``[N]`` or ``[N, C]``, as a
            tuple of two. Arrays may be of any library that NumPy understands.
        transform: Called with every item; returns what is taken in its place.
        size: Inputs to take, at most; None takes all.
        inputs: Which parts of an item are inputs: keys of a dictionary, or how many come first in a tuple. By default
            all keys but ``target``, ``label``, ``y`` and their plurals; and all of a tuple but the last.
        batched: Whether items have a batch axis; None: those of a DataLoader do, others do not.
        description: Where the data come from, in words.

    Returns:
        The data set. Values are taken as they stand, of whatever type; targets may have any shape.

    Raises:
        DataError: If there is nothing in it, items do not look alike, hold no numbers, or do not fit into memory.

    Example:
        >>> data = from_iterable([{"image": np.zeros((3, 8, 8)), "size": np.ones(2), "label": 1}] * 3)
        >>> len(data), [{name: x.shape for name, x in inputs.items()} for inputs, _ in data.batches(2)]
        (3, [{'image': (2, 3, 8, 8), 'size': (2, 2)}, {'image': (1, 3, 8, 8), 'size': (1, 2)}])
    """
    return read_iterable(items, Layout(inputs, batched), transform=transform, size=size, description=description)


def read_iterable(
    items: Any,
    layout: Layout,
    *,
    transform: Transform | None = None,
    size: int | None = None,
    description: str | None = None,
) -> Dataset:
    """Make a data set, as :func:`from_iterable`, of which more may be known.

    Args:
        items: As there.
        layout: How to read items.
        transform: As there.
        size: As there.
        description: As there.

    Raises:
        DataError: As there.
    """
    if size is not None and (not isinstance(size, int | np.integer) or isinstance(size, bool) or size < 1):
        raise DataError(f"size is {size!r}, expected an integer of at least 1")
    layout.check()
    if isinstance(items, Dataset):
        return items
    words = description or _described(items)
    gathered, has_end = _Gathered(), size is not None or _has_length(items)
    items = _with_labels(items)
    for number, item in enumerate(_items(items, layout, words)):
        _add(gathered, _transformed(item, transform, number), layout, number, _is_batched(items, layout))
        if size is not None and gathered.count >= size:
            break
        if not has_end and gathered.count > _MOST_UNCOUNTED:
            raise DataError(
                f"{words} yielded more than {_MOST_UNCOUNTED} inputs and does not say how many there are: give size=, "
                "a few hundred are enough"
            )
    if gathered.count == 0:
        raise DataError(f"{words} yielded nothing: was a generator or iterator used up before?")
    return _dataset(gathered, words, size)


def _has_length(items: Any) -> bool:
    try:
        return len(items) >= 0
    except TypeError:  # a generator, or a DataLoader over one
        return False


def _with_labels(items: Any) -> Any:
    """Return ``(inputs, labels)``, two arrays, as a table; a tuple of two inputs is left alone."""
    if not isinstance(items, tuple) or len(items) != 2:
        return items
    first, second = (getattr(part, "shape", None) for part in items)
    if first is None or second is None or len(second) not in (1, 2) or len(first) <= len(second):
        return items
    return {ONLY: items[0], "target": items[1]}


def _items(items: Any, layout: Layout, words: str) -> Iterator[Any]:
    if isinstance(items, str | bytes | os.PathLike):
        text = items[:60] if isinstance(items, str | bytes) else os.fspath(items)
        raise DataError(f"the data are the text {text!r}, expected a data set: see zeroskip.data.load for paths")
    if isinstance(items, Mapping):
        return _rows(items)
    if not isinstance(items, Iterable) and not (hasattr(items, "__getitem__") and hasattr(items, "__len__")):
        raise DataError(
            f"the data are a {type(items).__name__}, expected a data set of zeroskip.data, or what yields inputs: a "
            "DataLoader, a generator, a list of arrays or dictionaries"
        )
    if isinstance(items, np.ndarray) and items.ndim == 0:
        raise DataError("the data are one number, expected an array [N, ...]")
    if hasattr(items, "__getitem__") and hasattr(items, "__len__") and not hasattr(items, "__iter__"):
        return _guarded((items[place] for place in range(len(items))), words)
    return _guarded(iter(items), words)


def _guarded(items: Iterator[Any], words: str) -> Iterator[Any]:
    """Yield items; what goes wrong while the next one is made is told as an error of ours."""
    for number in range(1 << 62):
        try:
            item = next(items)
        except StopIteration:
            return
        except ZeroskipError:
            raise
        except Exception as error:
            raise DataError(f"{words} raised {type(error).__name__} at item {number}: {error}") from error
        yield item


def _rows(columns: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the rows of a table of columns."""
    if not columns:
        return
    arrays = {
        str(name): column if isinstance(column, list | tuple) else as_array(column, f"column '{name}'")
        for name, column in columns.items()
    }
    if single := [name for name, column in arrays.items() if isinstance(column, np.ndarray) and column.ndim == 0]:
        raise DataError(f"the columns {single} are single numbers, expected arrays [N, ...]")
    counts = {name: len(column) for name, column in arrays.items()}
    if len(set(counts.values())) != 1:
        raise DataError(f"the columns differ in length: {counts}; expected as many of each")
    for row in range(next(iter(counts.values()))):
        yield {name: column[row] for name, column in arrays.items()}


def _is_batched(items: Any, layout: Layout) -> bool | None:
    """Return whether items have a batch axis, None where they have to tell by themselves."""
    if layout.batched is not None:
        return layout.batched
    if isinstance(items, Mapping | np.ndarray):
        return False
    if hasattr(items, "batch_sampler"):  # a DataLoader; with batch_size=None it yields what the data set has
        return items.batch_size is not None or items.batch_sampler is not None
    return None


def _transformed(item: Any, transform: Transform | None, number: int) -> Any:
    if transform is None:
        return item
    try:
        return transform(item)
    except ZeroskipError:
        raise
    except Exception as error:
        name = getattr(transform, "__name__", "transform")
        raise DataError(f"'{name}' raised {type(error).__name__} on item {number}: {error}") from error


def _add(gathered: _Gathered, raw: Any, layout: Layout, number: int, batched: bool | None) -> None:
    item = take_apart(raw, layout, number)
    if gathered.columns and set(item.inputs) != set(gathered.columns):
        raise DataError(f"item {number} has the inputs {list(item.inputs)}, those before it {list(gathered.columns)}")
    if gathered.count and item.has_target != bool(gathered.targets):
        raise DataError(f"item {number} has {'a' if item.has_target else 'no'} target, unlike those before it")
    ranks = with_ranks(item, layout)
    looks_batched = bool(ranks) and all(rank in (None, array.ndim) for array, rank in ranks)
    is_batch = (looks_batched if batched is None else batched) and not is_whole_item(item, layout)
    if gathered.count and gathered.is_whole != is_whole_item(item, layout):
        raise DataError(f"item {number} has other axes than those before it")
    gathered.is_whole = is_whole_item(item, layout)
    rows = _batch_size(item, number) if is_batch else 1
    for name, array in item.inputs.items():
        column = gathered.columns.setdefault(name, [])
        column.extend(np.array(row) for row in array) if is_batch else column.append(np.array(array))
        gathered.bytes += array.nbytes
    if item.has_target:
        gathered.targets.append(_batch_targets(item.target, rows, number) if is_batch else collect([item.target]))
    gathered.count += rows
    _check_memory(gathered)


def _batch_size(item: Item, number: int) -> int:
    sizes = {name: array.shape[0] if array.ndim else None for name, array in item.inputs.items()}
    if len(set(sizes.values())) != 1 or None in sizes.values():
        raise DataError(f"the parts of batch {number} differ in size: {sizes}")
    return int(next(size for size in sizes.values() if size is not None))


def _batch_targets(target: Any, rows: int, number: int) -> Targets:
    targets = as_targets(target)
    found = count_of(targets)
    if found != rows:
        raise DataError(f"batch {number} has {rows} inputs and {found} targets, expected one for each")
    return targets


def _check_memory(gathered: _Gathered) -> None:
    if gathered.bytes < _CHECKED_FROM_BYTES:
        return
    available = available_memory_bytes()
    if available is not None and gathered.bytes > _MEMORY_SHARE * (available + gathered.bytes):
        raise DataError(
            f"{gathered.count} inputs take {gathered.bytes / 1e9:.1f} GB and there are more: give size=, a few hundred "
            "are enough"
        )


def _dataset(gathered: _Gathered, words: str, size: int | None) -> Dataset:
    count = gathered.count if size is None else min(size, gathered.count)
    columns = {name: _column(arrays, count) for name, arrays in gathered.columns.items()}
    targets = take(join(gathered.targets), np.arange(count)) if gathered.targets else None
    if isinstance(targets, list) and all(target is None for target in targets):
        targets = None
    return dataset_of(ColumnSource(columns, is_whole=gathered.is_whole), targets, words)


def _column(arrays: list[NDArray[Any]], count: int) -> Column:
    """Return the first arrays as one where they are alike; they are let go of one by one, so none is there twice."""
    del arrays[count:]
    if len({(array.shape, array.dtype) for array in arrays}) > 1:
        return arrays
    column = np.empty((count, *arrays[0].shape), arrays[0].dtype)
    while arrays:
        last = arrays.pop()
        column[len(arrays)] = last
    return column


def dataset_of(source: ColumnSource, targets: Targets, words: str) -> Dataset:
    """Return a data set of inputs in memory.

    Args:
        source: The inputs.
        targets: One for each, or None. Integers ``[N]`` that can be class indices are labels.
        words: Where they come from.

    Raises:
        DataError: If targets and inputs differ in number.
    """
    count = len(source)
    if targets is not None and count_of(targets) != count:
        raise DataError(f"there are {count} inputs and {count_of(targets)} targets, expected one for each")
    labels = class_indices(targets)
    labelled = "unlabelled" if targets is None else "labelled" if labels is not None else "with targets"
    places = np.arange(count)
    return Dataset(
        source,
        places,
        tuple(str(place) for place in places),
        labels,
        places,
        f"{count} inputs from {words} ({labelled}; as stored)",
        all_targets=None if labels is not None else targets,
    )


def class_indices(targets: Targets) -> NDArray[np.int64] | None:
    """Return targets as int64 ``[N]`` if they can be class indices, else None."""
    if not isinstance(targets, np.ndarray) or targets.dtype.kind not in "iu" or targets.size == 0:
        return None
    if targets.shape not in ((len(targets),), (len(targets), 1)):
        return None
    if int(targets.min()) < 0 or int(targets.max()) > MAX_CLASS:
        return None
    return targets.reshape(-1).astype(np.int64)


_WORDS = {"list": "a list", "tuple": "a tuple", "ndarray": "an array", "dict": "columns", "generator": "a generator"}


def _described(items: Any) -> str:
    return _WORDS.get(type(items).__name__, f"a {type(items).__name__}")
