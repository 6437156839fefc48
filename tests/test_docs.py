"""The pages: what they show as Python and as commands runs, on a model and photographs made for it."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

import zeroskip.onnxruntime
from docs_world import PRELUDES, make_world, missing_packages
from zeroskip.cli.app import app

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md"), ROOT / "examples" / "README.md"])
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(r"^(?:\$ )?(?:taskset -c \S+ )?zeroskip (\w+)(.*)$", re.MULTILINE)
_SHELL = ("", "console", "bash", "sh")
_SERVERS = ("serve", "demo")
"""Commands that do not end by themselves, or take minutes; their options are checked, and they run elsewhere."""


def blocks(page: Path, *languages: str) -> list[str]:
    return [text for language, text in _FENCE.findall(page.read_text("utf-8")) if language in languages]


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def commands(page: Path) -> Iterator[tuple[str, str]]:
    text = "\n".join(blocks(page, *_SHELL)).replace("\\\n", " ")
    for command, rest in _COMMAND.findall(text):
        yield command, re.sub(r"\s#.*", "", rest).strip()


ALL_COMMANDS = sorted({(command, rest) for page in PAGES for command, rest in commands(page)})


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_world(tmp_path_factory.mktemp("world"))


@pytest.fixture
def place(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(world, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("ZEROSKIP_COST_MODEL", "default")
    return tmp_path


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=name_of)
def test_python_runs(page: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = blocks(page, "python")
    if missing := missing_packages("\n".join(found)):
        pytest.skip(f"not installed: {', '.join(missing)}")
    namespace: dict[str, object] = {"__name__": "__main__"}
    namespace["monkeypatch"] = monkeypatch
    try:
        exec(compile(PRELUDES.get(name_of(page), ""), f"prelude of {page.name}", "exec"), namespace)
        for number, block in enumerate(found):
            exec(compile(block, f"{page.name}, block {number}", "exec"), namespace)
    finally:
        zeroskip.onnxruntime.uninstall()
        namespace.get("stop", int)()  # type: ignore[operator]


@pytest.mark.parametrize(("command", "rest"), ALL_COMMANDS, ids=lambda value: value[:40])
def test_commands_run(command: str, rest: str, place: Path) -> None:
    known = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    assert command in known
    options = {name for option in known[command].params for name in (*option.opts, *option.secondary_opts)}
    used = re.findall(r"(?<!\S)--?[a-z][a-z-]*", rest)
    assert set(used) <= options | {"--help"}, f"zeroskip {command} {rest}"
    if command in _SERVERS:
        return
    if missing := missing_packages(rest):
        pytest.skip(f"not installed: {', '.join(missing)}")
    quick = ["--time", "0.2"] if "--time" in options and "--time" not in used else []
    quick += ["--no-compare"] if "--no-compare" in options else []
    done = CliRunner().invoke(app, [command, *shlex.split(rest), *quick])
    assert done.exit_code == 0, f"zeroskip {command} {rest}: {done.output}"


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "cpp")], ids=name_of)
def test_cpp_is_what_the_sources_say(page: Path) -> None:
    sources = "\n".join(path.read_text() for path in ROOT.glob("cpp/**/*") if path.is_file())
    for block in blocks(page, "cpp"):
        assert block.strip() in sources, block


def test_what_the_site_lists_is_there() -> None:
    listed = set(re.findall(r"[\w/.-]+\.md", (ROOT / "mkdocs.yml").read_text()))
    there = {page.relative_to(ROOT / "docs").as_posix() for page in ROOT.glob("docs/**/*.md")}
    assert listed == there


def test_links_between_pages_lead_somewhere() -> None:
    for page in PAGES:
        for link in re.findall(r"\]\(([^)#\s]+)", _FENCE.sub("", page.read_text("utf-8"))):
            if not re.match(r"[a-z]+:", link):
                assert (page.parent / link).exists(), f"{name_of(page)}: {link}"
