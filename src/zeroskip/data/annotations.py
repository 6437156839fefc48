"""Pictures with more to say of them than a class: masks beside them, boxes in COCO's JSON or YOLO's text files.

Masks and boxes go through the geometry of the recipe as the pictures do, so that targets are in pixels of the model's
input.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..files import read_text
from .class_names import printable
from .dataset import Dataset
from .decoder import decode_mask, picture_size
from .label_table import MAX_CLASS
from .pictures import cut_mask, moved_boxes
from .preprocessing import Preprocess
from .sources import image_folder, images

_MOST_BYTES = 1 << 31
_LEAST_AREA = 1.0
"""In pixels of the model's input: of a box that is hardly in the picture any more."""
_WHOLE = 1.001
"""Shares of a picture that tools have rounded."""

PathLike = str | os.PathLike[str]


def masks(pictures: PathLike, masks: PathLike, preprocess: str | Preprocess = "imagenet") -> Dataset:
    """Make a data set of pictures with masks: class indices pixel by pixel, for semantic segmentation.

    Args:
        pictures: Folder of pictures.
        masks: Folder of masks of the same names, whatever their suffix: PNG with a palette or of one channel.
        preprocess: A preset's name or a recipe; masks are resized and cropped as the pictures are.

    Returns:
        The data set; its targets are int32 ``[H, W]`` each, 255 as in the files where pixels count for nothing.

    Raises:
        DataError: If a picture has no mask, a mask is of another size or cannot be read, or a folder cannot be used.
    """
    data = image_folder(pictures, preprocess, labels="none")
    folder, recipe = Path(masks), _recipe_of(data)
    known = {path.stem: path for path in sorted(folder.rglob("*")) if path.is_file()} if folder.is_dir() else {}
    missing = [name for name in data.all_names if Path(name).stem not in known]
    if missing:
        raise DataError(f"{_count(missing, data)} have no mask in '{printable(folder.name)}', first '{missing[0]}'")
    found = []
    for name in data.all_names:
        path = known[Path(name).stem]
        mask, size = decode_mask(path), picture_size(Path(pictures) / name)
        if mask.size != size:
            sizes = [f"{width}x{height}" for width, height in (mask.size, size)]
            raise DataError(f"mask '{printable(path.name)}' is {sizes[0]}, its picture {sizes[1]}")
        found.append(cut_mask(mask, recipe))
    return _with_targets(data, found, "masks")


def coco(
    pictures: PathLike,
    annotations: PathLike,
    preprocess: str | Preprocess = "unit",
    *,
    classes: Mapping[int, int] | None = None,
) -> Dataset:
    """Make a data set of pictures with boxes out of COCO's JSON.

    Args:
        pictures: Folder that ``file_name`` is relative to.
        annotations: The file, ``instances_*.json``.
        preprocess: A preset's name or a recipe; boxes move with the pixels.
        classes: Category id to class index of the model; by default categories count up from 0 in the order of their
            ids, as most detectors do.

    Returns:
        The data set; its targets are dictionaries of ``boxes``, ``labels`` and ``iscrowd``. Its notes say how many
        boxes lie beside their pictures.

    Raises:
        DataError: If the file is not as expected, a picture is missing or all boxes lie beside their pictures.
    """
    what = f"'{printable(Path(annotations).name)}'"
    try:
        content = json.loads(read_text(annotations, _MOST_BYTES))
        pictures_of = [(item["id"], item["file_name"]) for item in content["images"]]
        listed = dict(pictures_of)
        rows = [
            (item["image_id"], item["category_id"], _sides(item["bbox"]), int(item.get("iscrowd") or 0))
            for item in content["annotations"]
        ]
        stated = {item["id"] for item in content.get("categories", ())}
        used = {row[1] for row in rows}
        ids = sorted(stated or used)
        boxes: dict[Any, list[tuple[Any, ...]]] = {number: [] for number in listed}
        unlisted = [image for image, *_ in rows if image not in boxes]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(f"{what} is no COCO annotation: {type(error).__name__} {error}") from error
    if unlisted:
        raise DataError(f"{what}: a box belongs to image {unlisted[0]}, which is not listed")
    if len(listed) < len(pictures_of):
        raise DataError(f"{what} lists {len(pictures_of)} images of {len(listed)} ids: which boxes are whose?")
    index_of = {number: index for index, number in enumerate(ids)} if classes is None else _class_map(classes)
    if others := [category for category in used if category not in index_of]:
        raise DataError(f"{what}: a box is of category {others[0]!r}, which is not in {list(index_of)}")
    for image, category, (left, top, width, height), crowd in rows:
        if not (np.isfinite((left, top, width, height)).all() and width >= 0.0 and height >= 0.0):
            raise DataError(
                f"{what}: a box of image {image} is {[left, top, width, height]}, expected left, top, width, height"
            )
        boxes[image].append((left, top, left + width, top + height, index_of[category], crowd))
    root = Path(pictures)
    if outside := [name for name in listed.values() if not _is_inside(name)]:
        raise DataError(f"{what}: '{printable(str(outside[0]))}' is not in the folder of pictures")
    return _boxed([root / name for name in listed.values()], list(boxes.values()), preprocess, what)


def _class_map(classes: Any) -> dict[Any, int]:
    if not isinstance(classes, Mapping) or not all(_is_class(index) for index in classes.values()):
        raise DataError(
            f"classes are {classes!r}, expected a dictionary of category ids and class indices of 0 or more"
        )
    return dict(classes)


def _is_class(index: Any) -> bool:
    return isinstance(index, int | np.integer) and bool(0 <= index <= MAX_CLASS)


def _sides(box: Any) -> tuple[float, float, float, float]:
    left, top, width, height = (float(side) for side in box)
    return left, top, width, height


def yolo(folder: PathLike, preprocess: str | Preprocess = "unit", *, labels: PathLike | None = None) -> Dataset:
    """Make a data set of pictures with boxes in YOLO's text files.

    Args:
        folder: Has ``images`` and ``labels``; a picture's boxes are in the file of its name, a line each: class,
            middle x, middle y, width, height, as shares of the picture; or class and the corners of a polygon, about
            which the box is taken. A picture without a file has none.
        preprocess: A preset's name or a recipe; boxes move with the pixels.
        labels: Folder of the text files, where ``folder`` is that of the pictures.

    Returns:
        The data set; its targets are dictionaries of ``boxes``, ``labels`` and ``iscrowd``.

    Raises:
        DataError: If there are no pictures, none of them has a file, or a line is not as expected; the message names
            file and line.
    """
    root = Path(folder)
    pictures, texts = (root / "images", root / "labels") if labels is None else (root, Path(labels))
    data = image_folder(pictures, preprocess, labels="none")
    paths = [pictures / name for name in data.all_names]
    files = [(texts / name).with_suffix(".txt") for name in data.all_names]
    if not any(file.exists() for file in files):
        raise DataError(f"none of the {len(files)} pictures has boxes: there is no file '{printable(str(files[0]))}'")
    boxes = [_yolo_boxes(*pair) for pair in zip(files, paths, strict=True)]
    return _boxed(paths, boxes, preprocess, f"'{printable(root.name)}'")


def _yolo_boxes(path: Path, picture: Path) -> list[tuple[Any, ...]]:
    if not path.exists():
        return []
    width, height = picture_size(picture)
    found = []
    for number, line in enumerate(_lines(path), start=1):
        parts = line.split()
        if not parts:
            continue
        where = f"'{printable(path.name)}' line {number}"
        try:
            label, shares = int(parts[0]), [float(part) for part in parts[1:]]
        except ValueError as error:
            raise DataError(f"{where} is {printable(line[:60])!r}, expected class, x, y, width, height") from error
        if not _is_class(label) or not all(0.0 <= share <= _WHOLE for share in shares):
            raise DataError(f"{where}: {printable(line[:60])!r} are no class and shares of the picture")
        left, top, right, bottom = _corners(shares, where)
        found.append((left * width, top * height, right * width, bottom * height, label, 0))
    return found


def _lines(path: Path) -> list[str]:
    try:
        return read_text(path, _MOST_BYTES).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read boxes from '{printable(path.name)}': {error}") from error


def _corners(shares: Sequence[float], where: str) -> tuple[float, float, float, float]:
    """Return the corners of middle, width and height, to which a confidence may be added; or about a polygon."""
    if len(shares) in (4, 5):
        x, y, w, h = shares[:4]
        return x - w / 2, y - h / 2, x + w / 2, y + h / 2
    if len(shares) < 6 or len(shares) % 2:
        raise DataError(
            f"{where} has {len(shares)} numbers behind the class, expected x, y, width, height or a polygon"
        )
    return min(shares[::2]), min(shares[1::2]), max(shares[::2]), max(shares[1::2])


def _boxed(
    paths: Sequence[Path], boxes: Sequence[list[tuple[Any, ...]]], preprocess: str | Preprocess, what: str
) -> Dataset:
    data = images(paths, preprocess, description=what)
    recipe = _recipe_of(data)
    tables = [np.array(rows, np.float64).reshape(-1, 6) for rows in boxes]
    sizes = [picture_size(path) for path in paths]
    beside = [int(_are_beside(table, *size).sum()) for table, size in zip(tables, sizes, strict=True)]
    if sum(beside):
        total = sum(map(len, tables))
        first = printable(paths[int(np.argmax(beside))].name)
        words = f"{sum(beside)} of {total} boxes lie beside their pictures, first of '{first}'"
        if sum(beside) == total:
            raise DataError(f"{what}: {words}: are they in pixels of pictures of another size?")
        data = replace(data, notes=(*data.notes, f"left out: {words}"))
    return _with_targets(data, [_target(*pair, recipe) for pair in zip(tables, sizes, strict=True)], "boxes")


def _are_beside(table: NDArray[np.float64], width: int, height: int) -> NDArray[np.bool_]:
    """Tell which boxes have no pixel of their picture."""
    return np.asarray((table[:, 0] >= width) | (table[:, 1] >= height) | (table[:, 2] <= 0) | (table[:, 3] <= 0))


def _target(table: NDArray[np.float64], size: tuple[int, int], recipe: Preprocess) -> dict[str, NDArray[Any]]:
    corners = moved_boxes(table[:, :4], size, recipe)
    kept = np.prod(corners[:, 2:] - corners[:, :2], axis=1) >= _LEAST_AREA
    return {
        "boxes": corners[kept],
        "labels": table[kept, 4].astype(np.int64),
        "iscrowd": table[kept, 5].astype(np.int64),
    }


def _with_targets(data: Dataset, targets: list[Any], what: str) -> Dataset:
    return replace(data, all_targets=targets, description=data.description.replace("unlabelled", f"with {what}"))


def _recipe_of(data: Dataset) -> Preprocess:
    assert data.preprocess is not None
    return data.preprocess


def _is_inside(name: Any) -> bool:
    return isinstance(name, str) and not Path(name).is_absolute() and ".." not in Path(name).parts


def _count(missing: Sequence[str], data: Dataset) -> str:
    return f"{len(missing)} of {len(data.all_names)} pictures"
