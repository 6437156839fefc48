"""Zero maps in colour: yellow is zero, dark is not, and the page gets few bytes."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

from report.values import grey, maps
from zeroskip.report.heat import aspect, coloured, map_rows


def test_colours_run_from_dark_to_yellow() -> None:
    kind, png = coloured(grey(1, 16)).split(",")
    assert kind == "data:image/png;base64"
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB"))[0]
    assert tuple(pixels[0]) == (68, 1, 84)
    assert tuple(pixels[-1]) == (253, 231, 37)
    assert (np.diff(pixels.astype(int).sum(axis=1)) >= -3).all()


def test_rows_have_before_and_after() -> None:
    assert map_rows(None, None) == []
    rows = map_rows(maps(0.4), maps(0.6))
    assert [(row.before, row.after, len(row.tiles)) for row in rows] == [(0.4, 0.6, 2)] * 2
    alone = map_rows(None, maps(0.6))
    assert alone[0].before is None
    assert alone[0].strips[0] is None


def test_tiles_have_the_shape_of_the_pictures() -> None:
    assert aspect(maps(0.5)) == 1.5
    assert aspect(maps(0.5).model_copy(update={"pictures": ()})) == 1.0
    assert aspect(None) == 1.0
