"""Folders as people have them: hidden files, links, parts of data sets, masks."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from zeroskip import DataError
from zeroskip.data import image_folder
from zeroskip.data.folder_list import Listing

from .pictures import write_png


def lay_out(root: Path, *names: str) -> Path:
    for name in names:
        write_png(root / name)
    return root


def labels_of(root: Path) -> dict[str, int] | None:
    data = image_folder(root, "raw")
    return None if data.labels is None else dict(zip(data.names, data.labels.tolist(), strict=True))


def test_hidden_folders_are_no_classes(tmp_path: Path) -> None:
    names = (".cache/a.png", "__MACOSX/cat/._a.png", "cat/a.png", "cat/._a.png", "dog/b.png", "@eaDir/c.png")
    lay_out(tmp_path, *names)
    (tmp_path / "cat" / "Thumbs.db").touch()
    assert labels_of(tmp_path) == {"cat/a.png": 0, "dog/b.png": 1}
    notes = image_folder(tmp_path, "raw").notes
    assert notes[0] == "left out: 4 hidden files or folders, 1 other files"
    assert notes[1].startswith("2 class folders, 'cat' is class 0, 'dog' is class 1; by the sorted order")


def test_linked_folders_count_once_and_rings_end(tmp_path: Path) -> None:
    lay_out(tmp_path / "elsewhere", "b.png")
    root = lay_out(tmp_path / "data", "cat/a.png")
    (root / "dog").symlink_to(tmp_path / "elsewhere")
    (root / "cat" / "again").symlink_to(root)
    (root / "alias").symlink_to(root / "cat")
    (root / "self").symlink_to(root / "self")
    (root / "gone.png").symlink_to(root / "absent.png")
    assert labels_of(root) == {"cat/a.png": 0, "dog/b.png": 1}
    left_out = Listing.of(root).left_out
    assert left_out["links to folders that count already"] == 2
    assert left_out["links to nothing"] == 2


def test_linked_pictures_count(tmp_path: Path) -> None:
    lay_out(tmp_path, "store/a.png", "cat/keep.png")
    (tmp_path / "cat" / "a.png").symlink_to(tmp_path / "store" / "a.png")
    assert len(Listing.of(tmp_path).pictures) == 3


@pytest.mark.parametrize("parts", [("train", "val"), ("Train", "Test", "valid"), ("train", "val", "test")])
def test_parts_of_a_data_set_are_no_classes(tmp_path: Path, parts: tuple[str, ...]) -> None:
    lay_out(tmp_path, *(f"{part}/{kind}/a.png" for part in parts for kind in ("cat", "dog")))
    for labels in ("auto", "folders"):
        with pytest.raises(DataError, match=r"parts of a data set .* name one of them, for example '.*/" + max(parts)):
            image_folder(tmp_path, "raw", labels=labels)
    assert len(image_folder(tmp_path, "raw", labels="none")) == 2 * len(parts)
    assert labels_of(tmp_path / parts[0]) == {"cat/a.png": 0, "dog/a.png": 1}


def test_a_class_may_be_called_like_a_part(tmp_path: Path) -> None:
    assert labels_of(lay_out(tmp_path, "car/a.png", "train/b.png")) == {"car/a.png": 0, "train/b.png": 1}


def test_the_only_folder_is_looked_into(tmp_path: Path) -> None:
    lay_out(tmp_path, "val/cat/a.png", "val/dog/a.png")
    assert labels_of(tmp_path) == {"val/cat/a.png": 0, "val/dog/a.png": 1}
    assert any("the only folder there is" in note for note in image_folder(tmp_path, "raw").notes)


@pytest.mark.parametrize("targets", ["masks", "labels", "Annotations"])
def test_masks_are_no_pictures_to_feed(tmp_path: Path, targets: str) -> None:
    lay_out(tmp_path, "images/a.png", "images/b.png", f"{targets}/a.png", f"{targets}/b.png")
    for labels in ("auto", "none"):
        data = image_folder(tmp_path, "raw", labels=labels)
        assert data.names == ("images/a.png", "images/b.png")
        assert data.labels is None
        assert f"pictures from 'images' only; '{targets}' holds no class indices" in data.notes


def test_text_labels_beside_images_are_said(tmp_path: Path) -> None:
    lay_out(tmp_path, "images/a.png")
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "a.txt").write_text("0 0.5 0.5 1 1")
    data = image_folder(tmp_path, "raw")
    assert (len(data), data.labels) == (1, None)
    assert any("'labels' holds no class indices" in note for note in data.notes)


def test_parts_below_images_are_named(tmp_path: Path) -> None:
    lay_out(tmp_path, "images/train/a.png", "images/val/a.png", "masks/train/a.png", "masks/val/a.png")
    with pytest.raises(DataError, match=r"for example '.*/images/val'"):
        image_folder(tmp_path, "raw")


def test_formats_that_are_not_read_are_counted(tmp_path: Path) -> None:
    lay_out(tmp_path, "a.png")
    for name in ("b.heic", "c.HEIC", "d.svg", "e.txt"):
        (tmp_path / name).write_bytes(b"x")
    assert image_folder(tmp_path, "raw").notes == (
        "left out: 2 .heic pictures, which are not read, 1 .svg pictures, which are not read, 1 other files",
    )


def test_a_folder_of_nothing_that_is_read_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.heic").write_bytes(b"x")
    with pytest.raises(DataError, match=r"no images in .*left out: 1 \.heic pictures, which are not read"):
        image_folder(tmp_path, "raw")


def test_pictures_that_a_table_does_not_list_are_counted(tmp_path: Path) -> None:
    lay_out(tmp_path, "a.png", "b.png")
    (tmp_path / "labels.csv").write_bytes("\ufefffile;class_index\r\na.png;7\r\n".encode())
    data = image_folder(tmp_path, "raw")
    assert data.labels is not None
    assert data.labels.tolist() == [7]
    assert data.notes == (
        "labels from 'labels.csv': 1 classes, 7..7",
        "left out: 1 pictures that 'labels.csv' does not list",
    )


def test_a_pipe_is_no_table(tmp_path: Path) -> None:
    lay_out(tmp_path, "a.png")
    os.mkfifo(tmp_path / "labels.csv")
    with pytest.raises(DataError, match=r"cannot read labels from '.*labels\.csv'"):
        image_folder(tmp_path, "raw")


def test_names_are_text_whatever_they_hold(tmp_path: Path) -> None:
    for name in (b"\xff\xfe.png", b"[/red]\x1b[31m.png"):
        write_png(tmp_path / os.fsdecode(name))
    assert image_folder(tmp_path, "raw").names == ("[/red]\\x1b[31m.png", "\\udcff\\udcfe.png")
    (tmp_path / os.fsdecode(b"\xff.png")).write_bytes(b"x")
    with pytest.raises(DataError, match=r"udcff\.png") as caught:
        image_folder(tmp_path, "raw")
    str(caught.value).encode()
