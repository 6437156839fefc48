"""Making data sets from folders, lists, arrays, files and noise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from zeroskip import DataError
from zeroskip.data import Preprocess, arrays, image_folder, images, load, npz, random_input
from zeroskip.data.loader import FileSource
from zeroskip.data.pictures import CENTRE

from .pictures import gradient, plain, write_png

RAW = Preprocess(layout="nhwc")


def folder_of(root: Path, count: int = 3) -> Path:
    for index in range(count):
        write_png(root / f"{index}.png", plain(index))
    return root


def test_folder_is_read_in_the_order_of_names(tmp_path: Path) -> None:
    data = image_folder(folder_of(tmp_path / "photos"), RAW)
    assert data.names == ("0.png", "1.png", "2.png")
    assert data.labels is None
    assert data.array()[:, 0, 0, 0].tolist() == [0, 1, 2]
    assert data.description == "3 images from 'photos' (unlabelled; RGB, (pixel*1 - 0) / 1, NHWC)"


def test_labels_and_crops_repeat_together(tmp_path: Path) -> None:
    for name in ("a/1.png", "b/2.png"):
        write_png(tmp_path / name, gradient())
    data = image_folder(tmp_path, Preprocess(crop=20), crops=3)
    assert len(data) == 6
    assert data.labels is not None
    assert data.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert data.groups.tolist() == [0, 0, 0, 1, 1, 1]
    assert data.names[2:4] == ("a/1.png", "b/2.png")
    assert not np.array_equal(data.array()[0], data.array()[1])
    assert "2 images x 3 crops" in data.description


def test_bad_headers_are_named_all_at_once(tmp_path: Path) -> None:
    folder_of(tmp_path)
    for name in ("bad1.jpg", "bad2.jpg"):
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(DataError, match=r"(?s)2 of 5 images cannot be read.*bad1\.jpg.*bad2\.jpg"):
        image_folder(tmp_path, RAW)


def test_skipping_counts_and_names_what_is_left_out(tmp_path: Path) -> None:
    write_png(tmp_path / "whole.png", np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    (tmp_path / "truncated.png").write_bytes((tmp_path / "whole.png").read_bytes()[:6000])
    (tmp_path / "empty.png").touch()
    data = image_folder(tmp_path, RAW, on_error="skip")
    assert data.names == ("whole.png",)
    assert len(data.skipped) == 2
    assert "truncated.png" in data.skipped[1]
    assert "2 unreadable left out" in data.description


def test_truncated_picture_is_named_when_it_is_needed(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png", np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes()[:6000])
    data = image_folder(tmp_path, RAW)
    with pytest.raises(DataError, match=r"b\.png"):
        data.array()


def test_nothing_readable_is_an_error_even_when_skipping(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    with pytest.raises(DataError, match="none of the 1 images can be read"):
        image_folder(tmp_path, RAW, on_error="skip")


def test_long_lists_of_bad_files_are_cut(tmp_path: Path) -> None:
    for index in range(15):
        (tmp_path / f"{index:02}.png").touch()
    with pytest.raises(DataError, match=r"(?s)none of the 15.*09\.png.*\.\.\. and 5 more"):
        image_folder(tmp_path, RAW)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"crops": 0}, r"crops is 0, expected 1\.\.30"),
        ({"crops": 31}, "crops is 31"),
        ({"crops": 2}, "crops=2 needs a recipe with a crop"),
        ({"on_error": "ignore"}, "on_error is 'ignore'"),
        ({"preprocess": "imagnet"}, "unknown preprocess preset 'imagnet'"),
    ],
)
def test_wrong_options_are_named(tmp_path: Path, options: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        image_folder(folder_of(tmp_path), **{"preprocess": RAW, **options})  # type: ignore[arg-type]


def test_pictures_of_different_size_cannot_be_batched(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png", plain(0, 8, 8))
    write_png(tmp_path / "b.png", plain(0, 8, 9))
    data = image_folder(tmp_path, RAW)
    assert [x.shape[2] for x, _ in data.batches(1)] == [8, 9]
    with pytest.raises(DataError, match=r"\(8, 8\) of a\.png and \(8, 9\) of b\.png\): set crop or size"):
        data.array()


def test_cache_is_bounded_and_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder_of(tmp_path, 4)
    decodes: list[str] = []
    from zeroskip.data import loader

    whole = loader.decode
    monkeypatch.setattr(loader, "decode", lambda path: decodes.append(path.name) or whole(path))
    one_picture_bytes = 8 * 8 * 3
    data = image_folder(tmp_path, RAW, cache_bytes=2 * one_picture_bytes)
    first, second = data.array(), data.array()
    assert np.array_equal(first, second)
    assert decodes == ["0.png", "1.png", "2.png", "3.png", "2.png", "3.png"]


def test_one_decode_serves_all_crops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from zeroskip.data import loader

    decodes: list[str] = []
    whole = loader.decode
    monkeypatch.setattr(loader, "decode", lambda path: decodes.append(path.name) or whole(path))
    images([write_png(tmp_path / "a.png")], Preprocess(crop=20), crops=5, cache_bytes=0).array()
    assert decodes == ["a.png"]


def test_crop_too_large_names_the_picture(tmp_path: Path) -> None:
    source = FileSource([write_png(tmp_path / "small.png")], [CENTRE], Preprocess(crop=99), 0)
    with pytest.raises(DataError, match=r"small\.png: a picture of 40x60"):
        source.load(np.array([0]))


def test_list_of_pictures_keeps_its_order_and_labels(tmp_path: Path) -> None:
    paths = [write_png(tmp_path / "b.png", plain(2)), write_png(tmp_path / "a.png", plain(1))]
    data = images(paths, RAW, labels=[4, 5], description="two files")
    assert data.names == ("b.png", "a.png")
    assert data.labels is not None
    assert data.labels.tolist() == [4, 5]
    assert data.description.startswith("2 images from two files (labelled;")
    with pytest.raises(DataError, match=r"labels have shape \(1,\), expected \(2,\)"):
        images(paths, RAW, labels=[4])
    with pytest.raises(DataError, match="the list of pictures is empty"):
        images([], RAW)


def test_uint8_arrays_are_preprocessed_like_pictures(tmp_path: Path) -> None:
    recipe = Preprocess.preset("caffe-bgr", resize=32, crop=28)
    from_file = images([write_png(tmp_path / "a.png")], recipe).array()
    assert np.array_equal(arrays(gradient()[None], preprocess=recipe).array(), from_file)


def test_grey_arrays_get_three_channels() -> None:
    data = arrays(np.full((2, 32, 32), 255, np.uint8), preprocess=Preprocess.preset("cifar", mean=0.0, std=1.0))
    assert data.sample_shape == (3, 32, 32)
    assert data.array().min() == 1.0


def test_float_arrays_pass_as_they_are() -> None:
    x = np.random.default_rng(0).standard_normal((3, 4)).astype(np.float64)
    data = arrays(x, [1, 0, 1])
    assert np.array_equal(data.array(), x.astype(np.float32))
    assert data.description == "3 inputs from arrays in memory (labelled; as stored)"


@pytest.mark.parametrize(
    ("x", "y", "preprocess", "message"),
    [
        (np.zeros((2, 8, 8, 3), np.uint8), None, None, "x is uint8: say how to preprocess"),
        (np.zeros((2, 8, 8, 4), np.uint8), None, "raw", r"shape \(2, 8, 8, 4\), expected pictures"),
        (np.zeros((2, 3), np.float32), None, "raw", "x is float32.*leave out preprocess"),
        (np.zeros((2, 3), np.int64), None, None, "dtype int64, expected floating point"),
        (np.zeros(3, np.float32), None, None, r"x has shape \(3,\)"),
        (np.zeros((0, 3), np.float32), None, None, r"x has shape \(0, 3\)"),
        (np.array([[1.0], [np.nan]], np.float32), None, None, r"x\[1\] holds NaN or infinities"),
        (np.zeros((2, 3), np.float32), [0], None, r"labels have shape \(1,\), expected \(2,\)"),
        (np.zeros((2, 3), np.float32), [0.0, 1.0], None, "labels have dtype float64"),
        (np.zeros((2, 3), np.float32), [0, -1], None, "labels hold -1"),
    ],
)
def test_wrong_arrays_are_named(x: np.ndarray, y: list[int] | None, preprocess: str | None, message: str) -> None:
    with pytest.raises(DataError, match=message):
        arrays(x, y, preprocess)


def test_npz_holds_x_and_perhaps_y(tmp_path: Path) -> None:
    x = np.zeros((2, 32, 32, 3), np.uint8)
    np.savez(tmp_path / "both.npz", x=x, y=np.array([3, 4], np.uint8))
    np.savez(tmp_path / "x.npz", x=x)
    data = npz(tmp_path / "both.npz", "cifar")
    assert data.labels is not None
    assert data.labels.tolist() == [3, 4]
    assert npz(tmp_path / "x.npz", "cifar").labels is None
    assert "from 'both.npz' (labelled" in data.description


def test_wrong_npz_is_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=np.zeros(3))
    np.savez(tmp_path / "objects.npz", x=np.array([None, 1], object))
    (tmp_path / "broken.npz").write_bytes(b"PK\x03\x04 not really")
    np.save(tmp_path / "single.npy", np.zeros((2, 2)))
    (tmp_path / "single.npy").rename(tmp_path / "single.npz")
    for name, message in {
        "a.npz": r"'a\.npz' has no array 'x'; it holds \['images'\]",
        "objects.npz": r"'objects\.npz': array 'x' is made of Python objects",
        "broken.npz": r"cannot read 'broken\.npz'",
        "single.npz": r"cannot read 'single\.npz'",
        "absent.npz": r"cannot read 'absent\.npz'",
    }.items():
        with pytest.raises(DataError, match=message):
            npz(tmp_path / name)


def test_load_tells_folders_from_files(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "photos")
    np.savez(tmp_path / "a.npz", x=np.zeros((2, 3), np.float32))
    assert len(load(folder, "raw", crops=1)) == 3
    assert len(load(tmp_path / "a.npz")) == 2
    with pytest.raises(DataError, match="say how to preprocess"):
        load(folder)
    with pytest.raises(DataError, match=r"neither a folder nor an \.npz file"):
        load(tmp_path / "absent")
    with pytest.raises(DataError, match=r"options \['crops'\] are for image folders"):
        load(tmp_path / "a.npz", crops=2)


def test_noise_is_marked_and_reproducible() -> None:
    data = random_input((3, 4), count=5)
    assert data.is_random
    assert data.subset(2).is_random
    assert np.array_equal(data.array()[3], random_input((3, 4), count=8).array()[3])
    assert abs(float(random_input((1000,), 5).array().mean())) < 0.1
    with pytest.raises(DataError, match=r"shape \(0,\) x 1"):
        random_input((0,), 1)


def test_real_labelled_folder(imagenet_calib: Path) -> None:
    data = image_folder(imagenet_calib, "imagenet")
    assert len(data) == 500
    assert data.labels is not None
    assert len(set(data.labels.tolist())) == 500
    calibration, holdout = data.split(0.5)
    assert len(calibration) == len(holdout) == 250
    x, _ = next(calibration.batches(4))
    assert x.shape == (4, 3, 224, 224)
    assert -3.0 < x.mean() < 3.0


def test_handful_of_photographs_gives_both_parts(photos: list[Path]) -> None:
    data = images(photos, Preprocess.preset("caffe-bgr", layout="nhwc"), crops=10)
    calibration, holdout = data.split(0.5)
    assert len(calibration) == len(holdout) == 5 * len(photos)
    assert not set(calibration.names) & set(holdout.names)
