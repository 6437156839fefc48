"""The examples run as they stand."""

from __future__ import annotations

import importlib.util
import json
import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest

import zeroskip as zs
from tiny_network import save_pictures, tiny_data, tiny_network

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def run(script: str, folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, EXAMPLES / script, *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def skip_without(*packages: str) -> None:
    for package in packages:
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")


def test_analyze_calibrate_run(tmp_path: Path) -> None:
    (tmp_path / "tiny.onnx").write_bytes(tiny_network())
    save_pictures(tmp_path / "photos", 16)
    shown = run("analyze_calibrate_run.py", tmp_path, "tiny.onnx", "photos", "faster.onnx")
    assert "(4, 5)" in shown
    assert "conv2" in shown
    ort.InferenceSession(tmp_path / "faster.onnx")


@pytest.mark.parametrize(
    ("script", "packages"),
    [
        ("finetune_own_loop.py", ["torch", "onnxscript"]),
        ("finetune_lightning.py", ["torch", "onnxscript", "lightning"]),
        ("finetune_transformers.py", ["torch", "onnxscript", "transformers", "accelerate"]),
    ],
)
def test_finetuning(tmp_path: Path, script: str, packages: list[str]) -> None:
    skip_without(*packages)
    shown = run(script, tmp_path)
    assert "sparsity" in shown or "loss" in shown
    ort.InferenceSession(tmp_path / "model.onnx")


@pytest.mark.parametrize(
    ("script", "packages", "words", "written"),
    [
        ("analyze.py", [], "most time goes to", None),
        ("calibrate.py", [], "sparsity 5", "digits.fatrelu.onnx"),
        ("reconstruct.py", [], "compensation reconstruct", "digits.reconstructed.onnx"),
        ("finetune.py", ["torch"], "sparsity", "digits.finetuned.onnx"),
        ("quantize.py", [], "layers in int8", "digits.int8.onnx"),
        ("serve.py", ["kserve"], "answers: 8 5 6 0 3 7 9 7\nlabels:  8 5 6 0 3 7 9 7", None),
        ("onnxruntime_program.py", [], "accuracy 99", None),
        ("stream.py", [], "599 frames", None),
        ("compare.py", [], "zeroskip: ", None),
    ],
)
def test_digits(tmp_path: Path, script: str, packages: list[str], words: str, written: str | None) -> None:
    skip_without(*packages)
    shown = run(script, tmp_path)
    assert words in shown
    assert [path.name for path in tmp_path.iterdir()] == ([written] if written else [])
    if written:
        ort.InferenceSession(tmp_path / written)


@pytest.fixture
def rows(tmp_path: Path) -> dict[str, Any]:
    """The rows that the Spark example scores, beside the model; ``expected`` is what the session gives."""
    (tmp_path / "tiny.onnx").write_bytes(tiny_network())
    x = tiny_data(24).array()
    (expected,) = zs.InferenceSession(tmp_path / "tiny.onnx").run(None, {"image": x})
    paths = [f"{number:03}.png" for number in range(len(x))]
    return {"path": paths, "input": [row.reshape(-1).tolist() for row in x], "expected": expected}


def test_what_map_in_pandas_gets(tmp_path: Path, rows: dict[str, Any]) -> None:
    """Frames of any size, an empty one among them, through one session."""
    pd = pytest.importorskip("pandas")
    score = runpy.run_path(str(EXAMPLES / "score_on_spark.py"))["scorer"](str(tmp_path / "tiny.onnx"))
    frame = pd.DataFrame({"path": rows["path"], "input": rows["input"]})
    frames = list(score(iter([frame[:7], frame[7:7], frame[7:]])))
    assert [len(one) for one in frames] == [7, 17]
    whole = pd.concat(frames)
    assert list(whole.columns) == ["path", "scores"]
    assert list(whole["path"]) == rows["path"]
    np.testing.assert_allclose(np.stack(whole["scores"]), rows["expected"], rtol=1e-4, atol=1e-5)


def test_score_on_spark(tmp_path: Path, rows: dict[str, Any]) -> None:
    """A real session of two workers over three files: every row has its scores once."""
    for name, found in (("pyspark", importlib.util.find_spec("pyspark")), ("java", shutil.which("java"))):
        if found is None:
            pytest.skip(f"{name} is not installed")
    parquet, pa = pytest.importorskip("pyarrow.parquet"), pytest.importorskip("pyarrow")
    (tmp_path / "inputs").mkdir()
    for part in range(3):
        mine = slice(8 * part, 8 * part + 8)
        table = pa.table({"path": rows["path"][mine], "input": rows["input"][mine]})
        parquet.write_table(table, tmp_path / "inputs" / f"{part}.parquet")
    settings = {"PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"}
    settings["PYSPARK_SUBMIT_ARGS"] = "--master local[2] --conf spark.ui.enabled=false pyspark-shell"
    done = subprocess.run(
        [sys.executable, EXAMPLES / "score_on_spark.py", "tiny.onnx", "inputs", "out"],
        cwd=tmp_path,
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = parquet.read_table(tmp_path / "out").sort_by("path").to_pydict()
    assert found["path"] == rows["path"]
    np.testing.assert_allclose(np.array(found["scores"]), rows["expected"], rtol=1e-4, atol=1e-5)


def test_the_notebook_runs_and_shows_its_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    skip_without("IPython", "pandas")
    notebook = EXAMPLES / "tour.ipynb"
    assert notebook.stat().st_size < 200_000
    cells = [cell for cell in json.loads(notebook.read_text())["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(EXAMPLES)
    namespace: dict[str, object] = {}
    for number, cell in enumerate(cells):
        assert cell["outputs"]
        assert all(output["output_type"] != "error" for output in cell["outputs"])
        exec(compile("".join(cell["source"]), f"cell {number}", "exec"), namespace)
