"""The pages: what they show as Python runs, and what they show as commands exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer

from zeroskip.cli.app import app

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md")])
RUNNABLE = ("index.md", "guides/pytorch.md")
"""Pages whose Python blocks stand alone, one after the other; those of other pages need a model of the reader."""


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", RUNNABLE)
def test_python_runs(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = blocks(ROOT / "docs" / page, "python")
    assert found
    if any("torch" in block for block in found):
        pytest.importorskip("torch")
        pytest.importorskip("onnxscript")
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {}
    for number, block in enumerate(found):
        exec(compile(block, f"{page}, block {number}", "exec"), namespace)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_python_is_python(page: Path) -> None:
    for number, block in enumerate(blocks(page, "python")):
        compile(block, f"{page.name}, block {number}", "exec")


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_and_their_options_exist(page: Path) -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    text = "\n".join(blocks(page, "(?:console|bash|sh)?")).replace("\\\n", " ")
    for command, rest in re.findall(r"^(?:\$ )?zeroskip ([a-z]+)(.*)$", text, re.MULTILINE):
        assert command in commands, f"{page.name}: zeroskip {command}"
        known = {name for option in commands[command].params for name in (*option.opts, *option.secondary_opts)}
        used = re.findall(r"(?<!\S)--[a-z-]+", rest.split("#")[0])
        assert set(used) <= known | {"--help"}, f"{page.name}: zeroskip {command}{rest}"


def test_what_the_site_lists_is_there() -> None:
    listed = set(re.findall(r"[\w/.-]+\.md", (ROOT / "mkdocs.yml").read_text()))
    there = {page.relative_to(ROOT / "docs").as_posix() for page in ROOT.glob("docs/**/*.md")}
    assert listed <= there


def test_links_between_pages_lead_somewhere() -> None:
    for page in PAGES:
        for link in re.findall(r"\]\(([^)#\s]+)", page.read_text("utf-8")):
            if not re.match(r"[a-z]+:", link):
                assert (page.parent / link).exists(), f"{name_of(page)}: {link}"
