"""Writing and identifying files: a result appears whole under its name or not at all.

Owns the temporary-file-and-rename idiom that every stage uses for its outputs, and the content hash that
ties a result to the model it was made from. Knows nothing of the formats written.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_HASH_CHUNK_BYTES = 1 << 20


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
        OSError: If the folder is missing or cannot be written to.
    """
    target = Path(path)
    temporary = target.with_name(f".{target.stem}.{secrets.token_hex(6)}{target.suffix}")
    try:
        yield temporary
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def atomic_write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Write ``data`` to ``path`` so that ``path`` never holds a part of it.

    Args:
        path: The file to create or replace. Its folder must exist.
        data: The whole content.

    Raises:
        OSError: If the file cannot be written.
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
        OSError: If the file cannot be written.

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
    with open(source, "rb") as stream:
        while chunk := stream.read(_HASH_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
