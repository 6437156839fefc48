"""``zeroskip finetune`` on a tiny network: what it writes, how it goes on, what it refuses."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnxscript")

import zeroskip as zs
from tiny_network import tiny_data, tiny_network
from zeroskip.torch import OnnxNetwork

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


@pytest.mark.parametrize("kind", ["bfloat16", "double"])
def test_models_of_other_precisions_are_trained_in_float32(call: Call, tmp_path: Path, folder: Path, kind: str) -> None:
    """The data are float32, and so is the engine."""
    name = f"tiny_net_in_{kind}"
    (tmp_path / f"{name}.py").write_text(_NETWORK.replace("return nn", "model = nn") + f"    return model.{kind}()\n")
    result = call("finetune", f"{name}:net", "--data", folder, *QUICK, "--epochs", "1", "--output", "out")
    assert result.exit_code == 0, result.output
    assert f"torch.{kind if kind != 'double' else 'float64'}: it is trained in float32" in " ".join(
        result.output.split()
    )
    assert [item.name for item in zs.InferenceSession("out/model.onnx").activations()] == ["1", "3"]


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


_MISTAKES = """
import torch
from torch import nn
def boom(): raise KeyError("weights")
def wide(): return nn.Sequential(nn.Flatten(), nn.Linear(7, 4), nn.ReLU(), nn.Linear(4, 5))
def many(outputs, targets): return outputs
def broken(outputs, targets): return outputs.no_such_attribute
def none(): return None
"""


@pytest.mark.parametrize(
    ("model", "options", "words"),
    [
        ("mistakes_for_cli:boom", (), "'mistakes_for_cli:boom' failed: KeyError: 'weights'"),
        ("mistakes_for_cli:none", (), "gave a NoneType, expected a torch.nn.Module"),
        ("mistakes_for_cli:absent", (), "cannot find 'mistakes_for_cli:absent'"),
        ("syntax_for_cli:net", (), "importing 'syntax_for_cli' failed: SyntaxError"),
        ("mistakes_for_cli:wide", (), "failed on float32"),
        ("tiny_net_for_cli:net", ("--loss", "mistakes_for_cli:many"), "needs labels|yields no targets|the loss gave"),
        ("tiny_net_for_cli:net", ("--loss", "huh"), "there is no loss 'huh'; there are cross_entropy"),
        ("tiny_net_for_cli:net", ("--metric", "mistakes_for_cli:broken"), "the metric failed on.*no_such_attribute"),
        ("tiny_net_for_cli:net", ("--metric", "mistakes_for_cli:absent"), "cannot find 'mistakes_for_cli:absent'"),
        ("tiny_net_for_cli:net", ("--distillation", "0"), "yields no targets|no labels"),
    ],
)
def test_a_mistake_is_told_without_a_traceback(
    call: Call, network: str, folder: Path, tmp_path: Path, model: str, options: tuple[str, ...], words: str
) -> None:
    (tmp_path / "mistakes_for_cli.py").write_text(_MISTAKES)
    (tmp_path / "syntax_for_cli.py").write_text("def net(:\n")
    quick = ("--preprocess", "unit", "--threads", "1", "--batch-size", "4", "--epochs", "1")
    result = call("finetune", model, "--data", folder, *quick, *options)
    said = " ".join(result.stderr.split())
    assert result.exit_code == 1, said
    assert re.search(words, said), said
    assert "Traceback" not in result.output
    assert not Path("finetune-output").exists()


def test_optimizer_and_accumulation_are_chosen(call: Call, network: str, folder: Path) -> None:
    options = ("--optimizer", "adamw", "--accumulation", "2", "--learning-rate", "0.001")
    result = call("finetune", network, "--data", folder, *QUICK, *options, "--epochs", "1", "--json", "result.json")
    assert result.exit_code == 0, result.stderr
    recipe = json.loads(Path("result.json").read_text())["recipe"]
    assert (recipe["optimizer"], recipe["accumulation"]) == ("adamw", 2)


def test_an_onnx_file_is_trained_and_comes_back_as_one(call: Call, folder: Path) -> None:
    Path("tiny.onnx").write_bytes(tiny_network())
    zs.ThresholdSet({"relu1": 0.02}).save("thresholds.json")
    options = ("--epochs", "2", "--learning-rate", "0.001", "--thresholds", "thresholds.json", "--output", "out")
    result = call("finetune", "tiny.onnx", "--data", folder, *QUICK, *options)
    assert result.exit_code == 0, result.output
    session, dense = zs.InferenceSession("out/model.onnx"), zs.InferenceSession(tiny_network())
    assert [item.name for item in session.activations()] == [item.name for item in dense.activations()]
    assert session.activations()[0].threshold == pytest.approx(0.02)
    assert zs.ThresholdSet.load("out/thresholds.json")["relu1"] == pytest.approx(0.02)
    x = tiny_data(8).array()
    before, after = (item.run(None, {"image": x})[0] for item in (dense, session))
    assert not np.allclose(before, after)
    assert np.abs(before - after).mean() < np.abs(before).mean()
    assert not any(node.op_type == "BatchNormalization" for node in onnx.load("out/model.onnx").graph.node)


@pytest.mark.parametrize("choice", ["--batch-norm", "--no-batch-norm"])
def test_an_onnx_file_is_trained_with_batch_normalisation_unless_that_is_refused(
    choice: str, call: Call, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    add = OnnxNetwork.add_batch_norm

    def count(network: OnnxNetwork, inputs: object) -> None:
        add(network, inputs)
        seen.append(len(network.norms))

    monkeypatch.setattr(OnnxNetwork, "add_batch_norm", count)
    Path("tiny.onnx").write_bytes(tiny_network())
    result = call("finetune", "tiny.onnx", "--data", folder, *QUICK, "--epochs", "1", choice, "--output", "out")
    assert result.exit_code == 0, result.output
    assert seen == ([3] if choice == "--batch-norm" else [])
    assert np.isfinite(zs.InferenceSession("out/model.onnx").run(None, {"image": tiny_data(2).array()})[0]).all()


def test_options_that_an_onnx_file_leaves_no_use_for_are_refused(call: Call, folder: Path) -> None:
    Path("tiny.onnx").write_bytes(tiny_network())
    result = call("finetune", "tiny.onnx", "--data", folder, *QUICK, "--weights", "w.pt", "--output", "out")
    assert result.exit_code == 1
    assert "--weights has no effect on an ONNX file" in result.stderr
    zs.ThresholdSet({"nothing": 0.1}).save("thresholds.json")
    result = call("finetune", "tiny.onnx", "--data", folder, *QUICK, "--thresholds", "thresholds.json")
    assert result.exit_code == 1
    assert "no activation 'nothing'" in result.stderr
    assert call("finetune", "missing.onnx", "--data", folder, *QUICK).exit_code == 1


def test_torchrun_shares_the_work_and_writes_what_one_process_writes(call: Call, folder: Path, tmp_path: Path) -> None:
    """Augmented pictures, of which each process reads half; three in the last batch, so one has two and one has one."""
    Path("tiny.onnx").write_bytes(tiny_network())
    options = ["--preprocess", "unit", "--threads", "1", "--batch-size", "8", "--distillation", "1", "--epochs", "2"]
    arguments = [
        "finetune",
        "tiny.onnx",
        "--data",
        str(folder),
        *options,
        "--learning-rate",
        "0.001",
        "--no-batch-norm",
    ]
    assert call(*arguments, "--output", "one").exit_code == 0
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "zeroskip"]
    done = subprocess.run(
        [sys.executable, *launch, *arguments, "--output", "two", "--json", "two.json"],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("epoch 2: loss") == 1, done.stdout  # the first process alone says how it went
    assert done.stderr.count("training on") == 1, done.stderr
    assert len(json.loads(Path("two.json").read_text())["epochs"]) == 2
    import torch

    one, two = (torch.load(tmp_path / name / "weights.pt", weights_only=True) for name in ("one", "two"))
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, rtol=1e-4, atol=1e-5)
