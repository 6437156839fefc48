"""A model file, a folder of pictures, and a way to call the command line in this process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
import pytest
from typer.testing import CliRunner

from tiny_network import save_pictures, tiny_network
from zeroskip.cli.app import app

Call = Callable[..., Any]
"""Takes arguments, returns typer's result: exit_code, stdout, stderr."""


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "tiny.onnx"
    path.write_bytes(tiny_network())
    return path


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_pictures(tmp_path_factory.mktemp("data") / "blobs", 12)


HOSTILE = "[/red]\x1b[2J"
"""A name that would end rich's markup and clear the screen of a terminal."""


@dataclass(frozen=True)
class Optimized:
    """One run of ``zeroskip optimize``, which takes seconds, for all who look at what it says and writes.

    Args:
        model: Its weights are in a file beside it, and its nodes have hostile names.
        pictures: So have these files.
        output: The folder of results.
        printed: What it printed.
    """

    model: Path
    pictures: Path
    output: Path
    printed: str


@pytest.fixture(scope="session")
def optimized(tmp_path_factory: pytest.TempPathFactory) -> Optimized:
    folder = tmp_path_factory.mktemp("hostile")
    proto = onnx.load_model_from_string(tiny_network())
    for node in proto.graph.node:
        node.name = f"a/rather/long/way/down/to/{node.name}{HOSTILE}"
    model = folder / "m[bold].onnx"
    onnx.save(proto, model, save_as_external_data=True, location="m.onnx.data", size_threshold=0)
    pictures = save_pictures(folder / "pictures", 12)
    for path in sorted(pictures.iterdir()):
        path.rename(path.with_name(f"{path.stem}[red]\x1b]0;x\x07.png"))
    options = ("--threads", "1", "--preprocess", "unit", "--target-sparsity", "0.6", "--time", "0.1")
    arguments = ["optimize", model, "--data", pictures, *options, "--output", folder / "out"]
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output
    return Optimized(model, pictures, folder / "out", done.output)


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Call ``zeroskip`` with arguments in an empty working folder."""
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])
