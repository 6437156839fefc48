"""A journal gives back what was put in, whatever became of the process that wrote it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from zeroskip.journal import Journal, digest

FILE = "journal.bin"


def put(folder: Path, number: int, *, keep: bool = True) -> None:
    with Journal(folder) as journal:
        journal.is_kept = keep
        journal.recall(digest(number), lambda: {"x": np.full(3, number, np.float32)})


def unexpected() -> dict[str, np.ndarray]:
    raise AssertionError("computed again")


def known(folder: Path, number: int) -> bool:
    with Journal(folder) as journal:
        journal.is_kept = True
        try:
            found = journal.recall(digest(number), unexpected)
        except AssertionError:
            return False
        assert found["x"].dtype == np.float32
        assert found["x"].tolist() == [number] * 3
        return journal.recalled == 1


def test_results_are_recalled_by_a_later_run(tmp_path: Path) -> None:
    for number in range(3):
        put(tmp_path / "w", number)
    assert all(known(tmp_path / "w", number) for number in range(3))
    assert not known(tmp_path / "w", 9)


@pytest.mark.parametrize("cut", [1, 10, 47, 48, 100])
def test_a_record_cut_short_is_dropped_and_the_others_stay(tmp_path: Path, cut: int) -> None:
    put(tmp_path / "w", 1)
    put(tmp_path / "w", 2)
    path = tmp_path / "w" / FILE
    path.write_bytes(path.read_bytes()[:-cut])
    assert known(tmp_path / "w", 1)
    assert not known(tmp_path / "w", 2)
    put(tmp_path / "w", 3)
    assert known(tmp_path / "w", 3)


def test_a_damaged_record_counts_as_missing(tmp_path: Path) -> None:
    put(tmp_path / "w", 1)
    path = tmp_path / "w" / FILE
    content = bytearray(path.read_bytes())
    content[-5] ^= 255
    path.write_bytes(content)
    assert not known(tmp_path / "w", 1)


def test_a_file_that_is_none_is_no_failure(tmp_path: Path) -> None:
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / FILE).write_bytes(b"something else that is longer than a header of a record would be")
    put(tmp_path / "w", 1)
    assert known(tmp_path / "w", 1)


def test_it_goes_when_the_work_is_done(tmp_path: Path) -> None:
    put(tmp_path / "w", 1, keep=False)
    assert not (tmp_path / "w").exists()


def test_two_runs_do_not_share_one(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Journal(tmp_path / "w") as first, Journal(tmp_path / "w") as second:
        first.recall(digest(1), lambda: {"x": np.ones(3)})
        assert second.recall(digest(1), lambda: {"x": np.zeros(3)})["x"].tolist() == [0, 0, 0]
    assert "another run is working" in caplog.text
    assert not (tmp_path / "w").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_costs_only_time(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with Journal(tmp_path / "w") as journal:
        assert journal.recall(digest(1), lambda: {"x": np.ones(1)})["x"].tolist() == [1]


def test_a_place_that_is_a_file_costs_only_time(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "w").write_text("mine")
    with Journal(tmp_path / "w") as journal:
        assert journal.recall(digest(1), lambda: {"x": np.ones(1)})["x"].tolist() == [1]
    assert (tmp_path / "w").read_text() == "mine"
    assert "nothing is kept" in caplog.text


def test_a_killed_process_leaves_what_it_had(tmp_path: Path) -> None:
    code = (
        "import sys, numpy as np\nfrom pathlib import Path\nfrom zeroskip.journal import Journal, digest\n"
        "journal = Journal(Path(sys.argv[1]))\n"
        "for number in range(4): journal.recall(digest(number), lambda: {'x': np.full(3, number, np.float32)})\n"
        "print('ready', flush=True)\nsys.stdin.read()\n"
    )
    arguments = [sys.executable, "-c", code, str(tmp_path / "w")]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stdin=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGKILL)
    assert all(known(tmp_path / "w", number) for number in range(4))


def test_digests_tell_values_apart() -> None:
    values = [
        1, 1.0, "1", b"1", [1], (1, 1), [[1], 1], {"a": 1}, {"a": 2}, ["a", 1, 1], None,
        np.ones(2), np.ones(2, np.float32), np.ones((2, 1)), np.zeros(2),
    ]  # fmt: skip
    assert len({digest(value) for value in values}) == len(values)
    assert digest("a", "b") != digest("ab")
    assert digest([1, 2]) == digest([1, 2])
