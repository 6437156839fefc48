"""Commands that are stopped, for real, in processes of their own: how they end and what they leave."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

import zeroskip as zs
from tiny_network import tiny_data

HOOK = """
import sys, time
from zeroskip.calibration.network.evaluation import Evaluator
measure = Evaluator._measure
def slow(evaluator):
    print("measuring", file=sys.stderr, flush=True)
    {work}
    return measure(evaluator)
Evaluator._measure = slow
from zeroskip.cli import main
main()
"""
SLEEP = "time.sleep(0.15)"
NATIVE = "import hashlib; hashlib.pbkdf2_hmac('sha256', b'x', b'y', 30_000_000)"
"""Some ten seconds in native code, from which Python hears of no signal."""
SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


def heed() -> None:
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL if number != signal.SIGINT else signal.default_int_handler)


@contextmanager
def command(folder: Path, *arguments: object, work: str = SLEEP) -> Iterator[subprocess.Popen[str]]:
    """Run a command in a folder; the process is killed if the test fails."""
    temporary = folder / "tmp"
    temporary.mkdir(exist_ok=True)
    code = HOOK.format(work=work)
    words = [str(argument) for argument in arguments]
    process = subprocess.Popen(
        [sys.executable, "-c", code, *words, "--threads", "1"], cwd=folder, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True, env={**os.environ, "COLUMNS": "200", "TMPDIR": str(temporary)},
        preexec_fn=heed,
    )  # fmt: skip
    try:
        with process:
            yield process
    finally:
        process.kill()


def wait_for(process: subprocess.Popen[str], word: str, count: int) -> None:
    assert process.stderr is not None
    for line in process.stderr:
        count -= line.startswith(word)
        if count == 0:
            return
    raise AssertionError("it ended before it was to be stopped")


@pytest.fixture
def folder(model: Path, tmp_path: Path) -> Path:
    np.savez(tmp_path / "x.npz", x=tiny_data(48).array())
    return tmp_path


def left(folder: Path) -> set[str]:
    inside = {f"tmp/{path.name}" for path in (folder / "tmp").iterdir()}
    return {path.name for path in folder.iterdir()} - {"tmp", "x.npz"} | inside


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGHUP])
def test_calibrate_ends_with_what_passed(how: signal.Signals, model: Path, folder: Path) -> None:
    arguments = ("calibrate", model, "--data", "x.npz", "--max-drop", "0.2", "--time", "0")
    with command(folder, *arguments) as process:
        wait_for(process, "measuring", 12)
        process.send_signal(how)
        _, errors = process.communicate(timeout=120)
    assert process.returncode == 128 + how
    assert "Traceback" not in errors
    assert left(folder) <= {"thresholds.json"}
    if left(folder):
        found = zs.ThresholdSet.load(folder / "thresholds.json")
        assert not found.is_zero
        assert found.provenance["scores"]["holdout"]["samples"] == 24
    else:
        assert "nothing was written" in errors


def test_an_earlier_set_is_not_replaced_by_a_worse_one(model: Path, folder: Path) -> None:
    earlier = zs.ThresholdSet({"relu1": 9.0}, provenance={"predicted_speedup": 99.0})
    earlier.save(folder / "thresholds.json")
    arguments = ("calibrate", model, "--data", "x.npz", "--max-drop", "0.2", "--time", "0")
    with command(folder, *arguments) as process:
        wait_for(process, "measuring", 12)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    assert zs.ThresholdSet.load(folder / "thresholds.json") == earlier
    assert "interrupted" in errors


@pytest.mark.parametrize(
    ("how", "work"),
    [
        pytest.param(signal.SIGINT, SLEEP, id="interrupt in python"),
        pytest.param(signal.SIGINT, NATIVE, id="interrupt in native code"),
        pytest.param(signal.SIGTERM, NATIVE, id="termination in native code"),
        pytest.param(signal.SIGHUP, SLEEP, id="hangup in python"),
    ],
)
def test_optimize_stops_within_a_second(how: signal.Signals, work: str, model: Path, folder: Path) -> None:
    with command(folder, "optimize", model, "--data", "x.npz", "--output", "out", work=work) as process:
        wait_for(process, "measuring", 1)
        time.sleep(0.2)
        started = time.monotonic()
        process.send_signal(how)
        _, errors = process.communicate(timeout=60)
        seconds = time.monotonic() - started
    assert process.returncode == 128 + how
    assert seconds < 2.5, "one, and room for a busy machine"
    assert "error: interrupted" in errors
    assert "Traceback" not in errors
    assert left(folder) == set()


def test_engines_end_with_a_stopped_measurement(model: Path, folder: Path) -> None:
    with command(folder, "bench", model, "--data", "x.npz", "--time", "60", work="pass") as process:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and len(children(process.pid)) < 2:
            time.sleep(0.1)
        engines = children(process.pid)
        assert len(engines) == 2
        time.sleep(1.0)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert process.returncode == 143
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and any(Path(f"/proc/{pid}").exists() for pid in engines):
        time.sleep(0.1)
    assert not any(Path(f"/proc/{pid}").exists() for pid in engines)
    assert left(folder) == set()


def children(pid: int) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def test_a_signal_that_is_ignored_stays_so(folder: Path) -> None:
    """``nohup`` and the background jobs of a shell ignore signals, and so do the commands they start."""
    code = (
        "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "from zeroskip.cli.signals import install; install()\n"
        "print(signal.getsignal(signal.SIGHUP) is signal.SIG_IGN)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"
