"""Journal: results of long computations on disk, so that a run that was killed goes on where it was.

An append-only file of records, each a key (a hash of everything that the result depends on) and some arrays. A record
that was cut short by the end of the process is dropped when the file is opened again. Nothing is ever wrong for want of
a journal, only slower: where one cannot be written, work goes on without.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import logging
import os
import shutil
import struct
import time
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]

_HEADER = struct.Struct("<4s32sQI")
_MAGIC = b"zsj1"
_FILE = "journal.bin"
_MOST_BYTES = 4 << 30
"""What a journal may grow to; results after that are computed again by the next run."""

_WORTH_KEEPING_S = 60.0
"""What took less than this is not kept when the run fails or is stopped."""

_logger = logging.getLogger(__name__)


def digest(*parts: object) -> bytes:
    """Return a hash of strings, numbers, bytes, arrays, and sequences and mappings of them.

    Args:
        *parts: Every one counts with its kind and size, so that no two lists of parts run together.
    """
    state = hashlib.sha256()
    _feed(state, parts)
    return state.digest()


def _feed(state: Any, part: object) -> None:
    if isinstance(part, np.ndarray):
        state.update(f"a{part.dtype.str}{part.shape}".encode())
        state.update(np.ascontiguousarray(part).data)
    elif isinstance(part, bytes):
        state.update(b"b%d:" % len(part))
        state.update(part)
    elif isinstance(part, Mapping):
        _feed(state, [item for pair in part.items() for item in pair])
    elif isinstance(part, tuple | list):
        state.update(b"l%d:" % len(part))
        for item in part:
            _feed(state, item)
    else:
        _feed(state, f"{type(part).__name__} {part!r}".encode())


_open: set[Journal] = set()


def open_journals() -> list[Journal]:
    """Return the journals that this process is writing."""
    return list(_open)


class Journal:
    """Results by key, in a folder of its own; a context manager.

    The folder is removed when the context ends. It stays, and a warning says so, where an error ends more than a minute
    of work; a process that is killed leaves it anyway.

    Args:
        folder: To create, or to go on from.

    Attributes:
        recalled: How many results were taken from it.
        is_kept: Whether the folder stays in any case.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.recalled = 0
        self.is_kept = False
        self._started = time.monotonic()
        self._places: dict[bytes, tuple[int, int]] = {}
        self._end = 0
        self._stream: io.BufferedRandom | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._stream = self._open(folder / _FILE)
            if self._stream is not None:
                _open.add(self)
        except OSError as error:
            _logger.warning("nothing is kept for a later run: '%s': %s", folder, error.strerror or error)

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._stream is None:
            return
        self._stream.close()
        self._stream = None
        _open.discard(self)
        if error is not None:
            self.abandon()
        elif not self.is_kept:
            shutil.rmtree(self.folder, ignore_errors=True)

    def abandon(self) -> None:
        """Leave the folder for a later run if it holds enough work, else remove it."""
        if self._places and time.monotonic() - self._started >= _WORTH_KEEPING_S:
            _logger.warning("'%s' keeps what was computed: the same command goes on from there", self.folder)
        elif not self.is_kept:
            shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def is_open(self) -> bool:
        """Whether results are kept; then no other run works for the same output."""
        return self._stream is not None

    def recall(self, key: bytes, compute: Callable[[], Arrays]) -> Arrays:
        """Return the result with a key, computing and keeping it if there is none yet.

        Args:
            key: 32 bytes, see :func:`digest`.
            compute: Returns the arrays.
        """
        known = self._get(key)
        if known is not None:
            self.recalled += 1
            return known
        found = compute()
        self._put(key, found)
        return found

    def _open(self, path: Path) -> io.BufferedRandom | None:
        stream = open(path, "a+b")  # noqa: SIM115 (lives as long as the journal)
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            stream.close()
            _logger.warning("another run is working on '%s'; this one keeps nothing for later", path.parent)
            return None
        self._read_places(stream)
        stream.truncate(self._end)  # what was cut short
        return stream

    def _read_places(self, stream: io.BufferedRandom) -> None:
        size = stream.seek(0, os.SEEK_END)
        while self._end + _HEADER.size <= size:
            stream.seek(self._end)
            magic, key, length, _ = _HEADER.unpack(stream.read(_HEADER.size))
            start = self._end + _HEADER.size
            if magic != _MAGIC or start + length > size:
                return
            self._places[key] = (self._end, length)
            self._end = start + length

    def _get(self, key: bytes) -> Arrays | None:
        if self._stream is None or key not in self._places:
            return None
        start, length = self._places[key]
        try:
            self._stream.seek(start)
            _, _, _, checksum = _HEADER.unpack(self._stream.read(_HEADER.size))
            payload = self._stream.read(length)
            if zlib.crc32(payload) != checksum:
                return None
            with np.load(io.BytesIO(payload), allow_pickle=False) as archive:
                return {name: archive[name] for name in archive.files}
        except (OSError, ValueError, struct.error):
            return None

    def _put(self, key: bytes, arrays: Arrays) -> None:
        if self._stream is None:
            return
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)  # type: ignore[arg-type]
        payload = buffer.getvalue()
        if self._end + len(payload) > _MOST_BYTES:
            return
        try:
            self._stream.seek(0, os.SEEK_END)
            self._stream.write(_HEADER.pack(_MAGIC, key, len(payload), zlib.crc32(payload)) + payload)
            self._stream.flush()
        except OSError as error:
            _logger.warning("nothing more is kept for a later run: '%s': %s", self.folder, error.strerror or error)
            self._stream.close()
            self._stream = None
            return
        self._places[key] = (self._end, len(payload))
        self._end += _HEADER.size + len(payload)
