"""The end of the interpreter: quiet and with its own exit code, whatever of zeroskip is still alive."""

from __future__ import annotations

import signal

import pytest

from .scripts import run_script

DAEMONS = """
session = new_session()
def work():
    while True:
        session.run(None, {"image": X})
for _ in range(4):
    threading.Thread(target=work, daemon=True).start()
time.sleep(0.2)
"""


def test_a_session_that_is_still_alive() -> None:
    assert run_script("session = new_session(); session.run(None, {'image': X}); keep = [session, session.run]") == (
        0,
        "",
        "",
    )


@pytest.mark.parametrize("code", [0, 3])
def test_daemon_threads_that_are_running(code: int) -> None:
    assert run_script(DAEMONS + f"print('done')\nsys.exit({code})") == (code, "done\n", "")


@pytest.mark.parametrize(
    "work",
    [
        pytest.param("run = program.start([X]); run.advance()", id="stepwise"),
        pytest.param("set_to(next(values))", id="replace constants"),
        pytest.param("core().peak_macs_per_ms(None, 1)", id="peak"),
        pytest.param("new_session()", id="build"),
    ],
)
def test_daemon_threads_anywhere_in_the_core(work: str) -> None:
    """Whatever gives the GIL up takes it back in the one safe way."""
    body = f"""
import itertools
from zeroskip.engine.native import core
def repeat():
    program = new_session().probe({{"image": X.shape}})
    name = next(iter(program.threshold_steps))
    values = itertools.cycle((0.1, 0.2))
    set_to = lambda value: program.set_thresholds({{name: value}})
    while True:
        {work}
for _ in range(4):
    threading.Thread(target=repeat, daemon=True).start()
time.sleep(0.5)
print("done")
"""
    assert run_script(body) == (0, "done\n", "")


def test_ctrl_c_during_runs() -> None:
    code, _, errors = run_script(
        "session = new_session(); print('running', flush=True)\nwhile True: session.run(None, {'image': X})",
        signal.SIGINT,
    )
    assert code == -signal.SIGINT
    assert errors.rstrip().endswith("KeyboardInterrupt")


def test_ctrl_c_with_daemon_threads() -> None:
    code, _, errors = run_script(DAEMONS + "print('running', flush=True)\nwhile True: time.sleep(0.01)", signal.SIGINT)
    assert code == -signal.SIGINT
    assert errors.rstrip().endswith("KeyboardInterrupt")


def test_termination_during_runs() -> None:
    code, _, errors = run_script(DAEMONS + "print('running', flush=True)\nwhile True: time.sleep(0.01)", signal.SIGTERM)
    assert (code, errors) == (-signal.SIGTERM, "")
