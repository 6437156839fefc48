"""The parts of a page that scripts write: they stand between two comments with a name."""

from __future__ import annotations

import re


def between_marks(text: str, name: str, content: str) -> str:
    """Return a page's text with the part of that name written anew; without its marks as it was."""
    pattern = re.compile(rf"(<!-- {name}:begin[^>]*-->\n).*?(<!-- {name}:end -->)", re.DOTALL)
    return pattern.sub(lambda match: match[1] + content + match[2], text)
