"""Reading, writing and identifying files: what is read is an ordinary file, what is written appears whole.

Owns the temporary-file-and-rename idiom that every stage uses for its outputs, the check that a path is no pipe
or device before it is read, and the content hash that ties a result to the model it was made from. Knows
nothing of the formats.
"""

from __future__ import annotations

import codecs
import errno
import hashlib
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from .errors import OutputError

_HASH_CHUNK_BYTES = 1 << 20
_MAX_BYTES = 1 << 30


def open_ordinary(path: str | os.PathLike[str]) -> BinaryIO:
    """Open an ordinary file for reading.

    Opening a pipe waits for a writer, and reading a device may have effects; what is opened is looked at by its
    descriptor, so it cannot be exchanged in between.

    Args:
        path: The file; symbolic links are followed.

    Raises:
        OSError: If it cannot be opened, or is a folder, pipe, socket or device; names the file.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except ValueError as error:  # a null character
        raise OSError(errno.EINVAL, str(error), repr(os.fspath(path))) from error
    try:
        kind = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(kind):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
        if not stat.S_ISREG(kind):
            raise OSError(errno.EINVAL, "not an ordinary file", os.fspath(path))
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_ordinary(path: str | os.PathLike[str], max_bytes: int = _MAX_BYTES) -> bytes:
    """Return the content of an ordinary file.

    Args:
        path: The file; symbolic links are followed.
        max_bytes: A larger file is refused before it is read.

    Raises:
        OSError: Like :func:`open_ordinary`; or if the file is too large.
    """
    with open_ordinary(path) as stream:
        size = os.fstat(stream.fileno()).st_size
        if size > max_bytes:
            raise OSError(errno.EFBIG, f"{size} bytes, at most {max_bytes} are read", os.fspath(path))
        return stream.read(size)  # not max_bytes: a buffer of that size would be made first


def read_text(path: str | os.PathLike[str], max_bytes: int = _MAX_BYTES) -> str:
    """Return the text of an ordinary file: UTF-8, or UTF-16 and UTF-32 by the mark in front, as Windows tools write it.

    Args:
        path: As for :func:`read_ordinary`.
        max_bytes: The same.

    Raises:
        OSError: Like :func:`read_ordinary`.
        UnicodeDecodeError: If it is in another encoding.
    """
    content = read_ordinary(path, max_bytes)
    marks = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE), (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    encodings = (name for name, mark in zip(("utf-32", "utf-16"), marks, strict=True) if content.startswith(mark))
    return content.decode(next(encodings, "utf-8-sig"))


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path in the same folder that replaces ``path`` when the block ends without an error.

    The rename is atomic within one file system, so a reader sees the old content or the new one. When the
    block raises (``KeyboardInterrupt`` included) the temporary file is removed and ``path`` stays as it
    was.

    Args:
        path: The file to create or replace. Its folder must exist.

    Yields:
        A path that does not exist yet; its suffix is that of ``path``, because some writers look at it.

    Raises:
        OutputError: If the folder is missing or cannot be written to, or the disk is full.
    """
    target = Path(path)
    temporary = target.with_name(f".{target.stem}.{secrets.token_hex(6)}{target.suffix}")
    try:
        yield temporary
        os.replace(temporary, target)
    except OSError as error:
        # A full disk names no file, and the temporary name tells nobody anything; other files' errors pass.
        if isinstance(error, OutputError) or error.filename not in (None, str(temporary), temporary):
            raise
        raise OutputError(error.errno, error.strerror or str(error), str(target)) from error
    finally:
        temporary.unlink(missing_ok=True)


def atomic_write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Write ``data`` to ``path`` so that ``path`` never holds a part of it.

    Args:
        path: The file to create or replace. Its folder must exist.
        data: The whole content.

    Raises:
        OutputError: If the file cannot be written.
    """
    # Opened with "xb" rather than mkstemp: the file then gets the permissions of the user's umask, not 0600.
    with atomic_path(path) as temporary, open(temporary, "xb") as stream:
        stream.write(data)


def atomic_write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write ``text`` as UTF-8 to ``path`` so that ``path`` never holds a part of it.

    Args:
        path: The file to create or replace. Its folder must exist.
        text: The whole content.

    Raises:
        OutputError: If the file cannot be written.

    Example:
        >>> import tempfile, pathlib
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     atomic_write_text(pathlib.Path(folder) / "a.json", "{}")
        ...     (pathlib.Path(folder) / "a.json").read_text()
        '{}'
    """
    atomic_write_bytes(path, text.encode("utf-8"))


def sha256_of(source: str | os.PathLike[str] | bytes) -> str:
    """Return the SHA-256 of a file's content, or of bytes, as 64 lower-case hexadecimal digits.

    Args:
        source: Path of a file, or the content itself.

    Raises:
        OSError: If the file cannot be read.

    Example:
        >>> sha256_of(b"")[:16]
        'e3b0c44298fc1c14'
    """
    if isinstance(source, bytes):
        return hashlib.sha256(source).hexdigest()
    digest = hashlib.sha256()
    with open_ordinary(source) as stream:
        while chunk := stream.read(_HASH_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
