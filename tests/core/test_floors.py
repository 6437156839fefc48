"""The floors of the C++ sources, as ``tests/test_layering.py`` holds those of the package: no include runs up."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

CPP = Path(__file__).parents[2] / "cpp"
FLOORS = ("base", "kernels", "ops", "runtime", "bindings")
"""A file may include files of its own floor and of those before it in this list."""
OUTSIDE = ("tests", "benchmarks")
"""Programs that stand beside the house: they may include everything, and nothing includes them."""
ROOMS = ("ops/conv", "ops/move")
"""Operators of one family: they know what all operators share; ``ops`` does not know them, nor they each other."""


def sources() -> list[str]:
    files = [path for suffix in ("h", "cc", "inc") for path in CPP.rglob(f"*.{suffix}")]
    return sorted(str(path.relative_to(CPP)) for path in files)


def includes(source: str) -> list[str]:
    return re.findall(r'^#include "([^"]+)"', (CPP / source).read_text(), re.MULTILINE)


def folder(source: str) -> str:
    return source.split("/", maxsplit=1)[0]


def room(source: str) -> str | None:
    return next((name for name in ROOMS if source.startswith(name + "/")), None)


def test_every_folder_has_a_floor() -> None:
    folders = {folder(source) for source in sources()}
    assert folders == {*FLOORS, *OUTSIDE}, "give the new folder its place in FLOORS"
    assert all((CPP / name).is_dir() for name in ROOMS)


@pytest.mark.parametrize("floor", FLOORS)
def test_no_include_runs_up(floor: str) -> None:
    for source in sources():
        if folder(source) != floor:
            continue
        for included in includes(source):
            assert (CPP / included).exists(), f"{source} includes {included}: write paths from cpp/ on"
            assert folder(included) in FLOORS[: FLOORS.index(floor) + 1], (
                f"{source} includes {included}, which is above it"
            )


def test_the_rooms_of_the_operators_stand_side_by_side() -> None:
    for source in sources():
        for included in includes(source):
            known = folder(source) != "ops" or room(included) in (None, room(source))
            assert known, f"{source} includes {included}, which is the business of {room(included)}"


def test_only_the_bindings_know_python() -> None:
    for source in sources():
        text = (CPP / source).read_text()
        if folder(source) != "bindings":
            assert not re.search(r"#include <(nanobind|Python)", text), f"{source} includes Python"
