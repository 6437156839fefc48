"""Files appear whole or not at all."""

from __future__ import annotations

import errno
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

import zeroskip
from tiny_network import tiny_data, tiny_network
from zeroskip import OutputError, ZeroskipError
from zeroskip.calibration import CalibrationResult
from zeroskip.engine import CostModel
from zeroskip.files import atomic_path, atomic_write_bytes, atomic_write_text, read_ordinary, read_text, sha256_of
from zeroskip.staging import staged_directory


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


def test_hash_of_a_file_is_the_hash_of_its_content(tmp_path: Path) -> None:
    content = bytes(range(256)) * 8192  # two read chunks
    (tmp_path / "file").write_bytes(content)
    assert sha256_of(tmp_path / "file") == sha256_of(content)


def full_disk(*arguments: object, **options: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_names_the_file_and_is_one_of_our_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "result.json"
    monkeypatch.setattr("zeroskip.files.open", full_disk, raising=False)
    with pytest.raises(OutputError, match=r"cannot write '.*result\.json': No space left on device") as caught:
        atomic_write_text(target, "text")
    assert isinstance(caught.value, OSError)
    assert caught.value.errno == errno.ENOSPC
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_told_by_the_name_that_was_asked_for(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"none.result\.json': No such file"):
        atomic_write_text(tmp_path / "none" / "result.json", "text")


def test_an_error_over_another_file_keeps_its_name(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="other"), atomic_path(tmp_path / "result.json"):
        (tmp_path / "other").read_text()


def test_a_disk_that_fills_up_names_the_folder(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"cannot write '.*results'"), staged_directory(tmp_path / "results"):
        full_disk()
    assert list(tmp_path.iterdir()) == []


def test_what_is_read_is_an_ordinary_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    os.mkfifo(tmp_path / "pipe")
    assert read_ordinary(tmp_path / "file") == read_ordinary(tmp_path / "link") == b"content"
    for path in (tmp_path / "pipe", Path(os.devnull)):
        with pytest.raises(OSError, match="not an ordinary file"):
            read_ordinary(path)
    with pytest.raises(IsADirectoryError):
        read_ordinary(tmp_path)
    with pytest.raises(OSError, match="null"):
        read_ordinary("nul\0l")
    with pytest.raises(OSError, match="7 bytes, at most 3"):
        read_ordinary(tmp_path / "file", max_bytes=3)


@pytest.mark.parametrize("load", [zeroskip.ThresholdSet.load, CalibrationResult.load, CostModel.load])
def test_readers_of_results_refuse_pipes_and_endless_nesting(tmp_path: Path, load: Callable[[Path], object]) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "deep.json").write_text("[" * 200_000)
    for name in ("pipe.json", "deep.json"):
        with pytest.raises(ZeroskipError, match=name):
            load(tmp_path / name)


def test_a_disk_without_room_is_refused_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zeroskip.staging.shutil.disk_usage", lambda folder: SimpleNamespace(free=5_000_000))
    with (
        pytest.raises(OutputError, match=r"results': 20 MB are needed, 5 MB are free"),
        staged_directory(tmp_path / "results", 20_000_000),
    ):
        raise AssertionError("the work has begun")
    with pytest.raises(OutputError, match="MB are free"):
        zeroskip.optimize(tiny_network(), tiny_data(8), 0.1, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_reading_takes_memory_for_the_file_only(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    tracemalloc.start()
    try:
        read_ordinary(tmp_path / "file", max_bytes=1 << 31)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_texts_are_read_as_windows_writes_them(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "text"
    path.write_bytes("zwölf\r\n".encode(encoding))
    assert read_text(path) == "zwölf\r\n"
    marks = {"utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}
    for order, mark in marks.items():
        path.write_bytes(mark + "zwölf".encode(order))
        assert read_text(path) == "zwölf"
    path.write_bytes(b"zw\xf6lf")
    with pytest.raises(UnicodeDecodeError):
        read_text(path)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_every_text_that_users_bring_is_read_so(tmp_path: Path, encoding: str) -> None:
    from zeroskip.data import Preprocess
    from zeroskip.data.classes import ClassNames
    from zeroskip.thresholds import ThresholdSet

    path = tmp_path / "text"

    def written(text: str) -> Path:
        path.write_bytes(text.encode(encoding))
        return path

    assert ClassNames.load(written("cat\ndog\n")).index_of == {"cat": 0, "dog": 1}
    recipe = Preprocess.preset("imagenet")
    recipe.save(path)
    assert Preprocess.load(written(path.read_text(encoding="utf-8"))) == recipe
    thresholds = ThresholdSet({"relu": 0.5})
    assert ThresholdSet.load(written(thresholds.to_json())).to_dict() == thresholds.to_dict()
