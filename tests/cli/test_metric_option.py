"""``--metric MODULE:FUNCTION``: found, called, and every mistake in one line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from tiny_network import tiny_data, tiny_network
from zeroskip.cli.app import app
from zeroskip.cli.metric_option import metric_of
from zeroskip.errors import CalibrationError

MODULE = """
calls = []
def margin(outputs, targets):
    assert set(outputs) == {"logits"}
    calls.append(targets)
    return float(outputs["logits"].max(axis=1).mean())
number = 7
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own_metric_module.py").write_text(MODULE)
    (tmp_path / "broken_metric_module.py").write_text("import nothing_of_this_name")
    return tmp_path


@pytest.mark.parametrize("module", ["own_metric_module", "own_metric_module.py"])
def test_a_function_of_a_module_or_file_is_bounded(folder: Path, module: str) -> None:
    (folder / "model.onnx").write_bytes(tiny_network())
    np.savez(folder / "data.npz", image=tiny_data(12).array())
    arguments = ["calibrate", "model.onnx", "--data", "data.npz", "--metric", f"{module}:margin", "--json", "-"]
    result = CliRunner().invoke(app, [*arguments, "--max-drop", "0.5", "--time", "0", "--threads", "1", "--quiet"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout[result.stdout.index("{") :])
    assert (found["metric"], found["guarded_outputs"]) == ("margin", ["logits"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("accuracy", "--metric is 'accuracy', known are auto, top1"),
        (":margin", "expected MODULE:FUNCTION"),
        ("own_metric_module:", "expected MODULE:FUNCTION"),
        ("own_metric_module:other", "'own_metric_module' has no 'other'"),
        ("own_metric_module:number", "it is a int, no function of outputs and targets"),
        ("no_such_module_here:f", "importing 'no_such_module_here' raised ModuleNotFoundError"),
        ("broken_metric_module:f", "raised ModuleNotFoundError: No module named 'nothing_of_this_name'"),
        ("none.py:f", "there is no file 'none.py'"),
    ],
)
def test_every_mistake_is_named(folder: Path, text: str, message: str) -> None:
    with pytest.raises((CalibrationError, typer.BadParameter), match=message):
        metric_of(text)
