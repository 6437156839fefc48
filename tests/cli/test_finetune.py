"""``zeroskip finetune`` on a tiny network: what it writes, how it goes on, what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("onnxscript")

import zeroskip as zs

from .conftest import Call

_NETWORK = """
import torch
from torch import nn
def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 16, 3, 2, 1), nn.ReLU(),
                         nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 5))
"""
QUICK = ("--preprocess", "unit", "--threads", "1", "--batch-size", "4", "--distillation", "1.0", "--mixup", "0.5")


@pytest.fixture
def network(tmp_path: Path) -> str:
    (tmp_path / "tiny_net_for_cli.py").write_text(_NETWORK)
    return "tiny_net_for_cli:net"


def test_writes_a_model_that_the_engine_runs(call: Call, network: str, folder: Path) -> None:
    options = ("--epochs", "2", "--checkpoint", "run.pt", "--output", "out", "--json", "result.json")
    result = call("finetune", network, "--data", folder, *QUICK, *options)
    assert result.exit_code == 0, result.output
    assert "epoch 2: loss" in result.stdout
    assert {path.name for path in Path("out").iterdir()} == {
        "model.onnx",
        "weights.pt",
        "thresholds.json",
        "finetune.json",
    }
    written = json.loads(Path("result.json").read_text())
    assert len(written["epochs"]) == 2
    assert (written["recipe"]["distillation"], written["recipe"]["mixup"]) == (1.0, 0.5)
    assert [item.name for item in zs.InferenceSession("out/model.onnx").activations()] == ["1", "3"]
    zs.ThresholdSet({"1": 0.05}).save("thresholds.json")
    again = ("--weights", "out/weights.pt", "--thresholds", "thresholds.json", "--epochs", "1", "--output", "second")
    result = call("finetune", network, "--data", folder, *QUICK, *again)
    assert result.exit_code == 0, result.output
    assert zs.ThresholdSet.load("second/thresholds.json")["1"] == pytest.approx(0.05)


def test_goes_on_from_a_checkpoint_and_refuses_another_recipe_s(call: Call, network: str, folder: Path) -> None:
    options = ("--checkpoint", "run.pt", "--output", "out")
    assert call("finetune", network, "--data", folder, *QUICK, *options, "--epochs", "1").exit_code == 0
    result = call("finetune", network, "--data", folder, *QUICK, *options, "--epochs", "2")
    assert result.exit_code == 1
    assert "of another recipe: epochs 1 (now 2)" in " ".join(result.stderr.split())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("no_such:net", "--data", "."), "cannot find 'no_such:net'"),
        (("tiny_net_for_cli:net",), "name a folder of images or an .npz file"),
        (("tiny_net_for_cli:net", "--data", "nowhere"), "there is no folder or file 'nowhere'"),
    ],
)
def test_one_line_says_what_is_wrong(call: Call, network: str, arguments: tuple[str, ...], words: str) -> None:
    result = call("finetune", *arguments)
    assert result.exit_code == 1
    assert words in " ".join(result.stderr.split())
    assert not Path("finetune-output").exists()
