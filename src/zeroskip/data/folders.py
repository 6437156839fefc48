"""Finding the pictures of a folder and their class indices: flat, one folder per class, or by a CSV file."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from .pictures import IMAGE_SUFFIXES

LABELS_FILE = "labels.csv"
Found = tuple[list[Path], "NDArray[np.int64] | None"]


def find_images(root: Path, labels: str | os.PathLike[str] | Mapping[str, int] | None) -> Found:
    """Return the picture files under ``root``, sorted, with their class indices or None.

    Args:
        root: The folder.
        labels: As for ``image_folder``.

    Raises:
        DataError: If the folder or a file is missing, there is no picture, or labels cannot be used.
    """
    if not root.is_dir():
        raise DataError(f"'{root}' is not a folder" if root.exists() else f"there is no folder '{root}'")
    if isinstance(labels, Mapping):
        return _by_folder(root, labels)
    if labels is None or labels == "none":
        return _all_images(root), None
    if labels == "folders":
        return _by_folder(root, None)
    if labels != "auto":
        return _by_csv(Path(labels))
    if (root / LABELS_FILE).is_file():
        return _by_csv(root / LABELS_FILE)
    return _guessed(root)


def _guessed(root: Path) -> Found:
    files = _all_images(root)
    folders = {file.relative_to(root).parts[0] for file in files if file.parent != root}
    if len(folders) >= 2 and any(file.parent == root for file in files):
        raise DataError(
            f"'{root}' has pictures both in itself and in {len(folders)} sub-folders, so it is unclear "
            "whether these are classes: say labels='folders' or labels='none'"
        )
    return _by_folder(root, None) if len(folders) >= 2 else (files, None)


def _all_images(root: Path) -> list[Path]:
    candidates = (path for path in root.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
    files = sorted(path for path in candidates if path.is_file())
    if not files:
        raise DataError(f"there are no images in '{root}' (looked for {', '.join(sorted(IMAGE_SUFFIXES))})")
    return files


def _by_folder(root: Path, given: Mapping[str, int] | None) -> Found:
    files = [file for file in _all_images(root) if file.parent != root]
    folders = sorted({file.relative_to(root).parts[0] for file in files})
    if not folders:
        raise DataError(f"'{root}' has no sub-folders with images to take classes from")
    class_of = dict(given) if given is not None else _classes(folders)
    if unknown := [folder for folder in folders if folder not in class_of]:
        raise DataError(f"no class index is given for the sub-folders {unknown} of '{root}'")
    return files, np.array([class_of[file.relative_to(root).parts[0]] for file in files], np.int64)


def _classes(folders: list[str]) -> dict[str, int]:
    if all(folder.isdecimal() for folder in folders):
        return {folder: int(folder) for folder in folders}
    return {folder: index for index, folder in enumerate(folders)}


def _by_csv(path: Path) -> Found:
    try:
        with open(path, encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            rows = list(reader)
            columns = reader.fieldnames or []
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"cannot read labels from '{path}': {error}") from error
    if missing := [column for column in ("file", "class_index") if column not in columns]:
        raise DataError(f"'{path}' has no column {missing}, only {list(columns)}")
    if not rows:
        raise DataError(f"'{path}' lists no images")
    found = sorted(
        (path.parent / (row["file"] or ""), _class_index(path, line, row))
        for line, row in enumerate(rows, start=2)
    )
    if absent := [file.name for file, _ in found if not file.is_file()]:
        raise DataError(f"'{path}': {len(absent)} of {len(found)} files do not exist, first '{absent[0]}'")
    return [file for file, _ in found], np.array([index for _, index in found], np.int64)


def _class_index(path: Path, line: int, row: Mapping[str, str | None]) -> int:
    text = row["class_index"] or ""
    try:
        index = int(text)
    except ValueError:
        index = -1
    if index < 0:
        raise DataError(f"'{path}' line {line}: class_index is {text!r}, expected an integer >= 0")
    return index
