"""What bad input gets on the command line: one clear line, the right exit code, nothing written."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tiny_network import SIDE, save_pictures, tiny_network, two_input_network

from .conftest import Call

FAILURE, USAGE = 1, 2


def words(text: str) -> str:
    """The text on one line: consoles wrap."""
    return " ".join(text.split())


def test_a_missing_model(call: Call, folder: Path) -> None:
    result = call("analyze", "gone.onnx", "--data", folder)
    assert result.exit_code == FAILURE
    assert words(result.stderr) == "error: cannot read model 'gone.onnx': No such file or directory"


@pytest.mark.parametrize("flag", ["--debug", "--verbose"])
def test_debug_shows_the_traceback(call: Call, folder: Path, flag: str) -> None:
    result = call("analyze", "gone.onnx", "--data", folder, flag)
    assert result.exit_code == FAILURE
    assert "Traceback" in result.stderr


def test_a_fault_of_our_own_is_one_line_too(
    call: Call, model: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(*arguments: object, **options: object) -> None:
        raise ZeroDivisionError("nobody thought of this")

    monkeypatch.setattr("zeroskip.analysis.analyze", break_down)
    result = call("analyze", model, "--data", folder)
    assert result.exit_code == FAILURE
    assert "Traceback" not in result.stderr
    assert "error: ZeroDivisionError: nobody thought of this This is a fault of zeroskip" in words(result.stderr)
    assert "Traceback" in call("analyze", model, "--data", folder, "--debug").stderr


@pytest.mark.parametrize("command", ["analyze", "calibrate", "optimize", "run", "bench"])
def test_no_data(call: Call, model: Path, command: str) -> None:
    result = call(command, model)
    assert result.exit_code == FAILURE
    assert "error: no data: name a folder of images or an .npz file with --data" in words(result.stderr)


def test_data_that_are_not_there(call: Call, model: Path) -> None:
    result = call("analyze", model, "--data", "nowhere")
    assert result.exit_code == FAILURE
    assert words(result.stderr) == "error: there is no folder or file 'nowhere'"


def test_an_empty_folder(call: Call, model: Path) -> None:
    Path("empty").mkdir()
    result = call("optimize", model, "--data", "empty", "--output", "out")
    assert result.exit_code == FAILURE
    assert "there are no images in 'empty'" in words(result.stderr)
    assert not Path("out").exists()


def test_an_unreadable_image_is_named_and_skipped_only_when_asked(call: Call, model: Path) -> None:
    folder = save_pictures(Path("photos"), 4)
    (folder / "broken.png").write_bytes(b"not a picture")
    result = call("run", model, "--data", folder, "--preprocess", "unit", "--threads", "1")
    assert result.exit_code == FAILURE
    assert "broken.png" in result.stderr
    skipping = call("run", model, "--data", folder, "--preprocess", "unit", "--threads", "1", "--skip-unreadable")
    assert skipping.exit_code == 0, skipping.output


def test_a_wrong_layout(call: Call, model: Path, folder: Path) -> None:
    result = call("run", model, "--data", folder, "--preprocess", "unit", "--layout", "nhwc")
    assert result.exit_code == FAILURE
    assert f"inputs of shape [{SIDE}, {SIDE}, 3]" in words(result.stderr)
    assert "check the preprocessing (crop, layout)" in words(result.stderr)


def test_a_model_with_two_inputs(call: Call, folder: Path) -> None:
    Path("two.onnx").write_bytes(two_input_network())
    result = call("analyze", "two.onnx", "--data", folder)
    assert result.exit_code == FAILURE
    assert "the model has 2 inputs ['image', 'other'], but a data set feeds exactly one" in words(result.stderr)


def test_a_truncated_model(call: Call, folder: Path) -> None:
    Path("cut.onnx").write_bytes(tiny_network()[:4000])
    result = call("run", "cut.onnx", "--data", folder)
    assert result.exit_code == FAILURE
    assert "is not an ONNX file, or is truncated" in words(result.stderr)


def test_noise_and_data_together(call: Call, model: Path, folder: Path) -> None:
    result = call("bench", model, "--data", folder, "--random-input")
    assert result.exit_code == FAILURE
    assert "both --data and --random-input were given" in words(result.stderr)


def test_contradictory_targets(call: Call, model: Path, folder: Path) -> None:
    budget = ("--max-drop", "0.01", "--target-sparsity", "0.8", "--preprocess", "unit")
    result = call("calibrate", model, "--data", folder, *budget)
    assert result.exit_code == FAILURE
    assert "both --max-drop 0.01 and --target-sparsity 0.8 are given" in words(result.stderr)
    assert not Path("thresholds.json").exists()


@pytest.mark.parametrize("command", ["calibrate", "optimize"])
@pytest.mark.parametrize(("given", "meant"), [("5", "0.05"), ("1", "0.01"), ("0.5", "0.005")])
def test_a_budget_in_per_cent_is_refused_at_once(call: Call, command: str, given: str, meant: str) -> None:
    """Before the model is read and the data are, which are not even there."""
    result = call(command, "gone.onnx", "--data", "nowhere", "--max-drop", given)
    assert result.exit_code == FAILURE
    text = words(result.stderr)
    assert f"--max-drop {given}: did you mean per cent?" in text.replace("is ", "")
    assert f"A drop is a share, {meant} for {given} of a hundred" in text
    assert list(Path().iterdir()) == []


def test_black_pictures_are_refused(call: Call, model: Path) -> None:
    np.savez("black.npz", x=np.zeros((8, 3, SIDE, SIDE), np.float32))
    result = call("calibrate", model, "--data", "black.npz")
    assert result.exit_code == FAILURE
    assert "all 8 inputs are blank" in words(result.stderr)


def test_an_unknown_engine(call: Call, model: Path, folder: Path) -> None:
    result = call("bench", model, "--data", folder, "--engine", "warpdrive", "--preprocess", "unit")
    assert result.exit_code == FAILURE
    assert "unknown engine 'warpdrive'" in words(result.stderr)


def test_class_names_that_are_not_there(call: Call, model: Path, folder: Path) -> None:
    result = call("run", model, folder / "blob00.png", "--preprocess", "unit", "--class-names", "no.txt")
    assert result.exit_code == FAILURE
    assert "cannot read class names from 'no.txt'" in words(result.stderr)


def test_a_folder_without_results(call: Call) -> None:
    Path("out").mkdir()
    result = call("report", "out")
    assert result.exit_code == FAILURE
    assert "cannot read a summary from 'out/summary.json'" in words(result.stderr)


def test_an_npz_that_is_none(call: Call, model: Path) -> None:
    Path("x.npz").write_bytes(b"PK")
    result = call("run", model, "--data", "x.npz")
    assert result.exit_code == FAILURE
    assert "cannot read 'x.npz' as an .npz file" in words(result.stderr)


def test_a_target_that_cannot_be_written(call: Call, model: Path, folder: Path) -> None:
    result = call("run", model, "--data", folder, "--preprocess", "unit", "--json", "no/such/folder/x.json")
    assert result.exit_code == FAILURE
    assert "No such file or directory" in words(result.stderr)


@pytest.mark.parametrize(
    "arguments",
    [
        ("fly",),
        ("analyze",),
        ("analyze", "m.onnx", "--metric", "top1"),
        ("calibrate", "m.onnx", "--metric", "f1"),
        ("analyze", "m.onnx", "--threads", "0"),
        ("bench", "m.onnx", "--rounds", "2"),
        ("run", "m.onnx", "--layout", "hwcn"),
    ],
)
def test_wrong_usage(call: Call, arguments: tuple[str, ...]) -> None:
    result = call(*arguments)
    assert result.exit_code == USAGE
    assert "Traceback" not in result.output


@pytest.mark.parametrize(("option", "value"), [("--crop", "big"), ("--mean", "1,2"), ("--size", "1x2x3")])
def test_numbers_that_are_none(call: Call, model: Path, folder: Path, option: str, value: str) -> None:
    result = call("run", model, "--data", folder, option, value)
    assert result.exit_code == USAGE
    assert f"{option} is '{value}', expected" in words(result.output)


def test_no_command_shows_help(call: Call) -> None:
    result = call()
    assert "optimize" in result.output


def _heed_interrupts() -> None:
    """Undo what the shell does to its background jobs: their children would ignore SIGINT."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_a_run_that_is_stopped_leaves_nothing(model: Path, tmp_path: Path) -> None:
    """Stopped for real, in a process of its own, in the middle of the measurement."""
    np.savez(tmp_path / "x.npz", x=np.random.default_rng(0).random((16, 3, SIDE, SIDE), np.float32))
    command = [
        sys.executable,
        "-m",
        "zeroskip.cli",
        "optimize",
        str(model),
        "--data",
        "x.npz",
        "--threads",
        "1",
    ]
    process = subprocess.Popen(
        [*command, "--time", "60", "--output", "out"],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "COLUMNS": "200"},
        preexec_fn=_heed_interrupts,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("verified"):
            break
    assert any(path.name.startswith(".out.") for path in tmp_path.iterdir())
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "Traceback" not in errors
    assert [path.name for path in tmp_path.iterdir()] == ["x.npz"]
