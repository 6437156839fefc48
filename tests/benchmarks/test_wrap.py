"""Pages of figures are wrapped, and nothing in them changes its meaning by it."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the scripts are not part of the package

from benchmarks.page.wrap import wrap, wrap_command

LONG = "word " * 30


def test_long_paragraphs_and_items_are_filled_and_keep_their_indent() -> None:
    filled = wrap(f"{LONG}\n\n- {LONG}end\n- short\n  {LONG}\nshort line\n").split("\n")
    assert max(map(len, filled)) <= 100
    assert [line for line in filled if line.startswith("- ")] == [
        "- " + " ".join(["word"] * 19),
        "- short " + " ".join(["word"] * 18),
    ]
    assert wrap("\n".join(filled)) == "\n".join(filled)


def test_what_is_no_prose_stays() -> None:
    for text in (f"| {LONG}|", f"```\n{LONG}\n```", f"## {LONG}", f"<!-- {LONG}-->", "x" * 120, "one\ntwo\n"):
        assert wrap(text) == text


def test_a_hard_break_and_a_dash_keep_their_meaning() -> None:
    broken, next_line, *dashes = wrap(f"{LONG}  \nnext  \n" + "a - b " * 40).split("\n")[1:]
    assert (broken[-2:], next_line) == ("  ", "next  ")
    assert len(dashes) > 2
    assert not any(line.startswith("- ") for line in dashes)


def test_long_commands_are_continued_and_say_the_same() -> None:
    command = "python -m benchmarks.run " + " ".join(f"--option-{place} value" for place in range(12))
    wrapped = wrap_command(command)
    assert max(map(len, wrapped.split("\n"))) <= 100
    assert shlex.split(wrapped.replace("\\\n", "")) == shlex.split(command)
    assert wrap_command("short one") == "short one"
