"""Class indices of folders: by names, by numbers, by order."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from zeroskip import DataError
from zeroskip.data import image_folder
from zeroskip.data.classes import ClassFolders, ClassNames

from .pictures import write_png


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("cat/a.png", "dog/b.png"):
        write_png(tmp_path / "photos" / name)
    return tmp_path / "photos"


@pytest.mark.parametrize(
    "text",
    [
        "ant\nbee\ncat\ndog\neel\n",
        "\ufeffant\r\nbee\r\ncat\r\ndog\r\n\r\n",
        json.dumps(["ant", "bee", "cat", "dog"]),
        json.dumps({"2": "cat", "3": "dog"}),
        json.dumps({"2": ["n02123045", "cat"], "3": ["n02084071", "dog"]}),
        json.dumps({"cat": 2, "dog": 3}),
    ],
)
def test_missing_classes_shift_nothing(root: Path, tmp_path: Path, text: str) -> None:
    (tmp_path / "classes.txt").write_text(text, encoding="utf-8")
    data = image_folder(root, "raw", classes=tmp_path / "classes.txt")
    assert data.labels is not None
    assert data.labels.tolist() == [2, 3]
    assert data.classes is not None
    assert data.classes.to_dict()["index_of"] == {"cat": 2, "dog": 3}
    assert "'cat' is class 2, 'dog' is class 3; by the class names in" in data.notes[-1]


def test_names_out_of_a_model_are_used_where_they_fit(root: Path) -> None:
    fitting = ClassNames.from_metadata("{0: 'ant', 1: 'dog', 2: 'cat'}")
    data = image_folder(root, "raw", classes=fitting)
    assert data.labels is not None
    assert data.labels.tolist() == [2, 1]
    other = ClassNames.from_metadata("{0: 'ant', 1: 'bee'}")
    data = image_folder(root, "raw", classes=other)
    assert data.labels is not None
    assert data.labels.tolist() == [0, 1]
    assert any("no folder is called like a class" in note for note in data.notes)
    with pytest.raises(DataError, match=r"1 of 2 class folders are not in the model's metadata.*\['dog'\]"):
        image_folder(root, "raw", classes=ClassNames.from_metadata("{0: 'ant', 1: 'cat'}"))


def test_one_class_folder_is_one_if_it_is_named(root: Path, tmp_path: Path) -> None:
    (root / "dog" / "b.png").unlink()
    (tmp_path / "classes.txt").write_text("dog\ncat\n")
    data = image_folder(root, "raw", classes=tmp_path / "classes.txt")
    assert data.labels is not None
    assert data.labels.tolist() == [1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no class names"),
        ("[1, 2]", "expected an index and a name"),
        ('{"a": "b"}', "expected an index and a name"),
        ("{" * 100_000, "cannot read class names"),
        ("[" * 100_000, "cannot read class names"),
        ("cat\n", r"1 of 2 class folders are not in .*\['dog'\]"),
        ("cat\ndog\ndog\n", "the name of two classes"),
    ],
)
def test_class_names_that_cannot_be_used_are_told(root: Path, tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "classes.txt").write_text(text)
    with pytest.raises(DataError, match=message):
        image_folder(root, "raw", classes=tmp_path / "classes.txt")


@pytest.mark.parametrize("text", ["", "__import__('os')", "[" * 10_000, "7", "{0: 1}", "{'a': 'b'}"])
def test_metadata_that_is_no_list_of_names_is_told(text: str) -> None:
    with pytest.raises(DataError, match="metadata 'names'"):
        ClassNames.from_metadata(text)


def test_class_names_need_class_folders(root: Path, tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("cat\ndog\n")
    with pytest.raises(DataError, match="has none"):
        image_folder(root / "cat", "raw", classes=tmp_path / "classes.txt")
    (root / "labels.csv").write_text("file,class_index\ncat/a.png,1\n")
    with pytest.raises(DataError, match=r"the labels come from '.*labels\.csv'"):
        image_folder(root, "raw", classes=tmp_path / "classes.txt")


def test_numbers_are_class_indices_unless_two_are_the_same() -> None:
    assert dict(ClassFolders.by_name(["10", "2", "9"]).index_of) == {"10": 10, "2": 2, "9": 9}
    assert dict(ClassFolders.by_name(["10", "2a"]).index_of) == {"10": 0, "2a": 1}
    with pytest.raises(DataError, match="the same number"):
        ClassFolders.by_name(["01", "1"])


def test_other_orders_of_the_folders_are_readings() -> None:
    numbers = ClassFolders.by_name([str(number) for number in sorted(range(12), key=str)])
    labels = np.array([0, 2, 10])
    assert [(words, other.tolist()) for words, other in numbers.readings(labels)] == [
        ("the class folders look ordered otherwise: by the sorted order of their names as text", [0, 4, 2])
    ]
    named = ClassFolders.by_name(sorted(f"class_{number}" for number in range(12)))
    assert [other.tolist() for _, other in named.readings(labels)] == [[0, 10, 8]]
