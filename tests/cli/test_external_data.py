"""Every command on a model with its weights in a file beside it, as PyTorch's exporter writes it by default."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest

import zeroskip as zs
from tiny_network import pictures, tiny_network
from zeroskip.baselines import available_engines

from .conftest import Call, Optimized

QUICK = ("--threads", "1", "--preprocess", "unit")


@pytest.fixture
def split(tmp_path: Path) -> Path:
    """The tiny network in a folder that is not the working one."""
    (tmp_path / "elsewhere").mkdir()
    path = tmp_path / "elsewhere" / "split.onnx"
    proto = onnx.load_model_from_string(tiny_network())
    onnx.save(proto, path, save_as_external_data=True, location="split.onnx.data", size_threshold=0)
    return path


def outputs(path: Path) -> np.ndarray:
    x = zs.data.arrays(pictures(2), None, "unit").array()
    (found,) = ort.InferenceSession(path).run(None, {"image": x})
    return np.asarray(found)


def test_run(call: Call, split: Path, folder: Path) -> None:
    assert call("run", split, "--data", folder, *QUICK).exit_code == 0


def test_analyze_compared_with_a_peer(call: Call, split: Path, folder: Path) -> None:
    result = call("analyze", split, "--data", folder, *QUICK, "--json", "-")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["reference"] is not None


def test_bench_on_every_engine(call: Call, split: Path, folder: Path) -> None:
    engines = [name for name in ("zeroskip", "onnxruntime", "openvino", "torch") if name in available_engines()]
    result = call(
        "bench", split, "--data", folder, *QUICK, "--engine", ",".join(engines), "--time", "0.1", "--json", "-"
    )
    assert result.exit_code == 0, result.output
    rows = json.loads(result.stdout)["rows"]
    assert [row["engine"] for row in rows] == engines
    assert all(row["is_match"] is not False for row in rows)
    assert len({row["model_sha256"] for row in rows}) == 1


def test_calibrate_and_apply(call: Call, split: Path, folder: Path) -> None:
    result = call("calibrate", split, "--data", folder, *QUICK, "--max-drop", "0.2", "--model-output", "m.onnx")
    assert result.exit_code == 0, result.output
    result = call("apply", split, "thresholds.json", "--output", "again.onnx")
    assert result.exit_code == 0, result.output
    assert "warning" not in result.stderr  # the set knows the model again, weights included
    assert Path("again.onnx").read_bytes() == Path("m.onnx").read_bytes()
    assert np.isfinite(outputs(Path("again.onnx"))).all()


def test_optimize(optimized: Optimized) -> None:
    written = optimized.output / "model.fatrelu.onnx"
    assert written.stat().st_size > 10_000  # weights included
    assert np.isfinite(outputs(written)).all()
