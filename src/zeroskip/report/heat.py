"""Zero maps in colour: grey PNGs become heat maps that lie over a picture."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

import numpy as np

from ..analysis import ZeroMap, ZeroMaps

_STOPS = ((0.0, (68, 1, 84)), (0.33, (49, 104, 142)), (0.67, (53, 183, 121)), (1.0, (253, 231, 37)))
"""From nothing to everything zero; lightness rises evenly, so that it survives grey printers and colour blindness."""


@dataclass(frozen=True)
class MapRow:
    """One activation: a heat map for each picture, before and after.

    Args:
        title: What it is called.
        size: Channels and places in words.
        before: Fraction of zeros without thresholds, None where it is not known.
        after: With thresholds.
        tiles: For each picture: its name, and the heat maps before (perhaps None) and after, as data URLs.
        strips: Channels before (perhaps None) and after, as data URLs.
    """

    title: str
    size: str
    before: float | None
    after: float
    tiles: tuple[tuple[str, str | None, str], ...]
    strips: tuple[str | None, str]


def map_rows(before: ZeroMaps | None, after: ZeroMaps | None) -> list[MapRow]:
    """Return the rows of the section of zero maps; none where there are no maps.

    Args:
        before: Of the original model.
        after: Of the model with thresholds, on the same inputs.
    """
    if after is None:
        return []
    known = {} if before is None else {layer.activation: layer for layer in before.layers}
    return [_row(layer, known.get(layer.activation), after.names) for layer in after.layers]


def aspect(maps: ZeroMaps | None) -> float:
    """Return the width of the pictures over their height; without pictures that of the largest map, else 1."""
    from PIL import Image

    if maps is not None and maps.pictures:
        with Image.open(io.BytesIO(base64.b64decode(maps.pictures[0]))) as picture:
            return float(picture.width / picture.height)
    sizes = [(layer.width, layer.height) for layer in maps.layers if layer.height] if maps is not None else []
    width, height = max(sizes, default=(1, 1))
    return min(20.0, width / height)


def _row(after: ZeroMap, before: ZeroMap | None, names: tuple[str, ...]) -> MapRow:
    earlier = (None,) * len(after.pixels) if before is None else before.pixels
    size = f"{after.channels} channels" + (f", {after.height} x {after.width} pixels" if after.height else "")
    return MapRow(
        title=after.label or after.activation,
        size=size,
        before=None if before is None else before.sparsity,
        after=after.sparsity,
        tiles=tuple(
            (name, None if old is None else coloured(old), coloured(new))
            for name, old, new in zip(names, earlier, after.pixels, strict=False)
        ),
        strips=(None if before is None else coloured(before.channel_strip), coloured(after.channel_strip)),
    )


def coloured(png: str) -> str:
    """Return a grey PNG in base64 as a data URL of the same in colours, with few of them and so few bytes."""
    from PIL import Image

    with Image.open(io.BytesIO(base64.b64decode(png))) as grey:
        levels = np.asarray(grey.convert("L"))
    shades = np.unique(levels)
    image = Image.fromarray(np.searchsorted(shades, levels).astype(np.uint8), "P")
    image.putpalette([part for shade in shades for part in _colour(float(shade) / 255)])
    stream = io.BytesIO()
    image.save(stream, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}"


def _colour(share: float) -> tuple[int, int, int]:
    places = [place for place, _ in _STOPS]
    red, green, blue = (round(float(np.interp(share, places, [c[part] for _, c in _STOPS]))) for part in range(3))
    return red, green, blue
