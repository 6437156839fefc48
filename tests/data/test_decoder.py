"""Pictures of unusual depth, colour and size, and files that are no pictures."""

from __future__ import annotations

import contextlib
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from zeroskip import DataError
from zeroskip.data import Preprocess, image_folder, images
from zeroskip.data.decoder import MAX_PIXELS, begins_like_picture, check_header, decode
from zeroskip.data.pictures import cut

from .pictures import gradient, write_png

RAMP = np.linspace(0.0, 1.0, 256)[None].repeat(4, axis=0)


def greys(path: Path) -> list[int]:
    return np.asarray(decode(path))[0, :, 0].tolist()


@pytest.mark.parametrize(
    ("dtype", "highest", "suffix"),
    [
        (np.uint16, 65535, "png"),
        (np.uint16, 65535, "tif"),
        (np.int32, 255, "tif"),
        (np.int32, 65535, "tif"),
        (np.int32, 2**31 - 1, "tif"),
    ],
)
def test_integer_pictures_keep_their_range(tmp_path: Path, dtype: type, highest: int, suffix: str) -> None:
    Image.fromarray((RAMP * highest).astype(dtype)).save(tmp_path / f"a.{suffix}")
    found = greys(tmp_path / f"a.{suffix}")
    assert (found[0], found[-1]) == (0, 255)
    assert max(abs(value - place) for place, value in enumerate(found)) <= 1


def test_unsigned_32_bits_are_no_negative_numbers(tmp_path: Path) -> None:
    image = Image.fromarray((RAMP * (2**32 - 1)).astype(np.uint32).view(np.int32))
    image.save(tmp_path / "a.tif")
    signed, unsigned = (struct.pack("<HHIH", 339, 3, 1, kind) for kind in (2, 1))  # the tag SampleFormat
    content = (tmp_path / "a.tif").read_bytes()
    assert content.count(signed) == 1
    (tmp_path / "a.tif").write_bytes(content.replace(signed, unsigned))
    assert greys(tmp_path / "a.tif")[-1] == 255
    assert greys(tmp_path / "a.tif")[128] == 128


def test_a_dark_picture_of_16_bits_stays_dark(tmp_path: Path) -> None:
    """Portable greymaps say how much white is, so nothing needs to be guessed."""
    values = (RAMP * 200).astype(">u2")
    (tmp_path / "a.pgm").write_bytes(b"P5 256 4 65535\n" + values.tobytes())
    assert max(greys(tmp_path / "a.pgm")) == 0


@pytest.mark.parametrize(("values", "message"), [(-RAMP, "go down to"), (RAMP, "no defined range")])
def test_values_without_a_defined_range_are_refused(tmp_path: Path, values: np.ndarray, message: str) -> None:
    dtype = np.int32 if values.min() < 0 else np.float32
    Image.fromarray((values * 1000).astype(dtype)).save(tmp_path / "a.tif")
    with pytest.raises(DataError, match=rf"cannot read image 'a\.tif': .*{message}"):
        decode(tmp_path / "a.tif")


def test_alpha_is_dropped_and_not_blended(tmp_path: Path) -> None:
    pixels = np.dstack([gradient(), np.full((40, 60), 3, np.uint8)])
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert np.array_equal(np.asarray(decode(tmp_path / "a.png")), gradient())


@pytest.mark.parametrize(
    "name", ["a.jpeg", "a.jfif", "a.webp", "a.bmp", "a.tif", "a.gif", "a.ppm", "a.jp2", "a.avif", "a.pcx", "a.ico"]
)
def test_formats_are_read_wherever_they_stand(tmp_path: Path, name: str) -> None:
    suffix = {".jfif": "JPEG", ".ico": "ICO"}.get(Path(name).suffix)
    try:
        Image.fromarray(gradient()).save(tmp_path / name, format=suffix)
    except (OSError, KeyError, ValueError):
        pytest.skip("this build of Pillow cannot write it")
    (tmp_path / "sub").mkdir()
    (tmp_path / name).rename(tmp_path / "sub" / name)
    assert len(image_folder(tmp_path, "raw", labels="none")) == 1
    assert decode(tmp_path / "sub" / name).mode == "RGB"


def test_pictures_are_known_by_their_content(tmp_path: Path) -> None:
    for name, kind in (("n01440764_18", "PNG"), ("photo.JPEG_", "JPEG"), ("web.bin", "WEBP")):
        Image.fromarray(gradient()).save(tmp_path / name, format=kind)
    (tmp_path / "notes").write_text("no picture")
    data = image_folder(tmp_path, "raw")
    assert data.names == ("n01440764_18", "photo.JPEG_", "web.bin")
    assert data.notes == ("left out: 1 other files",)


def test_a_strip_of_one_row_does_not_become_gigabytes(tmp_path: Path) -> None:
    Image.new("1", (12000, 1)).save(tmp_path / "strip.png")
    assert (tmp_path / "strip.png").stat().st_size < 100
    with pytest.raises(DataError, match=r"strip\.png: a picture of 1x12000 pixels would be resized to 256x3072000"):
        images([tmp_path / "strip.png"], "imagenet").check()
    assert cut(decode(tmp_path / "strip.png"), Preprocess(size=(224, 224))).shape == (224, 224, 3)
    panorama = Image.new("RGB", (8000, 500))
    assert cut(panorama, Preprocess.preset("imagenet")).shape == (224, 224, 3)


def bomb(path: Path, width: int, height: int) -> Path:
    """Write a PNG that declares many pixels and holds none."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b""))
    return path


def test_decompression_bombs_are_found_by_their_headers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = bomb(tmp_path / "bomb.png", 60_000, 60_000)
    assert "bomb.png" in (check_header(path) or "")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)  # as programs do that handle maps
    assert f"at most {MAX_PIXELS} are read" in (check_header(path) or "")
    with pytest.raises(DataError, match=r"none of the 1 images.*\n.*bomb\.png"):
        image_folder(tmp_path, "raw")


def test_text_that_inflates_is_refused(tmp_path: Path) -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("comment", "a" * 20_000_000, zip=True)
    Image.fromarray(gradient()).save(tmp_path / "a.png", pnginfo=info)
    with pytest.raises(DataError, match=r"cannot read image 'a\.png'"):
        decode(tmp_path / "a.png")


@pytest.mark.parametrize("cut_at", [0, 1, 10, 30, 60, 100])
@pytest.mark.parametrize("suffix", ["png", "jpg", "gif", "tif", "webp", "bmp", "ppm"])
def test_damage_anywhere_is_our_error(tmp_path: Path, suffix: str, cut_at: int) -> None:
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(gradient()).save(path)
    whole = bytearray(path.read_bytes())
    random = np.random.default_rng(cut_at)
    for place in random.integers(0, len(whole), 8):
        whole[place] ^= int(random.integers(1, 256))
    path.write_bytes(whole[: len(whole) * cut_at // 100])
    with contextlib.suppress(DataError):
        assert decode(path).mode == "RGB"


def test_damaged_orientation_does_not_make_a_picture_unreadable(tmp_path: Path) -> None:
    Image.fromarray(gradient()).save(tmp_path / "a.jpg", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff broken")
    assert decode(tmp_path / "a.jpg").size == (60, 40)


def test_no_program_is_started_for_a_picture(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n")
    with pytest.raises(DataError, match=r"'a\.png': it is no picture of a format that is read"):
        decode(tmp_path / "a.png")


def test_pipes_are_never_opened(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png")
    os.mkfifo(tmp_path / "b.png")
    os.mkfifo(tmp_path / "labels")
    data = image_folder(tmp_path, "raw")
    assert data.names == ("a.png",)
    assert "left out: 2 pipes, devices or sockets" in data.notes
    assert not begins_like_picture(tmp_path / "b.png")
    with pytest.raises(DataError, match=r"b\.png"):
        images([tmp_path / "b.png"], "raw")
