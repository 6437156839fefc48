"""A calibration that was killed goes on where it was, with the outcome of one that was not."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import zeroskip as zs
from tiny_network import tiny_data, tiny_network
from zeroskip.calibration import CalibrationResult
from zeroskip.calibration.network.evaluation import Evaluator
from zeroskip.calibration.search.finder import Finder
from zeroskip.journal import Journal

PROGRAM = """
import sys, time
sys.path.insert(0, {tests!r})
import zeroskip as zs
from tiny_network import tiny_data, tiny_network
from zeroskip.journal import Journal
put = Journal._put
def slow(journal, key, arrays):
    put(journal, key, arrays)
    print("kept", flush=True)
    time.sleep(0.05)
Journal._put = slow
zs.calibrate(tiny_network(), tiny_data(48), 0.05, work_folder=sys.argv[1], threads=1, measure_seconds=0.0{options})
"""


def calibrated(**options: Any) -> CalibrationResult:
    return zs.calibrate(tiny_network(), tiny_data(48), 0.05, threads=1, measure_seconds=0.0, **options)


def same(first: CalibrationResult, second: CalibrationResult) -> bool:
    update = {"seconds": 0.0}
    return first.model_copy(update=update).to_dict() == second.model_copy(update=update).to_dict()


@pytest.mark.parametrize("options", [{}, {"compensation": "bias"}, {"strategy": "uniform"}])
def test_a_killed_search_goes_on_to_the_same_outcome(
    tmp_path: Path, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "work"
    tests = str(Path(__file__).resolve().parents[1])
    words = "".join(f", {name}={value!r}" for name, value in options.items())
    program = PROGRAM.format(tests=tests, options=words)
    with subprocess.Popen([sys.executable, "-c", program, str(folder)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for _ in range(6):
            assert process.stdout.readline() == b"kept\n"
        process.send_signal(signal.SIGKILL)
    assert folder.exists()
    recalled = 0
    leave = Journal.__exit__

    def count(journal: Journal, *error: Any) -> None:
        nonlocal recalled
        recalled = journal.recalled
        leave(journal, *error)

    monkeypatch.setattr(Journal, "__exit__", count)
    resumed = calibrated(work_folder=folder, **options)
    assert recalled >= 6
    assert not folder.exists()
    assert same(resumed, calibrated(**options))


@pytest.mark.parametrize(
    "change", [{"data": 47}, {"gain": 1.01}, {"branches": True}], ids=["other data", "other weights", "branches"]
)
def test_nothing_is_taken_from_another_calibration(tmp_path: Path, change: dict[str, Any]) -> None:
    def recalled(journal: Journal, data: int = 48, gain: float = 1.0, branches: bool = False) -> int:
        before = journal.recalled
        zs.calibrate(
            tiny_network(gain=gain), tiny_data(data), 0.05, threads=1, measure_seconds=0.0, work_folder=journal,
            branches=branches,
        )  # fmt: skip
        return journal.recalled - before

    with Journal(tmp_path / "work") as shared, Journal(tmp_path / "fresh") as fresh:
        recalled(shared)
        assert recalled(shared, **change) == recalled(fresh, **change), "only what one run asks twice"
        assert recalled(shared) > 10


def test_the_time_limit_ends_the_search_with_what_was_found(monkeypatch: pytest.MonkeyPatch) -> None:
    measure = Evaluator._measure

    def slow(evaluator: Evaluator) -> Any:
        time.sleep(0.1)
        return measure(evaluator)

    monkeypatch.setattr(Evaluator, "_measure", slow)
    limited = calibrated(time_limit=1.5)
    assert limited.was_interrupted
    assert limited.message.startswith("Stopped early")
    assert limited.holdout.drop <= 0.05
    assert len(limited.trials) < len(calibrated().trials)


def test_a_time_limit_that_runs_out_in_the_last_checks_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    confirm = Finder.confirm

    def late(finder: Finder, found: Any, **how: bool) -> None:
        work = finder._setting.work
        work._deadline = None if work._deadline is None else 0.0
        confirm(finder, found, **how)

    monkeypatch.setattr(Finder, "confirm", late)
    assert not calibrated(time_limit=1000.0).was_interrupted


def test_interruptions_can_be_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Evaluator, "variants", stop)
    assert calibrated().was_interrupted
    with pytest.raises(KeyboardInterrupt):
        calibrated(keep_best=False)
