"""Networks named on a command line: functions, files, weights, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from zeroskip import ModelError  # noqa: E402
from zeroskip.torch import replace_relu  # noqa: E402
from zeroskip.torch.module_files import load_module, load_weights  # noqa: E402

_FACTORY = """
import torch
def net():
    return torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU())
number = 5
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "factory_for_tests.py").write_text(_FACTORY)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_function_and_weights_of_a_parallel_wrapper(folder: Path) -> None:
    wanted = {"0.weight": torch.ones(3, 2), "0.bias": torch.zeros(3)}
    torch.save({"state_dict": {f"module.{name}": value for name, value in wanted.items()}}, folder / "w.pt")
    model = replace_relu(load_module("factory_for_tests:net"))
    load_weights(model, folder / "w.pt")
    assert torch.equal(model[0].weight, wanted["0.weight"])


def test_a_file_that_would_run_code_is_not_read(folder: Path) -> None:
    torch.save(nn.Linear(2, 2), folder / "model.pt")
    with pytest.raises(ModelError, match="would run whatever code they name"):
        load_module("model.pt")
    with pytest.raises(ModelError, match="cannot read weights"):
        load_weights(load_module("factory_for_tests:net"), "model.pt")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("factory_for_tests:nothing", "cannot find 'factory_for_tests:nothing'"),
        ("no_such_module:net", "No module named"),
        ("factory_for_tests:number", "gave a int"),
        ("model.onnx", "there is no model 'model.onnx': expected MODULE:FUNCTION"),
    ],
)
def test_no_such_model(folder: Path, name: str, words: str) -> None:
    with pytest.raises(ModelError, match=words):
        load_module(name)


def test_weights_of_another_network(folder: Path) -> None:
    torch.save({"conv.weight": torch.ones(1)}, folder / "w.pt")
    (folder / "text.pt").write_text("text")
    with pytest.raises(ModelError, match="of another network"):
        load_weights(load_module("factory_for_tests:net"), "w.pt")
    with pytest.raises(ModelError, match="cannot read weights"):
        load_weights(load_module("factory_for_tests:net"), "text.pt")
    torch.save([1], folder / "list.pt")
    with pytest.raises(ModelError, match="hold a list"):
        load_weights(load_module("factory_for_tests:net"), "list.pt")
