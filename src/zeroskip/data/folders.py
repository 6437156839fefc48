"""Finding the pictures of a folder and their class indices: flat, one folder per class, or by a table."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from .class_names import printable
from .classes import ClassFolders, ClassNames
from .folder_list import LABELS_FILE, Listing
from .label_table import read_label_table

Labels = str | os.PathLike[str] | Mapping[str, int] | None

_PARTS = frozenset(["train", "training", "val", "valid", "validation", "test", "testing", "eval", "dev", "holdout"])
_IMAGES = frozenset(["images", "image", "imgs", "img", "jpegimages", "pictures", "photos"])
_TARGETS = frozenset(
    [
        "labels",
        "label",
        "masks",
        "mask",
        "annotations",
        "annotation",
        "segmentation",
        "segmentationclass",
        "segmentationobject",
        "gt",
        "groundtruth",
        "ground_truth",
        "targets",
        "labelimages",
    ]
)


@dataclass(frozen=True)
class Found:
    """The pictures of a folder.

    Args:
        files: Sorted by path.
        labels: int64, a class index for each, or None.
        classes: Which class each folder is; None where labels come from elsewhere.
        notes: What was decided and left out, one line each.
    """

    files: list[Path]
    labels: NDArray[np.int64] | None
    classes: ClassFolders | None = None
    notes: tuple[str, ...] = ()


def find_images(root: Path, labels: Labels, names: ClassNames | None = None, *, is_asked: bool = True) -> Found:
    """Return the picture files under ``root`` with their class indices.

    Args:
        root: The folder.
        labels: As for ``image_folder``.
        names: Names of the model's classes, for class folders.
        is_asked: Whether the names were given for these data, rather than found in the model; then each folder must be
            one of them.

    Raises:
        DataError: If the folder or a file is missing, there is no picture, or labels cannot be used.
    """
    if not root.is_dir():
        what = f"'{printable(root)}'"
        raise DataError(f"{what} is not a folder" if root.exists() else f"there is no folder {what}")
    table = _table(root, labels)
    if table is not None:
        if names is not None and is_asked:
            raise DataError(f"class names are for class folders, but the labels come from '{printable(table)}'")
        return _by_table(root, table)
    listing = Listing.of(root).checked()
    notes = [listing.words()] if listing.left_out else []
    if isinstance(labels, Mapping):
        found = _by_folder(listing, dict(labels), None, is_asked)
    elif labels == "folders":
        found = _by_folder(_of_one_part(listing), None, names, is_asked)
    else:
        listing = _images_only(listing, notes)
        is_guessed = labels == "auto"
        found = _guessed(listing, names, is_asked, notes) if is_guessed else Found(listing.pictures, None)
    if found.classes is None and names is not None and is_asked:
        raise DataError(f"class names are for class folders, and '{printable(root)}' has none")
    return replace(found, notes=(*notes, *found.notes))


def _table(root: Path, labels: Labels) -> Path | None:
    if labels is None or isinstance(labels, Mapping) or labels in ("none", "folders"):
        return None
    if labels != "auto":
        return Path(labels)
    return root / LABELS_FILE if (root / LABELS_FILE).exists() else None


def _by_table(root: Path, table: Path) -> Found:
    files, indices = read_label_table(table)
    unlisted = len(set(Listing.of(root).pictures) - set(files))
    notes = [
        f"labels from '{printable(table.name)}': {len(np.unique(indices))} classes, {indices.min()}..{indices.max()}"
    ]
    if unlisted:
        notes.append(f"left out: {unlisted} pictures that '{printable(table.name)}' does not list")
    return Found(files, indices, None, tuple(notes))


def _images_only(listing: Listing, notes: list[str]) -> Listing:
    """Return the images of a folder that holds images and what belongs to them, masks for example."""
    words = {name: name.lower() for name in listing.folders}
    images = [name for name, word in words.items() if word in _IMAGES]
    targets = [name for name, word in words.items() if word in _TARGETS]
    is_paired = len(images) == 1 and targets and len(images) + len(targets) == len(words)
    if not is_paired or any(path.parent == listing.root for path in listing.pictures):
        return listing
    notes.append(f"pictures from '{images[0]}' only; '{', '.join(map(printable, targets))}' holds no class indices")
    return listing.under(images[0]).checked()


def _of_one_part(listing: Listing) -> Listing:
    """Refuse the parts of a data set in place of classes."""
    parts = [name for name, files in listing.by_folder().items() if name.lower() in _PARTS and files]
    if len(parts) > 1 and len(parts) == len(listing.by_folder()):
        root = printable(listing.root)
        raise DataError(
            f"'{root}' holds parts of a data set ({', '.join(parts)}), which are no classes: name one of them, for "
            f"example '{root}/{parts[-1]}', or say labels='none'"
        )
    return listing


def _guessed(listing: Listing, names: ClassNames | None, is_asked: bool, notes: list[str]) -> Found:
    listing = _of_one_part(listing)
    by_folder = listing.by_folder()
    loose = len(listing.pictures) - sum(map(len, by_folder.values()))
    is_named = names is not None and by_folder and all(folder in names.index_of for folder in by_folder)
    if len(by_folder) == 1 and not loose and not is_named:
        inner = listing.under(*by_folder)
        if len(inner.by_folder()) > 1:
            notes.append(f"taken from '{printable(inner.root)}', the only folder there is")
            return _guessed(inner, names, is_asked, notes)
    if len(by_folder) < 2 and not is_named:
        return Found(listing.pictures, None)
    if loose:
        raise DataError(
            f"'{printable(listing.root)}' has pictures both in itself and in {len(by_folder)} sub-folders, so it is "
            "unclear whether these are classes: say labels='folders' or labels='none'"
        )
    return _by_folder(listing, None, names, is_asked)


def _by_folder(listing: Listing, given: dict[str, int] | None, names: ClassNames | None, is_asked: bool) -> Found:
    by_folder = listing.by_folder()
    folders, notes = sorted(by_folder), []
    if not folders:
        raise DataError(f"'{printable(listing.root)}' has no sub-folders with images to take classes from")
    if given is not None:
        classes = _given(listing.root, folders, given)
    elif names is not None and (is_asked or any(folder in names.index_of for folder in folders)):
        classes = ClassFolders.by_names_of(names, folders)
    else:
        classes = ClassFolders.by_name(folders)
        if names is not None:
            notes.append(f"no folder is called like a class in {names.origin}")
    notes.append(classes.words)
    loose = len(listing.pictures) - sum(map(len, by_folder.values()))
    if loose:
        notes.append(f"left out: {loose} pictures that lie in no class folder")
    labels = [classes.index_of[folder] for folder in folders for _ in by_folder[folder]]
    return Found(
        [path for folder in folders for path in by_folder[folder]], np.array(labels, np.int64), classes, tuple(notes)
    )


def _given(root: Path, folders: list[str], given: dict[str, int]) -> ClassFolders:
    if unknown := [printable(folder) for folder in folders if folder not in given]:
        raise DataError(f"no class index is given for the sub-folders {unknown} of '{printable(root)}'")
    wrong = [index for index in given.values() if not isinstance(index, int | np.integer) or index < 0]
    if wrong:
        raise DataError(f"class index {wrong[0]!r} is given, expected integers >= 0")
    return ClassFolders({folder: int(given[folder]) for folder in folders}, "what was given")
