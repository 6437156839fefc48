"""Reading arrays out of .npz files: what a member declares is checked before it is read, whoever made the file."""

from __future__ import annotations

import math
import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..files import open_ordinary
from ..system import available_memory_bytes
from .class_names import printable

_CHUNK_BYTES = 1 << 24
_MAX_BYTES = 1 << 40
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


@dataclass(frozen=True)
class Header:
    """What a member of an archive declares.

    Args:
        shape: Of the array.
        is_fortran: Whether the first index runs fastest.
        dtype: Of the array.
    """

    shape: tuple[int, ...]
    is_fortran: bool
    dtype: np.dtype[Any]

    @property
    def nbytes(self) -> int:
        """Size of the array."""
        return math.prod(self.shape) * self.dtype.itemsize


def read_arrays(path: str | os.PathLike[str], required: str, *optional: str) -> dict[str, NDArray[Any]]:
    """Return arrays of an .npz file.

    Args:
        path: The file.
        required: Name of an array that must be there.
        *optional: Names of arrays that may be.

    Raises:
        DataError: If the file cannot be read, or an array is missing, damaged, of Python objects or larger than memory.
    """
    with _archive(path, required) as archive:
        names = [name for name in (required, *optional) if f"{name}.npy" in archive.namelist()]
        return {name: _read(archive, name) for name in names}


def read_names(path: str | os.PathLike[str]) -> list[str]:
    """Return the names of the arrays in an .npz file, in its order.

    Raises:
        DataError: If the file cannot be read.
    """
    with _archive(path, None) as archive:
        return [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]


def read_header(path: str | os.PathLike[str], name: str) -> Header:
    """Return what an array of an .npz file declares, without reading it.

    Raises:
        DataError: As for :func:`read_arrays`.
    """
    with _archive(path, name) as archive, archive.open(f"{name}.npy") as stream:
        return _header(stream, name)


@contextmanager
def _archive(path: str | os.PathLike[str], required: str | None) -> Iterator[zipfile.ZipFile]:
    what = f"'{printable(Path(path).name)}'"
    try:
        with open_ordinary(path) as stream, zipfile.ZipFile(stream) as archive:
            if required is not None and f"{required}.npy" not in archive.namelist():
                held = sorted(printable(name.removesuffix(".npy")) for name in archive.namelist()[:20])
                raise DataError(f"{what} has no array '{required}'; it holds {held}")
            yield archive
    except DataError as error:
        raise error if str(error).startswith(what) else DataError(f"{what}: {error}") from error
    except Exception as error:  # zipfile and its decompressors raise more kinds than they document
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise DataError(f"cannot read {what} as an .npz file: {reason or type(error).__name__}") from error


def _header(stream: IO[bytes], name: str) -> Header:
    version = np.lib.format.read_magic(stream)
    if version not in _HEADERS:
        raise DataError(f"array '{name}' is of version {version} of the .npy format, expected 1.0 or 2.0")
    header = Header(*_HEADERS[version](stream))
    if header.dtype.hasobject:
        raise DataError(f"array '{name}' is made of Python objects, which are never loaded: save numbers")
    return header


def _read(archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    info = archive.getinfo(f"{name}.npy")
    with archive.open(info) as stream:
        header = _header(stream, name)
        declared = stream.tell() + header.nbytes
        if declared != info.file_size:
            raise DataError(
                f"array '{name}' {header.shape} takes {declared} bytes, but the archive holds {info.file_size}"
            )
        _check_memory(header, name)
        values = np.empty(header.nbytes, np.uint8)
        place, view = 0, values.data
        while place < header.nbytes:
            chunk = stream.read(min(_CHUNK_BYTES, header.nbytes - place))
            if not chunk:
                raise DataError(f"array '{name}' ends after {place} of {header.nbytes} bytes: the file is truncated")
            view[place : place + len(chunk)] = chunk
            place += len(chunk)
        stream.read(1)  # at its end the checksum is compared
    array = values.view(header.dtype) if header.nbytes else np.empty(0, header.dtype)
    return array.reshape(header.shape, order="F" if header.is_fortran else "C")


def _check_memory(header: Header, name: str) -> None:
    available = available_memory_bytes()
    if header.nbytes > min(_MAX_BYTES, _MAX_BYTES if available is None else available):
        shown = "" if available is None else f", available are {available / 1e9:.1f} GB"
        raise DataError(
            f"array '{name}' {header.shape} takes {header.nbytes / 1e9:.1f} GB of memory{shown}: split the file"
        )
