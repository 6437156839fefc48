"""The examples run as they stand."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import onnxruntime as ort
import pytest

from tiny_network import save_pictures, tiny_network

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def test_analyze_calibrate_run(tmp_path: Path) -> None:
    (tmp_path / "tiny.onnx").write_bytes(tiny_network())
    save_pictures(tmp_path / "photos", 16)
    script = EXAMPLES / "analyze_calibrate_run.py"
    arguments = ["tiny.onnx", "photos", "faster.onnx"]
    done = subprocess.run(
        [sys.executable, script, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "(4, 5)" in done.stdout
    assert "conv2" in done.stdout
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
    for package in packages:
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    done = subprocess.run(
        [sys.executable, EXAMPLES / script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "sparsity" in done.stdout or "loss" in done.stdout
    ort.InferenceSession(tmp_path / "model.onnx")
