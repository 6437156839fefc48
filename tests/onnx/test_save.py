"""Saving: what is written reads back, and a failed write leaves nothing behind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from onnx_graphs import build, random_array, random_feeds, run
from zeroskip.errors import ModelError
from zeroskip.onnx import load_model, save_model, to_bytes

MODEL = build("c = Conv(x, w) y = Relu(c)", constants={"w": random_array(4, 3, 3, 3)})
MODEL.graph.output[0].type.tensor_type.shape.dim.extend([onnx.TensorShapeProto.Dimension()] * 4)


def test_saved_model_computes_the_same(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    save_model(load_model(MODEL), path)
    onnx.checker.check_model(str(path))
    feeds = random_feeds(MODEL)
    np.testing.assert_array_equal(run(path.read_bytes(), feeds)[0], run(MODEL, feeds)[0])
    assert to_bytes(load_model(path)) == path.read_bytes()


def test_failed_write_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"old")

    def interrupt(*_args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("os.replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        save_model(load_model(MODEL), path)
    assert path.read_bytes() == b"old"
    assert [item.name for item in tmp_path.iterdir()] == ["model.onnx"]


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        save_model(load_model(MODEL), tmp_path / "absent" / "model.onnx")


def test_model_too_large_for_one_file() -> None:
    loaded = load_model(MODEL)
    huge = np.broadcast_to(np.float32(1.0), (1 << 20, 1 << 10))
    loaded.graph.initializers["w"].const_value = ir.Tensor(huge, name="w")
    with pytest.raises(ModelError, match=r"4294967296 bytes of weights.* less than 2 GB"):
        to_bytes(loaded)
