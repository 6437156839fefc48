"""Listing: which ordinary picture files lie under a folder, and how many others were left out."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import DataError
from .class_names import printable
from .decoder import FOREIGN_SUFFIXES, FORMATS, IMAGE_SUFFIXES, begins_like_picture

LABELS_FILE = "labels.csv"

_SYSTEM_FOLDERS = frozenset({"__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information", "lost+found"})


@dataclass
class Listing:
    """The pictures under a folder.

    Args:
        root: The folder.
        pictures: Ordinary files named or beginning like a picture, sorted by path.
        folders: Names of the folders right under the root that are not hidden, sorted.
        left_out: How many entries were left out, by what they are.
    """

    root: Path
    pictures: list[Path] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, root: Path) -> Listing:
        """Look through a folder and those below it.

        Hidden folders and those of operating systems are left out. Linked folders count; one that was seen under
        another name does not count again, so that rings of links end and no picture is taken twice. Nothing but
        ordinary files is opened.

        Raises:
            DataError: If a folder cannot be read.
        """
        listing = cls(root)
        seen: set[tuple[int, int]] = set()
        links: list[Path] = []
        listing._walk(root, seen, links)
        while links:  # after all real folders: of a folder and a link to it, the folder counts
            listing._walk(links.pop(0), seen, links)
        listing.pictures.sort()
        listing.folders.sort()
        return listing

    def under(self, folder: str) -> Listing:
        """Return what lies under one of the folders."""
        root = self.root / folder
        inside = [path for path in self.pictures if path.is_relative_to(root)]
        return Listing(root, inside, _folders(root, inside), self.left_out)

    def by_folder(self) -> dict[str, list[Path]]:
        """Return the pictures below the root by the folder right under it, sorted."""
        found: dict[str, list[Path]] = {}
        for path in self.pictures:
            parts = path.relative_to(self.root).parts
            if len(parts) > 1:
                found.setdefault(parts[0], []).append(path)
        return found

    def checked(self) -> Listing:
        """Return the listing itself.

        Raises:
            DataError: If there is no picture.
        """
        if not self.pictures:
            rest = f"; {self.words()}" if self.left_out else ""
            raise DataError(f"there are no images in '{printable(self.root)}' (read are {', '.join(FORMATS)}{rest})")
        return self

    def words(self) -> str:
        """Say what was left out; empty if nothing was."""
        counted = ", ".join(f"{count} {what}" for what, count in sorted(self.left_out.items()))
        return f"left out: {counted}" if counted else ""

    def _walk(self, folder: Path, seen: set[tuple[int, int]], links: list[Path]) -> None:
        pending = [folder]
        while pending:
            current = pending.pop()
            for entry in self._entries(current, seen):
                if entry.name.startswith(".") or entry.name in _SYSTEM_FOLDERS:
                    self.left_out["hidden files or folders"] += 1
                elif not _is_folder(entry):
                    self._add(Path(entry.path), entry)
                else:
                    if current == self.root:
                        self.folders.append(entry.name)
                    (links if entry.is_symlink() else pending).append(Path(entry.path))

    def _entries(self, folder: Path, seen: set[tuple[int, int]]) -> Iterator[os.DirEntry[str]]:
        try:
            status = folder.stat()
            identity = (status.st_dev, status.st_ino)
            if identity in seen:
                self.left_out["links to folders that count already"] += 1
                return
            seen.add(identity)
            with os.scandir(folder) as entries:
                yield from sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            raise DataError(f"cannot read the folder '{printable(folder)}': {error.strerror}") from error

    def _add(self, path: Path, entry: os.DirEntry[str]) -> None:
        suffix = path.suffix.lower()
        try:
            is_ordinary = stat.S_ISREG(entry.stat().st_mode)
        except OSError:
            self.left_out["links to nothing"] += 1
            return
        if not is_ordinary:
            self.left_out["pipes, devices or sockets"] += 1
        elif suffix in IMAGE_SUFFIXES or begins_like_picture(path):
            self.pictures.append(path)
        elif suffix in FOREIGN_SUFFIXES:
            self.left_out[f"{suffix} pictures, which are not read"] += 1
        elif path.name != LABELS_FILE:
            self.left_out["other files"] += 1


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def _folders(root: Path, pictures: list[Path]) -> list[str]:
    parts = [path.relative_to(root).parts for path in pictures]
    return sorted({names[0] for names in parts if len(names) > 1})
