"""The command line as a whole: quick help, choices that match the library, progress in its place."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from typing import get_args

import pytest
from rich.console import Console
from rich.progress import Progress

from zeroskip.calibration import METRICS, PRECISIONS, STRATEGIES
from zeroskip.calibration.options import COSTS
from zeroskip.cli import data_options, options
from zeroskip.cli.console import Stages
from zeroskip.data import PRESETS
from zeroskip.engine.options import ISAS

from .conftest import Call

COMMANDS = ("optimize", "analyze", "calibrate", "apply", "finetune", "run", "bench", "report", "info", "demo")
HEAVY = ("numpy", "onnx", "onnx_ir", "PIL", "torch", "onnxruntime", "matplotlib", "jinja2")


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['zeroskip', '--help']\n"
        "from zeroskip.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().splitlines()[-1] == "[]"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(call: Call, command: str) -> None:
    result = call(command, "--help")
    assert result.exit_code == 0
    assert "--json" in result.output
    assert "--quiet" in result.output


@pytest.mark.parametrize("command", COMMANDS)
def test_every_help_has_an_example_that_fits_a_terminal(
    call: Call, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    result = call(command, "--help")
    assert f"Example: zeroskip {command}" in " ".join(result.output.split())
    assert max(map(len, result.output.splitlines())) <= 80


def test_the_shell_completes_commands_and_options() -> None:
    code = "import sys; sys.argv = ['zeroskip']; from zeroskip.cli import main; main()"
    found = {}
    for words in ("zeroskip ana", "zeroskip analyze --max", "zeroskip optimize --max-d"):
        environment = os.environ | {
            "_ZEROSKIP_COMPLETE": "complete_bash",
            "COMP_WORDS": words,
            "COMP_CWORD": str(len(words.split()) - 1),
        }
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment
        )
        found[words] = done.stdout.split()
    assert found["zeroskip ana"] == ["analyze"]
    assert found["zeroskip analyze --max"] == []
    assert found["zeroskip optimize --max-d"] == ["--max-drop"]


def test_choices_match_the_library() -> None:
    assert get_args(options.Metric) == METRICS
    assert get_args(options.Strategy) == STRATEGIES
    assert get_args(options.Costs) == COSTS
    assert get_args(options.LayerPrecision) == PRECISIONS
    assert get_args(options.Isa) == ISAS
    assert set(data_options._PRESETS) == set(PRESETS)


def test_stages_begin_anew_when_the_count_does() -> None:
    with Progress(console=Console(file=io.StringIO())) as bars:
        stages = Stages(bars)
        stages("loading", 0, 4)
        stages("round 1", 1, 4)
        assert [task.description for task in bars.tasks] == ["round 1"]
        stages("checking", 0, 4)
        assert [task.completed for task in bars.tasks] == [0]
        stages("other", 0, 9)
        assert [task.total for task in bars.tasks] == [9]
