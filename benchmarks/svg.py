"""Pictures for the pages: drawn where matplotlib is installed, the same file from the same numbers."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zeroskip.files import atomic_path

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_svg(path: Path, size: tuple[float, float], font_size: float, draw: Callable[[Figure], None]) -> bool:
    """Draw a figure and write it as SVG.

    Args:
        path: File to write; its folder is made.
        size: Width and height in inches.
        font_size: In points.
        draw: Draws into the empty figure.

    Returns:
        Whether matplotlib is there; otherwise nothing is written.
    """
    if importlib.util.find_spec("matplotlib") is None:
        return False
    import matplotlib as mpl
    from matplotlib.figure import Figure

    # Without the salt the file would differ from run to run on the same numbers.
    style: dict[Any, Any] = {"svg.hashsalt": "zeroskip", "font.size": font_size}
    with mpl.rc_context(style):
        figure = Figure(figsize=size, layout="constrained")
        draw(figure)
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as temporary:
            figure.savefig(temporary, format="svg", metadata={"Date": None})
    return True
