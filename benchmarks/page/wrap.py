"""Paragraphs of at most 100 columns, however long the sentences that results fill in."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator

WIDTH = 100
_ITEM = re.compile(r"\s*(?:[-*+]|\d+\.)\s+")
_NO_PROSE = re.compile(r"\s*(?:\||#|<|!\[|>|---)|\s*$")
_STARTS_SOMETHING = re.compile(r"(?:[-*+>#|]|\d+[.)])(?: |$)")


def wrap(page: str) -> str:
    """Return Markdown with the paragraphs and list items filled anew that have a line above 100 columns.

    Tables, code, headings and markup stay as they are, and so does a line that is one long word.
    """
    lines: list[str] = []
    for block, is_prose in _blocks(page.split("\n")):
        lines += _filled(block) if is_prose and max(map(len, block)) > WIDTH else block
    return "\n".join(lines)


def wrap_command(command: str) -> str:
    """Return a shell command on lines of at most 100 columns that begin with options, to be copied as it stands."""
    glued = " ".join(part.replace(" ", "\0") for part in command.split(" --")).replace(" ", " --")
    lines = textwrap.wrap(
        glued, WIDTH - len(" \\"), subsequent_indent="    ", break_long_words=False, break_on_hyphens=False
    )
    return " \\\n".join(lines).replace("\0", " ")


def _blocks(lines: list[str]) -> Iterator[tuple[list[str], bool]]:
    """Yield paragraphs, list items and hard-broken lines, and apart from them each line that is no prose."""
    block: list[str] = []
    in_code = False
    for line in lines:
        is_fence = line.lstrip().startswith("```")
        if is_fence or in_code or _NO_PROSE.match(line) or _ITEM.match(line):
            if block:
                yield block, True
            block = []
        in_code ^= is_fence
        if is_fence or in_code or _NO_PROSE.match(line):
            yield [line], False
            continue
        block.append(line)
        if line.endswith("  "):  # a hard break
            yield block, True
            block = []
    if block:
        yield block, True


def _filled(block: list[str]) -> list[str]:
    item = _ITEM.match(block[0])
    indent = item[0] if item else re.match(r"\s*", block[0])[0]  # type: ignore[index]
    text = " ".join(line.strip() for line in [block[0][len(indent) :], *block[1:]])
    for width in range(WIDTH, WIDTH // 2, -1):
        lines = textwrap.wrap(
            text,
            width,
            initial_indent=indent,
            subsequent_indent=" " * len(indent),
            break_long_words=False,
            break_on_hyphens=False,
        )
        if not any(_STARTS_SOMETHING.match(line.lstrip()) for line in lines[1:]):  # a dash there would begin a list
            break
    return [*lines[:-1], lines[-1] + ("  " if block[-1].endswith("  ") else "")]
