"""Figures as part of a page: text is text, colours are the page's, nothing meets what stands beside it."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from report.values import HOSTILE
from zeroskip.report.figures import BAD, EXACT, INK, LINE, OURS, SOFT, draw

pytest.importorskip("matplotlib")


def figure() -> str:
    def paint(axes) -> None:
        axes.plot([0, 1], [0, 1], color=OURS)
        axes.set_title(HOSTILE.replace("\x1b", ""))

    return draw(3.0, 2.0, paint, HOSTILE)


def test_names_stay_text() -> None:
    root = ET.fromstring(figure())
    assert "window.hurt=1" in "".join(root.itertext())
    assert not [item for item in root.iter() if item.tag.split("}")[-1] in ("script", "img", "image", "foreignObject")]
    assert root.get("aria-label") == HOSTILE.replace("\x1b", "\\x1b")
    assert "$x^2$" in "".join(root.itertext())


def test_colours_follow_the_page() -> None:
    text = figure()
    assert "var(--ours)" in text
    assert not [colour for colour in (INK, SOFT, LINE, EXACT, OURS, BAD) if colour in text]


def test_the_same_figure_is_the_same_text() -> None:
    assert figure() == figure()
    assert "<metadata" not in figure()
    assert not figure().startswith("<?xml")
