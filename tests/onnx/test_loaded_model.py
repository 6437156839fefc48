"""LoadedModel: read once, identified by all that was read, handed on without references to files."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import onnx
import pytest

import zeroskip as zs
from onnx_graphs import build, random_array, random_feeds, run
from zeroskip.errors import LimitError, ModelError
from zeroskip.onnx import LoadedModel, load_model, save

MODEL = build("c = Conv(x, w) y = Relu(c)", constants={"w": random_array(4, 3, 3, 3)})
DATA = MODEL.SerializeToString()
FEEDS = random_feeds(MODEL)


@pytest.fixture
def split(tmp_path: Path) -> Path:
    """The model with its weights in a file beside it, as PyTorch's exporter writes it."""
    path = tmp_path / "split.onnx"
    onnx.save(onnx.ModelProto.FromString(DATA), path, save_as_external_data=True, location="w.data", size_threshold=0)
    return path


def test_every_source_has_a_name_and_where_it_was_bytes_a_hash(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(DATA)
    file, content, graph = LoadedModel.of(path), LoadedModel.of(DATA), LoadedModel.of(load_model(DATA))
    assert (file.name, file.path) == ("net.onnx", path)
    assert (content.name, content.path, graph.name, graph.sha256) == ("model", None, "model", None)
    assert file.sha256 == content.sha256 == hashlib.sha256(DATA).hexdigest()
    assert LoadedModel.of(file) is file
    assert load_model(file) is file.model


def test_the_hash_covers_external_data(split: Path) -> None:
    before = LoadedModel.of(split).sha256
    assert before == LoadedModel.of(split).sha256 != hashlib.sha256(split.read_bytes()).hexdigest()
    data = bytearray((split.parent / "w.data").read_bytes())
    data[5] ^= 1
    (split.parent / "w.data").write_bytes(data)
    assert LoadedModel.of(split).sha256 != before


def test_the_content_is_whole_when_the_files_are_gone(split: Path) -> None:
    loaded = LoadedModel.of(split)
    (split.parent / "w.data").unlink()
    split.unlink()
    np.testing.assert_array_equal(run(loaded.to_bytes(), FEEDS)[0], run(DATA, FEEDS)[0])


def test_a_session_that_ends_leaves_the_model_to_others(split: Path) -> None:
    loaded = LoadedModel.of(split)
    for _ in range(2):
        (got,) = zs.InferenceSession(loaded).run(None, FEEDS)
        np.testing.assert_allclose(got, run(DATA, FEEDS)[0], atol=1e-5)


def test_thresholds_are_written_into_it(split: Path) -> None:
    loaded = LoadedModel.of(split)
    written = zs.apply(loaded, zs.ThresholdSet({"y": 0.5})).to_bytes()
    (dense,) = run(DATA, FEEDS)
    np.testing.assert_allclose(run(written, FEEDS)[0], np.where(dense > 0.5, dense, 0.0), atol=1e-6)


def test_too_large_for_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(save, "MAX_FILE_BYTES", save._SLACK_BYTES + 100)
    loaded = LoadedModel.of(DATA)
    assert not loaded.fits_one_file
    with pytest.raises(LimitError, match="less than 2 GB"):
        loaded.to_bytes()
    (tmp_path / "copy").mkdir()
    copy = loaded.write_copy(tmp_path / "copy")
    assert {file.name for file in copy.parent.iterdir()} == {"model.onnx", "model.onnx.data"}
    np.testing.assert_array_equal(run(onnx.load(copy), FEEDS)[0], run(DATA, FEEDS)[0])
    (got,) = zs.InferenceSession(copy).run(None, FEEDS)
    np.testing.assert_allclose(got, run(DATA, FEEDS)[0], atol=1e-5)


def test_a_failed_write_of_two_files_leaves_neither(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(save, "MAX_FILE_BYTES", save._SLACK_BYTES + 100)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("os.replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        save.save_model(load_model(DATA), tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_file_beyond_what_a_message_holds_is_named(tmp_path: Path) -> None:
    path = tmp_path / "huge.onnx"
    with open(path, "wb") as stream:
        stream.truncate(3 << 30)  # sparse: nothing is written
    with pytest.raises(ModelError, match=r"cannot read model '.*huge.onnx': 3221225472 bytes, at most"):
        load_model(path)
