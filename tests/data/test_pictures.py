"""Decoding every kind of picture, and cutting views out of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zeroskip import DataError
from zeroskip.data import Preprocess
from zeroskip.data.decoder import check_header, decode
from zeroskip.data.pictures import VIEWS, View, cut

from .pictures import gradient, write_png


def decoded(path: Path) -> np.ndarray:
    return np.asarray(decode(path))


def test_png_keeps_every_pixel(tmp_path: Path) -> None:
    assert np.array_equal(decoded(write_png(tmp_path / "a.png")), gradient())


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "P", "1", "CMYK", "YCbCr", "I;16"])
def test_every_mode_becomes_rgb(tmp_path: Path, mode: str) -> None:
    grey = np.full((5, 7), 255, np.uint8)
    if mode == "I;16":
        image = Image.fromarray(grey.astype(np.uint16) << 8)
    else:
        image = Image.fromarray(grey).convert("RGB").convert(mode)
    path = tmp_path / ("a.jpg" if mode in ("CMYK", "YCbCr") else "a.png")
    image.save(path)
    pixels = decoded(path)
    assert pixels.shape == (5, 7, 3)
    assert pixels.min() >= 254


def test_palette_with_transparency_raises_no_warning(tmp_path: Path) -> None:
    image = Image.fromarray(gradient()).convert("P")
    image.save(tmp_path / "a.png", transparency=bytes(range(256)))
    assert decoded(tmp_path / "a.png").shape == (40, 60, 3)


def test_exif_orientation_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate by 90 degrees clockwise to show
    Image.fromarray(gradient()).save(tmp_path / "a.png", exif=exif)
    assert np.array_equal(decoded(tmp_path / "a.png"), np.rot90(gradient(), -1))


def test_first_frame_of_an_animation_is_taken(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("white", "black")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert decoded(tmp_path / "a.gif").min() == 255


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n" + b"\0" * 40])
def test_broken_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "broken.png").write_bytes(content)
    with pytest.raises(DataError, match=r"cannot read image 'broken\.png'"):
        decode(tmp_path / "broken.png")
    assert "broken.png" in (check_header(tmp_path / "broken.png") or "")


def test_truncated_file_is_found_on_decoding_only(tmp_path: Path) -> None:
    whole = write_png(tmp_path / "a.png", np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    (tmp_path / "cut.png").write_bytes(whole.read_bytes()[:6000])
    assert check_header(tmp_path / "cut.png") is None
    with pytest.raises(DataError, match=r"cut\.png"):
        decode(tmp_path / "cut.png")


def test_short_side_is_resized_and_the_centre_is_kept() -> None:
    image = Image.fromarray(gradient(40, 60))
    assert cut(image, Preprocess(resize=20)).shape == (20, 30, 3)
    assert cut(image.rotate(90, expand=True), Preprocess(resize=20)).shape == (30, 20, 3)
    assert np.array_equal(cut(image, Preprocess(crop=(10, 20))), gradient()[15:25, 20:40])


def test_size_stretches() -> None:
    assert cut(Image.fromarray(gradient(40, 60)), Preprocess(size=(16, 8))).shape == (16, 8, 3)


def test_crop_larger_than_the_picture_is_refused() -> None:
    with pytest.raises(DataError, match="40x60 pixels is smaller than the crop 50x50: set resize"):
        cut(Image.fromarray(gradient(40, 60)), Preprocess(crop=50))


def test_views_lie_where_they_say() -> None:
    image, recipe = Image.fromarray(gradient(40, 60)), Preprocess(crop=10)
    assert np.array_equal(cut(image, recipe, View(row=0.0, column=0.0)), gradient()[:10, :10])
    assert np.array_equal(cut(image, recipe, View(row=1.0, column=1.0)), gradient()[-10:, -10:])
    assert np.array_equal(cut(image, recipe, View(is_mirrored=True)), gradient()[15:25, 25:35][:, ::-1])
    assert cut(image, recipe, View(zoom=2.0)).shape == (10, 10, 3)


def test_all_views_differ() -> None:
    assert len(set(VIEWS)) == len(VIEWS) == 30
    image, recipe = Image.fromarray(gradient(40, 60)), Preprocess(resize=32, crop=28)
    assert len({cut(image, recipe, view).tobytes() for view in VIEWS}) == len(VIEWS)


def test_real_photographs_decode(photos: list[Path]) -> None:
    recipe = Preprocess.preset("imagenet")
    for photo in photos:
        assert cut(decode(photo), recipe).shape == (224, 224, 3)
