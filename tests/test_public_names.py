"""One rule says what is public: what ``__all__`` of the package, or of a room directly in it, lists."""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path

import pytest

import zeroskip

ROOT = Path(__file__).resolve().parents[1]
ROOMS = sorted(path.parent.name for path in Path(zeroskip.__file__).parent.glob("*/__init__.py"))
PUBLIC = ["zeroskip", *(f"zeroskip.{room}" for room in ROOMS)]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/*.py")])


def load(module: str) -> object:
    if module == "zeroskip.torch":
        pytest.importorskip("torch")
    return importlib.import_module(module)


@pytest.mark.parametrize("module", PUBLIC)
def test_every_public_name_exists_and_is_described(module: str) -> None:
    room = load(module)
    names = room.__all__
    assert sorted(names) == sorted(set(names))
    assert set(names) <= set(dir(room))
    for name in names:
        value = getattr(room, name)
        if inspect.isclass(value) or inspect.isfunction(value):
            assert value.__doc__, f"{module}.{name} has no docstring"
            assert not name.startswith("_"), f"{module}.{name} is listed, though its name says it is private"


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_pages_and_examples_use_public_names_only(page: Path) -> None:
    for module, names in re.findall(r"^\s*from (zeroskip[\w.]*) import ([\w, ]+)", page.read_text(), re.MULTILINE):
        assert module in PUBLIC or module == "zeroskip.thresholds", f"{page.name} imports from {module}"
        room = load(module)
        for name in names.split(","):
            assert name.strip().split(" as ")[0] in room.__all__, f"{page.name}: {module}.{name} is not public"
