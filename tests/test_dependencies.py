"""Version floors: no dependency that reads files of strangers may be older than the repair of a known vulnerability."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path

import pytest

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"

REPAIRED = {"onnx": (1, 21), "protobuf": (6, 33, 5), "pillow": (12, 3), "jinja2": (3, 1, 6)}
"""First version without the vulnerabilities named in ``pyproject.toml``; of Pillow the one for the oldest Python."""


def floors() -> list[tuple[str, tuple[int, ...], str]]:
    """Return name, lowest version and the comment above of each dependency."""
    block = PYPROJECT.read_text().partition("\ndependencies = [\n")[2].partition("\n]")[0]
    found, comment = [], ""
    for line in block.splitlines():
        entry = re.match(r'\s*"([\w-]+)>=([\d.]+)', line)
        if entry is None:
            comment += line
            continue
        found.append((entry[1], version(entry[2]), comment))
        comment = ""
    return found


def version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:3])


@pytest.mark.parametrize("name", REPAIRED)
def test_floors_exclude_known_vulnerabilities_and_say_which(name: str) -> None:
    entries = [(floor, comment) for found, floor, comment in floors() if found == name]
    assert entries
    assert all(floor >= REPAIRED[name] for floor, _ in entries)
    assert re.search(r"CVE-\d{4}-\d+", entries[0][1])


@pytest.mark.parametrize("name", REPAIRED)
def test_what_is_installed_is_no_older(name: str) -> None:
    assert version(metadata.version(name)) >= REPAIRED[name]
