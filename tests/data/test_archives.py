"""Archives of arrays that are damaged, too large or not what they say."""

from __future__ import annotations

import contextlib
import io
import os
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from zeroskip import DataError
from zeroskip.data import archives, npz
from zeroskip.data.archives import read_arrays, read_header

X = np.random.default_rng(0).standard_normal((6, 3, 8, 8)).astype(np.float32)


def member(array: np.ndarray, shape: tuple[int, ...] | None = None) -> bytes:
    """Return an .npy file, perhaps one that declares another shape."""
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, allow_pickle=True)
    data = stream.getvalue()
    if shape is None:
        return data
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": shape})
    return header.getvalue() + data[-array.nbytes :]


def archive(path: Path, content: bytes, kind: int = zipfile.ZIP_DEFLATED, name: str = "x.npy") -> Path:
    with zipfile.ZipFile(path, "w", kind) as file:
        file.writestr(name, content)
    return path


@pytest.mark.parametrize("kind", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_every_compression_is_read(tmp_path: Path, kind: int) -> None:
    path = archive(tmp_path / "a.npz", member(X), kind)
    assert np.array_equal(read_arrays(path, "x", "y")["x"], X)
    assert read_header(path, "x").shape == X.shape


@pytest.mark.parametrize("array", [np.asfortranarray(X), X.astype(">f4"), X.astype(np.float64), X[:0], X[0, 0, 0, 0]])
def test_arrays_are_as_numpy_reads_them(tmp_path: Path, array: np.ndarray) -> None:
    np.savez_compressed(tmp_path / "a.npz", x=array)
    found = read_arrays(tmp_path / "a.npz", "x")["x"]
    assert found.dtype == array.dtype
    assert np.array_equal(found, array)


@pytest.mark.parametrize("kind", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_damage_anywhere_is_our_error(tmp_path: Path, kind: int) -> None:
    whole = archive(tmp_path / "a.npz", member(X), kind).read_bytes()
    random = np.random.default_rng(kind)
    for _ in range(150):
        damaged = bytearray(whole)
        for place in random.integers(0, len(whole), 3):
            damaged[place] ^= int(random.integers(1, 256))
        (tmp_path / "b.npz").write_bytes(damaged[: int(random.integers(len(whole) // 2, len(whole) + 1))])
        with contextlib.suppress(DataError):
            read_arrays(tmp_path / "b.npz", "x")


def test_bombs_are_refused_before_they_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        DataError, match=r"'a\.npz': array 'x' \(1000000000000,\) takes 4000000000\d* bytes, but the archive"
    ):
        read_arrays(archive(tmp_path / "a.npz", member(X, (10**12,))), "x")
    path = archive(tmp_path / "zeros.npz", member(np.zeros((5_000_000,), np.float32)))
    assert path.stat().st_size < 50_000
    monkeypatch.setattr(archives, "available_memory_bytes", lambda: 10**7)
    with pytest.raises(DataError, match=r"takes 0\.0 GB of memory, available are 0\.0 GB: split the file"):
        read_arrays(path, "x")


def test_a_size_that_lies_is_found(tmp_path: Path) -> None:
    """The directory of the archive promises what the member's stream does not hold."""
    path = archive(tmp_path / "a.npz", member(X))
    data = bytearray(path.read_bytes())
    place = data.rindex(b"PK\x01\x02")
    size = struct.unpack_from("<I", data, place + 24)[0]
    struct.pack_into("<I", data, place + 24, size + 4 * 10**6)
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"a\.npz"):
        read_arrays(path, "x")


def test_objects_are_never_loaded(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.array([{"a": 1}], object), y=np.zeros(1, np.int64))
    with pytest.raises(DataError, match="Python objects, which are never loaded"):
        read_arrays(tmp_path / "a.npz", "x")
    np.savez(tmp_path / "b.npz", x=X, y=np.array([None] * 6, object))
    with pytest.raises(DataError, match=r"'b\.npz': array 'y' is made of Python objects"):
        npz(tmp_path / "b.npz")


@pytest.mark.parametrize("dtype", ["U3", "M8[s]", "c8", [("a", "f4")], bool])
def test_arrays_of_other_types_are_refused(tmp_path: Path, dtype: object) -> None:
    np.savez(tmp_path / "a.npz", x=np.zeros((2, 3), dtype))  # type: ignore[call-overload]
    with pytest.raises(DataError, match="dtype"):
        npz(tmp_path / "a.npz")


@pytest.mark.parametrize(
    "content", [b"", b"\x93NUMPY", b"\x93NUMPY\x09\x00" + b"\0" * 200, b"\x93NUMPY\x01\x00\x10\x00{{{{{{{{{{{{{{{{"]
)
def test_members_that_are_no_arrays_are_told(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(DataError, match=r"a\.npz"):
        read_arrays(archive(tmp_path / "a.npz", content), "x")


def test_pipes_and_folders_are_no_archives(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.npz")
    (tmp_path / "b.npz").mkdir()
    for name in ("a.npz", "b.npz"):
        with pytest.raises(DataError, match=rf"cannot read '{name}'"):
            read_arrays(tmp_path / name, "x")
