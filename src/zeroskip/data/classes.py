"""Which class index a folder's name stands for: by a list of class names, by its number, or by its place."""

from __future__ import annotations

import ast
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..files import read_text
from .class_names import printable

_MAX_BYTES = 1 << 26
_NAMES_SHOWN = 5


@dataclass(frozen=True)
class ClassNames:
    """Names of a model's classes.

    Args:
        index_of: Name to class index; a class may have several names, a name of two classes is left out.
        origin: Where they come from, in words.
    """

    index_of: Mapping[str, int]
    origin: str

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> ClassNames:
        """Read class names from a file.

        Args:
            path: Text with a name per line, in the order of the indices; or JSON: a list of names, names by index
                (``{"0": "cat"}``, also ``{"0": ["n02123045", "tabby"]}``), or indices by name (``{"cat": 0}``).

        Raises:
            DataError: If it cannot be read or is empty.
        """
        what = f"'{printable(os.fspath(path))}'"
        try:
            text = read_text(path, _MAX_BYTES)
            values = json.loads(text) if text.lstrip().startswith(("{", "[")) else text.rstrip().splitlines()
        except (OSError, ValueError, RecursionError) as error:
            raise DataError(f"cannot read class names from {what}: {error}") from error
        return cls._of(values, what)

    @classmethod
    def from_metadata(cls, text: str) -> ClassNames:
        """Read class names as exporters write them into a model, ``"{0: 'cat', 1: 'dog'}"`` or JSON.

        Args:
            text: The value of the key ``names``.

        Raises:
            DataError: If it is neither.
        """
        try:
            values = ast.literal_eval(text) if len(text) <= _MAX_BYTES else None
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            values = None
        return cls._of(values, "the model's metadata 'names'")

    @classmethod
    def _of(cls, values: Any, origin: str) -> ClassNames:
        index_of: dict[str, int] = {}
        ambiguous = set()
        for index, names in _pairs(values, origin):
            for name in names:
                if index_of.setdefault(name, index) != index:  # ImageNet has two cranes
                    ambiguous.add(name)
        if not index_of:
            raise DataError(f"{origin} holds no class names")
        return cls({name: index for name, index in index_of.items() if name not in ambiguous}, origin)


@dataclass(frozen=True)
class ClassFolders:
    """Which class each folder is.

    Args:
        index_of: Folder's name to class index.
        rule: How it was decided, in words.
        is_stated: Whether somebody said so, rather than the folders' order.
    """

    index_of: Mapping[str, int]
    rule: str
    is_stated: bool = True

    @classmethod
    def by_name(cls, folders: list[str]) -> ClassFolders:
        """Take the folders' names as class indices if all are numbers, else their places in sorted order.

        Args:
            folders: Names, sorted.

        Raises:
            DataError: If two names are the same number.
        """
        if not all(re.fullmatch(r"[0-9]{1,9}", folder) for folder in folders):
            places = {folder: index for index, folder in enumerate(folders)}
            return cls(places, "the sorted order of the folders", is_stated=False)
        numbers = {folder: int(folder) for folder in folders}
        if len(set(numbers.values())) < len(numbers):
            raise DataError(f"two of the class folders {folders[:_NAMES_SHOWN]} ... are the same number")
        return cls(numbers, "the folders' names, which are numbers")

    @classmethod
    def by_names_of(cls, names: ClassNames, folders: list[str]) -> ClassFolders:
        """Take the class indices from names.

        Raises:
            DataError: If a folder is none of them.
        """
        if unknown := [printable(folder) for folder in folders if folder not in names.index_of]:
            raise DataError(
                f"{len(unknown)} of {len(folders)} class folders are not in {names.origin}, or are the name of two "
                f"classes there: {unknown[:_NAMES_SHOWN]}"
            )
        return cls({folder: names.index_of[folder] for folder in folders}, f"the class names in {names.origin}")

    @property
    def words(self) -> str:
        """The mapping in one line: number of folders, first and last, and the rule."""
        ordered = sorted(self.index_of.items(), key=lambda pair: pair[1])
        first, last = ordered[0], ordered[-1]
        ends = f"'{printable(first[0])}' is class {first[1]}, '{printable(last[0])}' is class {last[1]}"
        return f"{len(self.index_of)} class folders, {ends}; by {self.rule}"

    def readings(self, labels: NDArray[np.int64]) -> Iterator[tuple[str, NDArray[np.int64]]]:
        """Yield what the labels would be by other orders of the folders, with words for each.

        Args:
            labels: int64 ``[N]``, made by this mapping.
        """
        for words, order in (
            ("by the sorted order of their names as text", sorted(self.index_of)),
            ("by the order of the numbers in their names", sorted(self.index_of, key=_natural)),
        ):
            index_of = {folder: place for place, folder in enumerate(order)}
            if index_of != dict(self.index_of):
                table = {index: index_of[folder] for folder, index in self.index_of.items()}
                yield f"the class folders look ordered otherwise: {words}", np.array([table[int(i)] for i in labels])

    def to_dict(self) -> dict[str, Any]:
        """Return rule and mapping as plain values."""
        return {"rule": self.rule, "index_of": {printable(name): index for name, index in self.index_of.items()}}


def _natural(name: str) -> list[tuple[int, str]]:
    return [(int(part[:9]), "") if part.isdigit() else (-1, part) for part in re.split(r"([0-9]+)", name)]


def _pairs(values: Any, origin: str) -> Iterator[tuple[int, list[str]]]:
    if isinstance(values, list):
        values = dict(enumerate(values))
    if not isinstance(values, dict):
        raise DataError(f"{origin} holds no list of class names and no names by index")
    for key, value in values.items():
        if isinstance(value, int) and isinstance(key, str):  # indices by name
            yield value, [key]
        elif str(key).isdecimal() and isinstance(value, str | list) and all(isinstance(name, str) for name in value):
            yield int(key), [value.strip()] if isinstance(value, str) else value
        else:
            raise DataError(f"{origin} holds {str(key)[:40]!r}: {str(value)[:40]!r}, expected an index and a name")
