"""Which pictures and labels a folder holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from zeroskip import DataError
from zeroskip.data.folders import find_images

from .pictures import write_png


def found(root: Path, labels: object = "auto") -> list[tuple[str, int | None]]:
    listed = find_images(root, labels)  # type: ignore[arg-type]
    files, indices = listed.files, listed.labels
    numbers = [None] * len(files) if indices is None else indices.tolist()
    return [(file.relative_to(root).as_posix(), number) for file, number in zip(files, numbers, strict=True)]


def test_flat_folder_has_no_labels_and_other_files_are_ignored(tmp_path: Path) -> None:
    for name in ("b.png", "a.PNG", "notes.txt"):
        write_png(tmp_path / name) if name != "notes.txt" else (tmp_path / name).touch()
    assert found(tmp_path) == [("a.PNG", None), ("b.png", None)]


def test_one_folder_per_class(tmp_path: Path) -> None:
    for name in ("dog/1.png", "cat/2.png", "cat/deep/3.png"):
        write_png(tmp_path / name)
    assert found(tmp_path) == [("cat/2.png", 0), ("cat/deep/3.png", 0), ("dog/1.png", 1)]
    assert found(tmp_path, {"cat": 281, "dog": 207})[0] == ("cat/2.png", 281)
    assert found(tmp_path, "none")[0] == ("cat/2.png", None)


def test_folders_named_by_numbers_are_the_class_indices(tmp_path: Path) -> None:
    for name in ("281/a.png", "7/b.png"):
        write_png(tmp_path / name)
    assert found(tmp_path) == [("281/a.png", 281), ("7/b.png", 7)]


def test_single_subfolder_is_no_class(tmp_path: Path) -> None:
    write_png(tmp_path / "images/a.png")
    assert found(tmp_path) == [("images/a.png", None)]
    assert found(tmp_path, "folders") == [("images/a.png", 0)]


def test_csv_gives_files_and_classes(tmp_path: Path) -> None:
    for name in ("images/a.png", "images/b.png", "images/unlisted.png"):
        write_png(tmp_path / name)
    (tmp_path / "labels.csv").write_text("file,class_index,name\nimages/b.png,5,x\nimages/a.png,3,y\n")
    assert found(tmp_path) == [("images/a.png", 3), ("images/b.png", 5)]
    assert found(tmp_path, tmp_path / "labels.csv") == found(tmp_path)
    assert found(tmp_path, None)[0] == ("images/a.png", None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,label\na.png,1\n", r"has no column \['class_index'\].*\['file', 'label'\]"),
        ("file,class_index\n", "lists no images"),
        ("file,class_index\na.png,cat\n", "line 2: class_index is 'cat'"),
        ("file,class_index\na.png,-1\n", "line 2: class_index is '-1'"),
        ("file,class_index\na.png,1\n\na.png,1\n", "line 4: 'a.png' is listed a second time"),
        ("file,class_index\r\na.png,1.0\r\n", "line 2: class_index is '1.0'"),
        ("file,class_index\na.png,1_0\n", "line 2: class_index is '1_0'"),
        ("file,class_index\na.png,99999999999999999999\n", "line 2: class_index is '9999"),
        ("file,class_index\na, b.png,1\n", "line 2 has 3 fields and the header 2: put names with ',' in quotes"),
        ("file,class_index\n,1\n", "line 2 names no file"),
        ("file,class_index,class_index\na.png,1,2\n", r"has the column \['class_index'\] twice"),
        ("file,class_index\na.png\0,1\n", "labels"),
        ('file,class_index\n"a.png,1\n', "line"),
        ("file,class_index\n.,1\n", "do not exist or are no files"),
        ("file,class_index\na.png\n", "line 2: class_index is ''"),
        ("file,class_index\nabsent.png,1\na.png,1\n", "1 of 2 files do not exist or are no files, first 'absent.png'"),
        ("", "has no column"),
    ],
)
def test_wrong_csv_is_named(tmp_path: Path, text: str, message: str) -> None:
    write_png(tmp_path / "a.png")
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        find_images(tmp_path, "auto")


def test_missing_and_empty_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no folder '.*absent'"):
        find_images(tmp_path / "absent", "auto")
    with pytest.raises(DataError, match="is not a folder"):
        find_images(write_png(tmp_path / "a.png"), "auto")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"there are no images in '.*empty' \(read are AVIF, BMP"):
        find_images(tmp_path / "empty", "auto")
    with pytest.raises(DataError, match=r"cannot read labels from '.*absent.csv'"):
        find_images(tmp_path, tmp_path / "absent.csv")


def test_unclear_layout_asks(tmp_path: Path) -> None:
    for name in ("a.png", "cat/b.png", "dog/c.png"):
        write_png(tmp_path / name)
    with pytest.raises(DataError, match=r"both in itself and in 2 sub-folders.*labels='folders' or labels='none'"):
        find_images(tmp_path, "auto")
    assert len(found(tmp_path, "folders")) == 2


def test_classes_need_subfolders_and_complete_mappings(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png")
    with pytest.raises(DataError, match="has no sub-folders with images"):
        find_images(tmp_path, "folders")
    write_png(tmp_path / "cat/a.png")
    with pytest.raises(DataError, match=r"no class index is given for the sub-folders \['cat'\]"):
        find_images(tmp_path, {"dog": 1})
