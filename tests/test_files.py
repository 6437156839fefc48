"""Files appear whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from zeroskip.files import atomic_path, atomic_write_bytes, atomic_write_text, sha256_of


def test_text_replaces_the_old_content_and_leaves_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "result.json"
    target.write_text("old")
    atomic_write_text(target, "näw")
    assert target.read_text(encoding="utf-8") == "näw"
    assert list(tmp_path.iterdir()) == [target]


def test_file_gets_the_permissions_of_an_ordinary_file(tmp_path: Path) -> None:
    atomic_write_bytes(tmp_path / "ours", b"")
    (tmp_path / "ordinary").touch()
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "ordinary").stat().st_mode


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_interrupted_writer_leaves_the_old_content(tmp_path: Path, error: type[BaseException]) -> None:
    target = tmp_path / "model.onnx"
    target.write_text("old")

    def write() -> None:
        with atomic_path(target) as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(error):
        write()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_temporary_path_keeps_the_suffix(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "model.onnx") as temporary:
        assert temporary.suffix == ".onnx"
        temporary.touch()


def test_missing_folder_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        atomic_write_text(tmp_path / "absent" / "file", "")


def test_hash_of_a_file_is_the_hash_of_its_content(tmp_path: Path) -> None:
    content = bytes(range(256)) * 8192  # two read chunks
    (tmp_path / "file").write_bytes(content)
    assert sha256_of(tmp_path / "file") == sha256_of(content)
