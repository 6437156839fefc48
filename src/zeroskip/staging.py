"""A folder of results that appears whole or not at all."""

from __future__ import annotations

import errno
import glob
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import OutputError, ZeroskipError

_open: set[Path] = set()


def open_stages() -> list[Path]:
    """Return the folders that are being written to in this process."""
    return list(_open)


@contextmanager
def staged_directory(output: str | os.PathLike[str], needed_bytes: int = 0) -> Iterator[Path]:
    """Yield an empty folder whose files move to ``output`` when the block ends without an error.

    The folder lies on the same file system, in the nearest folder above ``output`` that exists, so the last
    step is a rename. When the block raises (``KeyboardInterrupt`` included) it is removed and ``output``
    stays as it was.

    Args:
        output: The folder to create, or to put the files into if it exists; files of the same names are
            replaced.
        needed_bytes: What is going to be written, about; a disk with less room is refused before the block runs.

    Yields:
        The folder to write to.

    Raises:
        ZeroskipError: If ``output`` is a file.
        OutputError: If nothing can be written there, or the disk has no room. Found out before the block runs.
    """
    target = Path(output).absolute()
    if target.exists() and not target.is_dir():
        raise ZeroskipError(f"output '{output}' is a file, expected a folder (it need not exist yet)")
    anchor = next(folder for folder in target.parents if folder.is_dir())
    stage = anchor / f".{target.name}.{secrets.token_hex(6)}"
    if (free := shutil.disk_usage(anchor).free) < needed_bytes:
        reason = f"{needed_bytes / 1e6:.0f} MB are needed, {free / 1e6:.0f} MB are free"
        raise OutputError(errno.ENOSPC, reason, os.fspath(output))
    try:
        stage.mkdir()
    except OSError as error:
        raise OutputError(error.errno, error.strerror or str(error), os.fspath(output)) from error
    _open.add(stage)
    try:
        yield stage
        _move(stage, target)
    except OSError as error:  # a full disk names no file
        if error.filename is not None:
            raise
        raise OutputError(error.errno, error.strerror or str(error), os.fspath(output)) from error
    finally:
        shutil.rmtree(stage, ignore_errors=True)
        _open.discard(stage)


def remove_stale(output: str | os.PathLike[str]) -> None:
    """Remove the folders that killed runs left beside an output.

    Args:
        output: As for :func:`staged_directory`. Nobody else may be writing there.
    """
    target = Path(output).absolute()
    anchor = next(folder for folder in target.parents if folder.is_dir())
    for folder in anchor.glob(f".{glob.escape(target.name)}.*"):
        if re.fullmatch(r"[0-9a-f]{12}", folder.name[len(target.name) + 2 :]) and folder.is_dir():
            shutil.rmtree(folder, ignore_errors=True)


def _move(stage: Path, target: Path) -> None:
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        os.rename(stage, target)
        return
    for file in sorted(stage.iterdir()):
        os.replace(file, target / file.name)
