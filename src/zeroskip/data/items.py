"""Items of an iterable: what is input and what is target in a tuple, a dictionary, a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from .columns import ONLY
from .targets import Targets, collect

TARGET_NAMES = ("target", "targets", "label", "labels", "y")
"""Keys of a dictionary, or arrays of an archive, that are no inputs."""


@dataclass(frozen=True)
class Layout:
    """How items of an iterable are to be read; None leaves it to them.

    Args:
        inputs: Names of the inputs, or how many come first in a tuple; for dictionaries the keys that are inputs.
        batched: Whether items have a batch axis.
        ranks: Axes of each input as the model takes it, batch axis included, in order; None for unknown ones.
    """

    inputs: Sequence[str] | int | None = None
    batched: bool | None = None
    ranks: tuple[int | None, ...] = ()

    def check(self) -> None:
        """Refuse what says nothing; raises DataError."""
        is_names = isinstance(self.inputs, Sequence) and not isinstance(self.inputs, str | bytes)
        is_count = isinstance(self.inputs, int) and not isinstance(self.inputs, bool) and self.inputs > 0
        if self.inputs is not None and not is_count and not (is_names and self.inputs):
            raise DataError(f"inputs is {self.inputs!r}, expected a list of names or how many parts come first")
        if self.batched not in (None, True, False):
            raise DataError(f"batched is {self.batched!r}, expected True, False or None")

    @property
    def count(self) -> int | None:
        """How many inputs there are, if that is known."""
        return self.inputs if isinstance(self.inputs, int) else None if self.inputs is None else len(self.inputs)


@dataclass
class Item:
    """One item, taken apart.

    Args:
        inputs: Arrays by name.
        target: What the model ought to say, where ``has_target``.
        has_target: Whether there is one.
    """

    inputs: dict[str, NDArray[Any]]
    target: Any = None
    has_target: bool = False


def take_apart(raw: Any, layout: Layout, number: int) -> Item:
    """Return what an item is made of.

    Args:
        raw: An array, a tuple of parts, or a dictionary.
        layout: How to read it.
        number: Its place, for messages.

    Raises:
        DataError: If parts are missing, or are no numbers.
    """
    if isinstance(raw, Mapping):
        return _of_mapping(raw, layout, number)
    if isinstance(raw, tuple | list) and raw and not all(isinstance(part, int | float | bool) for part in raw):
        return _of_tuple(raw, layout, number)
    return Item({ONLY: as_array(raw, f"item {number}")})


def _of_mapping(raw: Mapping[Any, Any], layout: Layout, number: int) -> Item:
    parts = {str(name): part for name, part in raw.items()}
    names = list(layout.inputs) if layout.inputs is not None and not isinstance(layout.inputs, int) else None
    targets = [name for name in TARGET_NAMES if name in parts and name not in (names or ())]
    if names is None:
        names = [name for name in parts if name not in targets]
    if missing := [name for name in names if name not in parts]:
        if len(names) == 1 and len(others := [name for name in parts if name not in targets]) == 1:
            names = others  # one input, whatever it is called
        else:
            raise DataError(f"item {number} lacks the inputs {missing}; it holds {list(parts)}")
    if not names:
        raise DataError(f"item {number} holds no inputs, only {list(parts)}")
    inputs = {name: as_array(parts[name], f"item {number}, '{name}'") for name in names}
    if not targets:
        return Item(inputs)
    return Item(inputs, as_value(parts[targets[0]]), has_target=True)


def _of_tuple(raw: Sequence[Any], layout: Layout, number: int) -> Item:
    if isinstance(raw[0], Mapping | tuple | list) and len(raw) <= 2:  # ({...}, target), ((a, b), target)
        first = take_apart(raw[0], Layout(layout.inputs or len(raw[0]), layout.batched, layout.ranks), number)
        return first if len(raw) == 1 else Item(first.inputs, as_value(raw[1]), has_target=True)
    count = layout.count if layout.count is not None else max(1, len(raw) - 1)
    if len(raw) not in (count, count + 1):
        raise DataError(
            f"item {number} has {len(raw)} parts, expected {count} inputs and perhaps a target: say which parts are "
            "inputs by inputs="
        )
    named = layout.inputs if layout.inputs is not None and not isinstance(layout.inputs, int) else None
    names = [ONLY] if count == 1 else list(named or map(str, range(count)))
    inputs = {name: as_array(part, f"item {number}") for name, part in zip(names, raw, strict=False)}
    if len(raw) == count:
        return Item(inputs)
    return Item(inputs, as_value(raw[count]), has_target=True)


def as_array(value: Any, what: str) -> NDArray[Any]:
    """Return an array of whatever offers one: NumPy's, tensors of torch and others, pictures of Pillow, numbers.

    Args:
        value: The value.
        what: What it is, for the message.

    Raises:
        DataError: If it is no array of numbers.
    """
    try:
        if hasattr(value, "detach") and hasattr(value, "cpu"):
            value = value.detach().cpu()
            if str(value.dtype) == "torch.bfloat16":
                value = value.float()
        array = np.asarray(value)
    except Exception as error:  # whatever a foreign object raises
        raise DataError(f"{what} cannot be made an array of: {error}") from error
    if array.dtype.kind not in "fiub":
        raise DataError(f"{what} is a {type(value).__name__} of {array.dtype}, expected numbers: give a transform")
    return array


def with_ranks(item: Item, layout: Layout) -> list[tuple[NDArray[Any], int | None]]:
    """Return each array with the number of axes that the model takes."""
    if len(layout.ranks) != len(item.inputs):
        return []
    if not isinstance(layout.inputs, int) and layout.inputs is not None and set(layout.inputs) == set(item.inputs):
        return [(item.inputs[name], rank) for name, rank in zip(layout.inputs, layout.ranks, strict=True)]
    return list(zip(item.inputs.values(), layout.ranks, strict=True))


def is_whole_item(item: Item, layout: Layout) -> bool:
    """Whether an item is all that a run takes: of the model's axes, which do not all begin with one batch axis."""
    ranks = with_ranks(item, layout)
    if not ranks or not all(rank in (None, array.ndim) for array, rank in ranks):
        return False
    return len({array.shape[:1] for array, _ in ranks}) > 1 or any(array.ndim == 0 for array, _ in ranks)


def as_targets(target: Any) -> Targets:
    """Return the targets of a batch: arrays, lists and dictionaries of these; raises DataError for what is none."""
    if isinstance(target, Mapping):
        return {str(name): as_targets(part) for name, part in target.items()}
    if isinstance(target, list | tuple):
        return collect([as_value(part) for part in target])
    return as_array(target, "the target")


def as_value(value: Any) -> Any:
    """Return a target of one input, its arrays as NumPy's."""
    if isinstance(value, Mapping):
        return {str(name): as_value(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(as_value, value)) if type(value) in (list, tuple) else list(map(as_value, value))
    if isinstance(value, str | bytes | int | float | bool) or value is None:
        return value
    return as_array(value, "a target")
