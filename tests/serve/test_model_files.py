"""Which models the arguments of the command line name."""

from __future__ import annotations

from pathlib import Path

import pytest

from zeroskip.errors import ServeError
from zeroskip.serve.model_files import find_models


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def test_files_with_and_without_a_name(tmp_path: Path) -> None:
    file = touch(tmp_path / "net.onnx")
    found = find_models([str(file), f"other={file}"])
    assert [(item.name, item.version, item.path) for item in found] == [("net", "1", file), ("other", "1", file)]


def test_a_file_whose_name_holds_an_equals_sign(tmp_path: Path) -> None:
    file = touch(tmp_path / "lr=0.1.onnx")
    assert find_models([f"net={file}"])[0].path == file


def test_a_folder_of_models_and_versions(tmp_path: Path) -> None:
    touch(tmp_path / "a" / "1" / "model.onnx")
    touch(tmp_path / "a" / "10" / "anything.onnx")
    touch(tmp_path / "a" / "10" / "notes.txt")
    touch(tmp_path / "a" / "draft" / "model.onnx")  # no version
    touch(tmp_path / "b.onnx")
    found = find_models([str(tmp_path)])
    assert {(item.name, item.version, item.path.name) for item in found} == {
        ("a", "1", "model.onnx"),
        ("a", "10", "anything.onnx"),
        ("b", "1", "b.onnx"),
    }


@pytest.mark.parametrize(
    ("files", "arguments", "message"),
    [
        ([], ["gone.onnx"], "no file"),
        ([], ["."], "no model"),
        (["a/1/x.onnx", "a/1/y.onnx"], ["."], "2 ONNX files"),
        (["a/1/x.txt"], ["."], "0 ONNX files"),
        (["n.onnx"], ["n.onnx", "n=n.onnx"], "both version 1"),
        (["n.onnx"], ["../x=n.onnx"], "cannot be called"),
        (["n.onnx"], ["=n.onnx"], "cannot be called"),
        (["[red].onnx"], ["[red].onnx"], "cannot be called"),
    ],
)
def test_what_cannot_be_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: list[str], arguments: list[str], message: str
) -> None:
    for file in files:
        touch(tmp_path / file)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ServeError, match=message):
        find_models(arguments)
