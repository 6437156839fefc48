"""What commands print: whole numbers at every width, names as text, flags instead of parameters."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .conftest import HOSTILE, Call, Optimized

QUICK = ("--threads", "1", "--preprocess", "unit")
SHOWN = "[/red]\\x1b[2J"
WIDTHS = (80, 100, 120)


@pytest.fixture(scope="module")
def measurement() -> Iterator[None]:
    """Engines are started and timed once; every width shows the same measurement."""
    from zeroskip import bench

    done: list[bench.BenchResult] = []

    def measure(*arguments: Any, **options: Any) -> bench.BenchResult:
        if not done:
            done.append(once(*arguments, **options))
        return done[0]

    once = bench.bench
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bench, "bench", measure)
        yield


def check(text: str, width: int) -> None:
    assert "\x1b" not in text
    assert "\x07" not in text
    lines = text.splitlines()
    assert max(map(len, lines)) <= width, max(lines, key=len)
    assert not re.search(r"\d…|…\d+[.%]| … ", text), text  # a shortened name has letters around


def test_what_optimize_says_has_names_as_text(optimized: Optimized) -> None:
    assert "\x1b" not in optimized.printed
    assert "\\x1b[2J" in optimized.printed


@pytest.mark.parametrize("width", WIDTHS)
def test_a_report_at_every_width(call: Call, optimized: Optimized, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    before = {path.name: path.stat().st_mtime_ns for path in optimized.output.iterdir()}
    result = call("report", optimized.output)
    assert result.exit_code == 0, result.output
    check(result.output, width)
    assert "\\x1b[2J" in result.output
    assert "m[bold].onnx" in result.output
    assert {path.name: path.stat().st_mtime_ns for path in optimized.output.iterdir()} == before


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(("analyze", "--samples", "4", "--no-compare"), id="analyze"),
        pytest.param(("calibrate", "--max-drop", "0.2", "--time", "0"), id="calibrate"),
        pytest.param(("bench", "--time", "0.1"), id="bench"),
        pytest.param(("run",), id="run"),
        pytest.param(("info",), id="info"),
    ],
)
def test_commands_at_every_width(
    call: Call,
    optimized: Optimized,
    measurement: None,
    arguments: tuple[str, ...],
    width: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    Path("names.txt").write_text(f"a{HOSTILE}\nb[/bold]\nc\nd\ne\n")
    command, *options = arguments
    inputs = () if command == "info" else (optimized.model, "--data", optimized.pictures, *QUICK)
    extra = ("--class-names", "names.txt") if command == "run" else ()
    result = call(command, *inputs, *options, *extra)
    assert result.exit_code == 0, result.output
    check(result.output, width)
    if command in ("analyze", "calibrate", "run"):
        assert "\\x1b[2J" in result.output


def test_a_hostile_name_in_an_error_is_text(call: Call, optimized: Optimized) -> None:
    result = call("run", optimized.model, "--data", f"nowhere{HOSTILE}")
    assert result.exit_code == 1
    assert "\x1b" not in result.output
    assert SHOWN in result.output


def test_the_prediction_of_the_verdict_goes_last(
    call: Call, model: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = []
    for width in (110, 80, 72, 68):
        monkeypatch.setenv("COLUMNS", str(width))
        result = call("analyze", model, "--data", folder, *QUICK, "--samples", "4", "--no-compare")
        shown.append([gain for gain in ("+10", "+20", "+30") if f"ms at {gain}" in result.stdout])
    assert shown[0] == ["+10", "+20", "+30"]
    assert all("+20" in kept for kept in shown)
    assert len(shown[-1]) < 3


def test_layers_and_activations_go_by_one_scheme(call: Call, model: Path, folder: Path) -> None:
    analyzed = call("analyze", model, "--data", folder, *QUICK, "--no-compare")
    calibrated = call("calibrate", model, "--data", folder, *QUICK, "--max-drop", "0.2", "--time", "0")
    assert "conv2 " in analyzed.stdout
    assert "conv1/relu" in calibrated.stdout
    assert "relu1" not in calibrated.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--max-drop", "0.01", "--target-sparsity", "0.8"), "--max-drop 0.01 and --target-sparsity 0.8 are given"),
        (("--max-drop", "7"), "--max-drop is 7"),
        (("--probe-samples", "0"), "--probe-samples"),
    ],
)
def test_messages_name_flags(call: Call, model: Path, folder: Path, arguments: tuple[str, ...], message: str) -> None:
    result = call("calibrate", model, "--data", folder, *QUICK, *arguments)
    assert result.exit_code != 0
    words = " ".join(result.output.split())
    assert message in words
    assert "_drop" not in words


def test_the_curve_names_its_files(call: Call, model: Path, folder: Path) -> None:
    pytest.importorskip("matplotlib")
    result = call(
        "calibrate", model, "--data", folder, *QUICK, "--max-drop", "0.2", "--time", "0", "--curve", "curve.png"
    )
    assert result.exit_code == 0, result.output
    assert "curve written to curve.json and curve.png" in " ".join(result.output.split())
    assert Path("curve.json").exists()
    assert Path("curve.png").exists()


def test_the_version(call: Call) -> None:
    result = call("--version")
    assert result.exit_code == 0
    assert result.stdout == "zeroskip 0.1.0\n"


def test_a_pipe_gets_eighty_columns_and_no_colour(
    call: Call, optimized: Optimized, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    result = call("report", optimized.output)
    assert result.exit_code == 0
    assert "\x1b" not in result.output
    check(result.stdout, 80)
