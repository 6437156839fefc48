"""Names cannot steer a terminal, and times keep their digits."""

from __future__ import annotations

import pytest

from zeroskip.text import printable, time_cell, time_words


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("conv5/relu", "conv5/relu"),
        ("\x1b[2J\x1b]0;title\x07", "\\x1b[2J\\x1b]0;title\\x07"),
        ("a\nb\tc\rd\x7f", "a\\nb\\tc\\rd\\x7f"),
        ("csi \x9b31m", "csi \\x9b31m"),
        ("gpj.\u202ecod", "gpj.\\u202ecod"),
        ("zero\u200bwidth \u2028line", "zero\\u200bwidth \\u2028line"),
        ("\udcff.jpg", "\\udcff.jpg"),
        ("Schicht_ä 層 [red]x[/red] :smile:", "Schicht_ä 層 [red]x[/red] :smile:"),
    ],
)
def test_what_would_steer_a_terminal_is_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_line_feeds_can_be_kept() -> None:
    assert printable("a\n\x1bb", keep="\n") == "a\n\\x1bb"


@pytest.mark.parametrize(
    ("ms", "cell", "words"),
    [
        (0.0, "0", "0 µs"),
        (0.00042, "0.4 µs", "0.42 µs"),
        (0.0999, "99.9 µs", "99.9 µs"),
        (0.1, "0.100", "0.1 ms"),
        (12.3456, "12.346", "12.3 ms"),
        (12345.6, "12345.600", "12346 ms"),
    ],
)
def test_times(ms: float, cell: str, words: str) -> None:
    assert time_cell(ms) == cell
    assert time_words(ms) == words
