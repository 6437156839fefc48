"""Reading a table of files and class indices (labels.csv)."""

from __future__ import annotations

import csv
import io
import re
import stat
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..files import read_text
from .class_names import printable

MAX_CLASS = (1 << 31) - 1
_FILE, _CLASS = "file", "class_index"
_MAX_BYTES = 1 << 28
_NAMES_SHOWN = 5


def read_label_table(path: Path) -> tuple[list[Path], NDArray[np.int64]]:
    """Return the files that a table lists, sorted, and their class indices.

    Args:
        path: CSV in UTF-8 with the columns ``file``, relative to the table, and ``class_index``, >= 0; comma, semicolon
            or tab between them.

    Raises:
        DataError: If it cannot be read, lacks a column, lists nothing, the same file twice or one that does not exist,
            or an index is no such integer; the message says in which line.
    """
    what = f"'{printable(path)}'"
    try:
        text = read_text(path, _MAX_BYTES)
        rows = list(_rows(text, what))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        hint = " (save it as UTF-8)" if isinstance(error, UnicodeDecodeError) else ""
        raise DataError(f"cannot read labels from {what}: {error}{hint}") from error
    if not rows:
        raise DataError(f"{what} lists no images")
    table: dict[Path, int] = {}
    for line, name, index in rows:
        file = path.parent / name
        if file in table:
            raise DataError(f"{what} line {line}: '{printable(name)}' is listed a second time")
        table[file] = _class_index(index, f"{what} line {line}")
    if absent := [file for file in table if not _is_ordinary(file)]:
        names = ", ".join(f"'{printable(file.name)}'" for file in absent[:_NAMES_SHOWN])
        raise DataError(f"{what}: {len(absent)} of {len(table)} files do not exist or are no files, first {names}")
    files = sorted(table)
    return files, np.array([table[file] for file in files], np.int64)


def _rows(text: str, what: str) -> list[tuple[int, str, str]]:
    header = text.split("\n", 1)[0]
    delimiter = next((mark for mark in ",;\t" if mark in header), ",")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    columns = [name.strip().lower() for name in next(reader, [])]
    if missing := [name for name in (_FILE, _CLASS) if name not in columns]:
        raise DataError(f"{what} has no column {missing}, only {[printable(name) for name in columns]}")
    if twice := [name for name in (_FILE, _CLASS) if columns.count(name) > 1]:
        raise DataError(f"{what} has the column {twice} twice")
    file, index = columns.index(_FILE), columns.index(_CLASS)
    rows = []
    for row in reader:
        if not any(cell.strip() for cell in row):
            continue
        if len(row) > len(columns) and any(row[len(columns) :]):
            raise DataError(
                f"{what} line {reader.line_num} has {len(row)} fields and the header {len(columns)}: put names with "
                f"'{delimiter}' in quotes"
            )
        padded = [*row, *[""] * len(columns)]
        if not padded[file].strip():
            raise DataError(f"{what} line {reader.line_num} names no file")
        rows.append((reader.line_num, padded[file], padded[index]))
    return rows


def _class_index(text: str, where: str) -> int:
    if not re.fullmatch(r"\s*\+?[0-9]{1,10}\s*", text) or int(text) > MAX_CLASS:
        raise DataError(f"{where}: class_index is {text[:40]!r}, expected an integer >= 0")
    return int(text)


def _is_ordinary(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except (OSError, ValueError):  # also a name with a null
        return False
