"""Names of files and folders as text that any terminal and any JSON file can hold."""

from __future__ import annotations

import os


def printable(name: str | os.PathLike[str]) -> str:
    r"""Return a name in which what is not printable, or no Unicode, is written as an escape.

    Args:
        name: As the file system has it.

    Example:
        >>> printable("a\x1b[31m.png")
        'a\\x1b[31m.png'
    """
    text = os.fspath(name)
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
