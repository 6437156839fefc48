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
