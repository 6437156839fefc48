"""Documents name files that exist: above all the tests that hold what the robustness page promises."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("docs/**/*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"])
_NAMED = re.compile(r"`((?:tests|docs|cpp|src|benchmarks|examples|tools)/[\w./-]*[\w/]|test_\w+\.py)`")


def files_named(text: str) -> Iterator[Path]:
    """Yield every path in the text; a test without its folder lies in that of the one before it."""
    folder = Path("tests")
    for name in _NAMED.findall(text):
        path = Path(name) if "/" in name else folder / name
        if path.suffix == ".py":
            folder = path.parent
        yield path


def long_lines(text: str) -> list[str]:
    """Return the lines above 100 columns that could be broken: no code, table, or single word such as an address."""
    code, found = False, []
    for line in text.splitlines():
        code ^= line.lstrip().startswith("```")
        if len(line) > 100 and not code and not line.lstrip().startswith("|") and " " in line.strip():
            found.append(line)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_pages_are_wrapped_at_100_columns(page: Path) -> None:
    assert long_lines(page.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_files_that_a_page_names_exist(page: Path) -> None:
    assert not {path for path in files_named(page.read_text(encoding="utf-8")) if not (ROOT / path).exists()}


def test_every_promise_about_hostile_data_names_a_test() -> None:
    page = (ROOT / "docs" / "robustness.md").read_text(encoding="utf-8")
    rows = [row for row in page.splitlines() if row.startswith("|")][2:]
    assert len(rows) >= 8
    for row in rows:
        assert list(files_named(row)), row
