"""How names and times are put into text: nothing a file says can steer a terminal, and no time prints as 0.00."""

from __future__ import annotations

import textwrap
import unicodedata

_WIDTH = 80
_MICROSECONDS_BELOW_MS = 0.1


def printable(text: str, *, keep: str = "") -> str:
    r"""Return a text with everything escaped that would steer a terminal or reorder what stands beside it.

    Names of models, layers, classes and files come from others. Control characters (escape sequences begin with one),
    line separators, directional marks and lone surrogates are shown as escapes; letters of every script stay.

    Args:
        text: Any text.
        keep: Characters to leave as they are, for example a line feed in a text of several lines.

    Example:
        >>> printable("conv\x1b[2Jrelu\n")
        'conv\\x1b[2Jrelu\\n'
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c in keep or not _steers(c) else _escape(c) for c in text)


def _steers(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def wrap(text: str, indent: str = "") -> str:
    """Return a line for people to read as lines of at most 80 columns; words that are longer stay whole.

    Args:
        text: One line; blanks in front of it stay.
        indent: Put before every line but the first.

    Example:
        >>> print(wrap("island 0: " + "Where, " * 11, "  "))
        island 0: Where, Where, Where, Where, Where, Where, Where, Where, Where, Where,
          Where,
    """
    return textwrap.fill(text, _WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def time_cell(ms: float, digits: int = 3) -> str:
    """Return a time for a column of milliseconds: without a unit, or in microseconds with it below a tenth.

    Example:
        >>> time_cell(12.3456), time_cell(0.0456), time_cell(0.0)
        ('12.346', '45.6 µs', '0')
    """
    if ms == 0.0:
        return "0"
    return f"{1e3 * ms:.1f} µs" if abs(ms) < _MICROSECONDS_BELOW_MS else f"{ms:.{digits}f}"


def time_words(ms: float) -> str:
    """Return a time with its unit, three digits of it.

    Example:
        >>> time_words(12.3456), time_words(0.0456), time_words(1234.5)
        ('12.3 ms', '45.6 µs', '1234 ms')
    """
    if abs(ms) < _MICROSECONDS_BELOW_MS:
        return f"{1e3 * ms:.3g} µs"
    return f"{ms:.0f} ms" if ms >= 1e3 else f"{ms:.3g} ms"
