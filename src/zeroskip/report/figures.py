"""Figures of the page: matplotlib's SVG with text as text, and colours that follow the page's light or dark scheme."""

from __future__ import annotations

import importlib.util
import io
import re
from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING, Any

from ..text import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Drawn in colours that nothing else has, which become variables of the page's style sheet.
INK, SOFT, LINE = "#010203", "#010204", "#010205"
EXACT, OURS, BAD = "#010206", "#010207", "#010208"
_VARIABLES = {INK: "fg", SOFT: "soft", LINE: "line", EXACT: "exact", OURS: "ours", BAD: "bad"}

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text: it is read aloud, found and copied
    "svg.hashsalt": "zeroskip",  # the same figures give the same file
    "text.parse_math": False,  # names of layers may hold a $
    "font.family": "sans-serif",
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": SOFT,
    "axes.edgecolor": LINE,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "grid.color": LINE,
    "axes.titlesize": 9,
}
_PROLOGUE = re.compile(r"^.*?(?=<svg)", re.DOTALL)
_METADATA = re.compile(r"<metadata>.*?</metadata>\s*", re.DOTALL)
_SIZE = re.compile(r'<svg[^>]*?viewBox="([^"]*)"[^>]*>')
_GROUP_ID = re.compile(r'<g id="[^"]*"(?=/?>)')
_FONT = re.compile(r"font: ([\d.]+px) [^;\"]*")
_BLANKS = re.compile(r"\n\s*")


def can_draw() -> bool:
    """Return whether matplotlib is installed."""
    return importlib.util.find_spec("matplotlib") is not None


def draw(width: float, height: float, paint: Callable[[Axes], None], description: str) -> str:
    """Return a figure as an SVG element for a page.

    Args:
        width: Inches at full size; the page scales it down where there is less room.
        height: Inches.
        paint: Draws into the axes it is given.
        description: What is to be seen, for those who do not see it.

    Returns:
        ``<svg>...</svg>``, without identifiers that could meet those of another figure.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    stream = io.StringIO()
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        figure.patch.set_alpha(0.0)
        axes = figure.add_subplot()
        axes.patch.set_alpha(0.0)
        paint(axes)
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    return _inlined(stream.getvalue(), description)


def _inlined(text: str, description: str) -> str:
    text = _METADATA.sub("", _PROLOGUE.sub("", text, count=1))
    label = escape(printable(description), quote=True)
    found = _SIZE.search(text)
    assert found is not None
    points = float(found[1].split()[2])
    opening = f'<svg viewBox="{found[1]}" role="img" aria-label="{label}" style="max-width: {points * 4 / 3:.0f}px"'
    text = _SIZE.sub(lambda _: f"{opening}>", text, count=1).replace("xlink:href", "href")
    text = _GROUP_ID.sub("<g", text)
    text = _FONT.sub(r"font: \1 system-ui, sans-serif", text)
    for colour, name in _VARIABLES.items():
        text = text.replace(colour, f"var(--{name})")
    return _BLANKS.sub("\n", text).strip()
