"""The page docs/results/misuse.md: what the command line says to each mistake of :mod:`misuse.cases`.

PYTHONPATH=tests python -m misuse.misuse_table
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from typer.testing import CliRunner

from zeroskip.cli.app import app

from .cases import CASES, Case

PAGE = Path(__file__).resolve().parents[2] / "docs" / "results" / "misuse.md"
_HEAD = """\
# Ways to hold it wrong

Made by `PYTHONPATH=tests python -m misuse.misuse_table`, on a tiny network and small pictures; a
test makes each mistake and looks for what must be said.

| mistake | exit | what is said |
| --- | --- | --- |
"""


@dataclass(frozen=True)
class Answer:
    """How a command ended, and its words."""

    code: int
    text: str


def answer_to(case: Case) -> Answer:
    """Make a mistake in an empty folder, and return what comes of it."""
    with tempfile.TemporaryDirectory() as folder, _working_in(folder):
        done = CliRunner().invoke(app, list(case.command(Path(folder))))
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise AssertionError(f"'{case.mistake}' ended in a traceback") from done.exception
        text = " ".join((done.stderr or done.stdout).replace(folder, "").split())
        return Answer(done.exit_code, text)


def page() -> str:
    """Return the page."""
    rows = [f"| {case.mistake} | {answer.code} | {_brief(answer)} |" for case in CASES for answer in [answer_to(case)]]
    return _HEAD + "\n".join(rows) + "\n"


def _brief(answer: Answer) -> str:
    """Return the error, the warning or the verdict of what was said."""
    found = re.search(r"(error: |Error: ?|warning: |No: ).*", answer.text)
    text = re.sub(r"[│╭╮╰╯─]+", " ", found.group(0) if found else answer.text)
    text = " ".join(text.split())
    return (text if len(text) <= 420 else text[:420].rsplit(" ", 1)[0] + " ...").replace("|", "\\|")


@contextlib.contextmanager
def _working_in(folder: str) -> Iterator[None]:
    before = os.getcwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


if __name__ == "__main__":
    PAGE.write_text(page())
    sys.exit(0)
