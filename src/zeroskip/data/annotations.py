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
from ..files import read_ordinary
from .class_names import printable
from .dataset import Dataset
from .decoder import decode_mask, picture_size
from .pictures import cut_mask, moved_boxes
from .preprocessing import Preprocess
from .sources import image_folder, images

_MOST_BYTES = 1 << 31
_LEAST_AREA = 1.0
"""In pixels of the model's input: of a box that is hardly in the picture any more."""

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
        The data set; its targets are dictionaries of ``boxes``, ``labels`` and ``iscrowd``.

    Raises:
        DataError: If the file is not as expected, or a picture is missing.
    """
    what = f"'{printable(Path(annotations).name)}'"
    try:
        content = json.loads(read_ordinary(annotations, _MOST_BYTES))
        listed = {item["id"]: item["file_name"] for item in content["images"]}
        rows = [
            (item["image_id"], item["category_id"], _sides(item["bbox"]), int(item.get("iscrowd", 0)))
            for item in content["annotations"]
        ]
        ids = sorted({item["id"] for item in content.get("categories", ())} | {row[1] for row in rows})
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(f"{what} is no COCO annotation: {type(error).__name__} {error}") from error
    index_of = dict(classes) if classes is not None else {number: index for index, number in enumerate(ids)}
    boxes: dict[Any, list[tuple[Any, ...]]] = {number: [] for number in listed}
    for image, category, (left, top, width, height), crowd in rows:
        if image not in boxes:
            raise DataError(f"{what}: a box belongs to image {image}, which is not listed")
        if category not in index_of:
            raise DataError(f"{what}: a box is of category {category}, which is not in {sorted(index_of)}")
        boxes[image].append((left, top, left + width, top + height, index_of[category], crowd))
    root = Path(pictures)
    if outside := [name for name in listed.values() if not _is_inside(name)]:
        raise DataError(f"{what}: '{printable(str(outside[0]))}' is not in the folder of pictures")
    return _boxed([root / name for name in listed.values()], list(boxes.values()), preprocess, what)


def _sides(box: Any) -> tuple[float, float, float, float]:
    left, top, width, height = (float(side) for side in box)
    return left, top, width, height


def yolo(folder: PathLike, preprocess: str | Preprocess = "unit", *, labels: PathLike | None = None) -> Dataset:
    """Make a data set of pictures with boxes in YOLO's text files.

    Args:
        folder: Has ``images`` and ``labels``; a picture's boxes are in the file of its name, a line each: class,
            middle x, middle y, width, height, as shares of the picture. A picture without a file has none.
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
    for number, line in enumerate(read_ordinary(path, _MOST_BYTES).decode(errors="replace").splitlines(), start=1):
        parts = line.split()
        if not parts:
            continue
        try:
            label, (x, y, w, h) = int(parts[0]), (float(part) for part in parts[1:5])
        except ValueError as error:
            raise DataError(
                f"'{printable(path.name)}' line {number} is {line[:60]!r}, expected class, x, y, width, height"
            ) from error
        if label < 0 or not all(0.0 <= share <= 1.0 for share in (x, y, w, h)):
            raise DataError(f"'{printable(path.name)}' line {number}: {line[:60]!r} are no shares of the picture")
        left, top = (x - w / 2) * width, (y - h / 2) * height
        found.append((left, top, left + w * width, top + h * height, label, 0))
    return found


def _boxed(
    paths: Sequence[Path], boxes: Sequence[list[tuple[Any, ...]]], preprocess: str | Preprocess, what: str
) -> Dataset:
    data = images(paths, preprocess, description=what)
    recipe = _recipe_of(data)
    return _with_targets(data, [_target(*pair, recipe) for pair in zip(paths, boxes, strict=True)], "boxes")


def _target(path: Path, rows: list[tuple[Any, ...]], recipe: Preprocess) -> dict[str, NDArray[Any]]:
    table = np.array(rows, np.float64).reshape(-1, 6)
    corners = moved_boxes(table[:, :4], picture_size(path), recipe)
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
