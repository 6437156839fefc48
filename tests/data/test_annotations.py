"""Masks and boxes move with the pixels of their pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from zeroskip.data import Preprocess, coco, masks, yolo
from zeroskip.errors import DataError

RECIPE = Preprocess.preset("raw", resize=16, crop=(12, 12))


def picture(folder: Path, name: str, box: tuple[int, int, int, int], size: tuple[int, int] = (48, 32)) -> None:
    """Save a black picture with a white box, left, top, right, bottom."""
    folder.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros((size[1], size[0], 3), np.uint8)
    pixels[box[1] : box[3], box[0] : box[2]] = 255
    Image.fromarray(pixels).save(folder / name)


def seen_box(x: np.ndarray) -> list[int]:
    rows, columns = np.nonzero(x[0] > 127)
    return [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


def write_coco(folder: Path, **changes: Any) -> Path:
    content = {
        "images": [{"id": 7, "file_name": "a.png"}, {"id": 9, "file_name": "b.png"}],
        "annotations": [{"image_id": 9, "category_id": 18, "bbox": [16, 8, 16, 12]}],
        "categories": [{"id": 3}, {"id": 18}],
    } | changes
    path = folder / "instances.json"
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize("recipe", [RECIPE, Preprocess.preset("raw", size=(16, 24)), Preprocess.preset("raw")])
def test_boxes_are_where_they_are_seen(tmp_path: Path, recipe: Preprocess) -> None:
    for name in ("a.png", "b.png"):
        picture(tmp_path / "images", name, (16, 8, 32, 20))
    data = coco(tmp_path / "images", write_coco(tmp_path), recipe)
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "b.txt").write_text("1 0.5 0.4375 0.33333333 0.375\n\n")
    for made in (data, yolo(tmp_path, recipe)):
        assert len(made.targets[0]["boxes"]) == 0
        assert made.targets[1]["labels"].tolist() == [1]
        np.testing.assert_allclose(made.targets[1]["boxes"][0], seen_box(made.array()[1]), atol=1e-4)
        assert "with boxes" in made.description


def test_masks_are_cut_as_their_pictures(tmp_path: Path) -> None:
    picture(tmp_path / "images", "a.png", (16, 8, 32, 20))
    mask = np.full((32, 48), 255, np.uint8)
    mask[8:20, 16:32] = 4
    (tmp_path / "masks").mkdir()
    Image.fromarray(mask).convert("L").save(tmp_path / "masks" / "a.png")
    data = masks(tmp_path / "images", tmp_path / "masks", RECIPE)
    np.testing.assert_array_equal(data.targets[0] == 4, data.array()[0, 0] > 127)
    assert set(np.unique(data.targets[0])) == {4, 255}


def test_a_box_outside_the_crop_is_gone(tmp_path: Path) -> None:
    picture(tmp_path, "a.png", (0, 0, 6, 32))
    picture(tmp_path, "b.png", (0, 0, 6, 32))
    path = write_coco(tmp_path, annotations=[{"image_id": 9, "category_id": 3, "bbox": [0, 0, 6, 32]}])
    assert len(coco(tmp_path, path, RECIPE).targets[1]["boxes"]) == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"annotations": [{"image_id": 1, "category_id": 3, "bbox": [0, 0, 1, 1]}]}, "belongs to image 1"),
        ({"annotations": [{"image_id": 9, "category_id": 3, "bbox": [0, 0, 1]}]}, "no COCO annotation: ValueError"),
        ({"annotations": [{"image_id": 9, "bbox": [0, 0, 1, 1]}]}, "no COCO annotation: KeyError"),
        ({"images": [{"id": 7, "file_name": "../a.png"}], "annotations": []}, "is not in the folder of pictures"),
        ({"images": [{"id": 7, "file_name": "none.png"}], "annotations": []}, "none.png"),
        ({"images": 3}, "no COCO annotation"),
        ({"images": [{"id": 9, "file_name": "a.png"}, {"id": 9, "file_name": "b.png"}]}, "2 images of 1 ids"),
        ({"annotations": [{"image_id": [9], "category_id": 3, "bbox": [0, 0, 1, 1]}]}, "no COCO annotation: TypeError"),
        ({"annotations": [{"image_id": 9, "category_id": [3], "bbox": [0, 0, 1, 1]}]}, "no COCO annotation: TypeError"),
        ({"annotations": [{"image_id": 9, "category_id": 5, "bbox": [0, 0, 1, 1]}]}, r"category 5.*not in \[3, 18\]"),
        ({"annotations": [{"image_id": 9, "category_id": "3", "bbox": [0, 0, 1, 1]}]}, r"category '3'.*not in"),
        ({"annotations": [{"image_id": 9, "category_id": 3, "bbox": [0, 0, -1, 1]}]}, r"box of image 9 is .*-1\.0"),
        ({"annotations": [{"image_id": 9, "category_id": 3, "bbox": [0, float("nan"), 1, 1]}]}, "box of image 9 is"),
        ({"annotations": [{"image_id": 9, "category_id": 3, "bbox": [0, 0, float("inf"), 1]}]}, "box of image 9 is"),
        ({"annotations": [{"image_id": 9, "category_id": 3, "bbox": [60, 0, 5, 5]}]}, "1 of 1 boxes lie beside"),
    ],
)
def test_damaged_annotations_are_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    for name in ("a.png", "b.png"):
        picture(tmp_path, name, (0, 0, 4, 4))
    with pytest.raises(DataError, match=message):
        coco(tmp_path, write_coco(tmp_path, **changes))


@pytest.mark.parametrize("classes", [[3, 18], {3: "a", 18: "b"}, {3: -1, 18: 0}, {3: 1 << 40, 18: 0}])
def test_classes_that_are_no_indices_are_refused(tmp_path: Path, classes: Any) -> None:
    for name in ("a.png", "b.png"):
        picture(tmp_path, name, (0, 0, 4, 4))
    with pytest.raises(DataError, match="expected a dictionary of category ids"):
        coco(tmp_path, write_coco(tmp_path), classes=classes)


def test_boxes_beside_their_pictures_are_counted(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        picture(tmp_path, name, (0, 0, 4, 4))
    sides = ([60, 0, 5, 5], [40, 0, 20, 20])
    path = write_coco(tmp_path, annotations=[{"image_id": 9, "category_id": 3, "bbox": box} for box in sides])
    data = coco(tmp_path, path, "raw")
    assert data.notes[-1] == "left out: 1 of 2 boxes lie beside their pictures, first of 'b.png'"
    assert data.targets[1]["boxes"].tolist() == [[40.0, 0.0, 48.0, 20.0]]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_lines_come_in_the_encodings_of_windows_too(tmp_path: Path, encoding: str) -> None:
    picture(tmp_path / "images", "a.png", (0, 0, 4, 4))
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "a.txt").write_bytes("3 0.5 0.5 0.5 0.5\r\n1 .1 .1 .1 .1 .9\r\n".encode(encoding))
    assert yolo(tmp_path, "raw").targets[0]["labels"].tolist() == [3, 1]


def test_the_box_of_a_polygon_is_about_it(tmp_path: Path) -> None:
    """Labels for segmentation are in files of the same form; their first four numbers are no box."""
    picture(tmp_path / "images", "a.png", (0, 0, 4, 4))
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "a.txt").write_text("2 0.25 0.5 0.5 0.25 0.75 0.5 0.5 0.75")
    assert yolo(tmp_path, "raw").targets[0]["boxes"].tolist() == [[12.0, 8.0, 36.0, 24.0]]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a 1 2 3 4", "line 1"),
        ("0 0.5 0.5 0.1", "line 1 has 3 numbers"),
        ("0 .1 .1 .2 .2 .3 .3 .4", "line 1 has 7 numbers"),
        ("0 5 5 1 1", "no class and shares"),
        ("99999999999999999999 .5 .5 .1 .1", "no class and shares"),
        ("0 .5 .5 .1 .1\n\xff", "cannot read boxes from 'a.txt'"),
    ],
)
def test_damaged_lines_are_named(tmp_path: Path, line: str, message: str) -> None:
    picture(tmp_path / "images", "a.png", (0, 0, 4, 4))
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "a.txt").write_text(line, encoding="latin-1")
    with pytest.raises(DataError, match=message):
        yolo(tmp_path)


def test_masks_that_do_not_fit_are_named(tmp_path: Path) -> None:
    picture(tmp_path / "images", "a.png", (0, 0, 4, 4))
    with pytest.raises(DataError, match=r"1 of 1 pictures have no mask in 'masks', first 'a\.png'"):
        masks(tmp_path / "images", tmp_path / "masks", RECIPE)
    picture(tmp_path / "masks", "a.png", (0, 0, 4, 4))
    with pytest.raises(DataError, match="it is no mask"):
        masks(tmp_path / "images", tmp_path / "masks", RECIPE)
    Image.fromarray(np.zeros((5, 5), np.uint8)).save(tmp_path / "masks" / "a.png")
    with pytest.raises(DataError, match=r"mask 'a\.png' is 5x5, its picture 48x32"):
        masks(tmp_path / "images", tmp_path / "masks", RECIPE)
