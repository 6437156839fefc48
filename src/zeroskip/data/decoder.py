"""From a picture file to 8-bit RGB pixels, whoever made the file: limits before pixels, one error type after them."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from ..errors import DataError
from ..files import open_ordinary
from .class_names import printable

FORMATS = ("AVIF", "BMP", "DIB", "GIF", "ICO", "JPEG", "JPEG2000", "MPO", "PCX", "PNG", "PPM", "QOI", "TIFF", "WEBP")
"""What is read. Pillow knows more, among them formats that start other programs (EPS) or bear no mark (TGA)."""

IMAGE_SUFFIXES = frozenset(
    [
        ".avif",
        ".bmp",
        ".dib",
        ".gif",
        ".ico",
        ".j2k",
        ".jfif",
        ".jp2",
        ".jpe",
        ".jpeg",
        ".jpg",
        ".mpo",
        ".pbm",
        ".pcx",
        ".pgm",
        ".png",
        ".pnm",
        ".ppm",
        ".qoi",
        ".tif",
        ".tiff",
        ".webp",
    ]
)
"""Names that are taken for pictures without looking; others are if they begin like one."""

FOREIGN_SUFFIXES = frozenset(
    [".arw", ".cr2", ".cr3", ".dng", ".exr", ".hdr", ".heic", ".heif", ".jxl", ".nef", ".psd", ".svg", ".tga", ".xcf"]
)
"""Names of pictures that are not read."""

MAX_PIXELS = 178_956_970
"""Of one picture; Pillow's own limit (half a gigabyte of RGB), held here whatever a program set there."""

_MARKS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*", b"\0\0\0\x0cjP  ", b"qoif")
_ORIENTATION = 0x0112
_EIGHT_BITS, _SIXTEEN_BITS, _UNSIGNED = 0xFF, 0xFFFF, 1
_TIFF_SAMPLE_FORMAT = 339


def decode(path: str | os.PathLike[str]) -> Image.Image:
    """Read a picture file as 8-bit RGB, upright.

    EXIF orientation is applied. Grey, palette and CMYK are converted as Pillow does it; alpha is dropped, not blended;
    of an animation the first frame is taken. 16-bit values keep their upper byte. 32-bit integers are taken as 8, 16 or
    32 bits, the fewest that hold the picture's largest value: their files do not say which they mean.

    Args:
        path: The file.

    Raises:
        DataError: If the file cannot be read as a picture, or is too large for one; the message names it.
    """
    with _decoding(path), _opened(path) as image:
        image.load()
        return _to_rgb(_upright(image), _integer_type(image))


def decode_bytes(content: bytes, name: str) -> Image.Image:
    """Decode the content of a picture file, as :func:`decode` does.

    Args:
        content: The whole file.
        name: What the error calls it.

    Raises:
        DataError: If it cannot be read as a picture, or is too large for one.
    """
    with _decoding(name), _from_stream(io.BytesIO(content)) as image:
        image.load()
        return _to_rgb(_upright(image), _integer_type(image))


def decode_mask(path: str | os.PathLike[str]) -> Image.Image:
    """Return a mask: a picture whose pixels are class indices, of one channel or with a palette.

    Args:
        path: The file.

    Returns:
        A picture of mode ``I``, 32-bit integers.

    Raises:
        DataError: If it cannot be read, or its pixels are colours.
    """
    with _decoding(path), _opened(path) as image:
        upright = _upright(image)
        if upright.mode not in ("1", "L", "P", "I", "I;16"):
            raise DataError(f"it is no mask: its pixels are {upright.mode} colours, expected class indices")
        values = np.asarray(upright).astype(np.int32)
    return Image.fromarray(values)


def picture_size(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Return width and height of a picture as it is meant to be seen, by its header; raises DataError."""
    with _decoding(path), _opened(path) as image:
        turned = image.getexif().get(_ORIENTATION, 1) in (5, 6, 7, 8)
        width, height = image.size
    return (height, width) if turned else (width, height)


def check_header(path: str | os.PathLike[str]) -> str | None:
    """Return why the file is no picture, or None if its header can be read. Pixels are not decoded.

    Args:
        path: The file.
    """
    try:
        with _decoding(path), _opened(path):
            return None
    except DataError as error:
        return str(error)


def begins_like_picture(path: Path) -> bool:
    """Say whether an ordinary file begins with the mark of a format that is read; False where it cannot be opened.

    Args:
        path: The file.
    """
    try:
        with open_ordinary(path) as stream:
            start = stream.read(16)
    except OSError:
        return False
    return start.startswith(_MARKS) or (start[:4], start[8:12]) == (b"RIFF", b"WEBP") or start[4:12] == b"ftypavif"


@contextmanager
def _opened(path: str | os.PathLike[str]) -> Iterator[Image.Image]:
    with open_ordinary(path) as stream, _from_stream(stream) as image:
        yield image


@contextmanager
def _from_stream(stream: IO[bytes]) -> Iterator[Image.Image]:
    with Image.open(stream, formats=_formats()) as image:
        if image.width * image.height > MAX_PIXELS:
            raise ValueError(f"it has {image.width} x {image.height} pixels, at most {MAX_PIXELS} are read")
        yield image


def _formats() -> list[str]:
    Image.init()
    return [name for name in FORMATS if name in Image.OPEN]  # not every build of Pillow has all


@contextmanager
def _decoding(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn whatever goes wrong into an error that names the file."""
    try:
        with warnings.catch_warnings():
            # Pillow warns on odd metadata and on large pictures that decode all the same.
            warnings.simplefilter("ignore")
            yield
    except DataError:
        raise
    except Exception as error:  # what Pillow's decoders raise on damaged files knows no bounds
        reason = error.strerror if isinstance(error, OSError) and error.strerror else _reason(error)
        raise DataError(f"cannot read image '{printable(Path(path).name)}': {reason}") from error


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return f"it is no picture of a format that is read ({', '.join(FORMATS)}), or is damaged"
    if isinstance(error, MemoryError):
        return "its pixels do not fit into memory"
    return printable(str(error)) or type(error).__name__


def _integer_type(image: Image.Image) -> type[np.integer[Any]]:
    """Return the type of the values of a picture of mode I."""
    tags = getattr(image, "tag_v2", None)
    if tags is None:
        return np.uint16
    formats = np.atleast_1d(tags.get(_TIFF_SAMPLE_FORMAT, _UNSIGNED))
    return np.uint32 if (formats == _UNSIGNED).all() else np.int32


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # damaged metadata do not make the pixels wrong
        return image.copy()


def _to_rgb(image: Image.Image, integer_type: type[np.integer[Any]]) -> Image.Image:
    if image.mode == "RGB":
        return image
    if image.mode == "F":
        raise ValueError("floating-point pictures have no defined range: give the data as an .npz file")
    if image.mode.startswith("I;"):  # Pillow's own conversion clips what is above 255 to white
        return _grey(np.asarray(image) >> 8)
    if image.mode == "I":
        return _grey(_upper_bits(np.asarray(image), integer_type))
    if image.mode == "P":
        image = image.convert("RGBA")  # the way that keeps palettes with transparency
    return image.convert("RGB")


def _grey(values: NDArray[Any]) -> Image.Image:
    return Image.fromarray(values.astype(np.uint8)).convert("RGB")


def _upper_bits(values: NDArray[Any], integer_type: type[np.integer[Any]]) -> NDArray[Any]:
    if integer_type is np.uint16:
        return values >> 8
    values = values.view(integer_type)
    low, high = int(values.min(initial=0)), int(values.max(initial=0))
    if low < 0:
        raise ValueError(f"its values go down to {low}: give the data as an .npz file")
    if high > _SIXTEEN_BITS:
        return values >> (24 if integer_type is np.uint32 else 23)
    return values >> (8 if high > _EIGHT_BITS else 0)
