"""Sessions with islands through forks and the end of the interpreter: ONNX Runtime alone stands neither."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys

import pytest

from zeroskip.engine.mixed import lifetime

from ..scripts import run_script

forks = pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods() or "libtsan" in sys.executable, reason="cannot fork here"
)

MIXED = """
import gc, multiprocessing
from engine.island_models import BACKBONE, HEAD, image, model
PARTS = model(BACKBONE + "e = Atan (r2) r3 = Asinh (e)" + HEAD)
WHOLE = model("a = Conv (x, w1) e = Atan (a) y = Conv (e, w3)")
def new_session(data=PARTS, threads=2):
    return zs.InferenceSession(data, zs.SessionOptions(intra_op_num_threads=threads))
def result(session, batch=2):
    return session.run(None, {"x": image(batch)})[0]
sessions = {data: new_session(data) for data in (PARTS, WHOLE)}
expected = {(data, batch): result(new_session(data, 1), batch) for data in sessions for batch in (2, 3)}
def check(batch=2):
    for data, session in sessions.items():
        np.testing.assert_allclose(result(session, batch), expected[data, batch], atol=1e-5)
def check_new():
    for data in sessions:
        np.testing.assert_allclose(result(new_session(data)), expected[data, 2], atol=1e-5)
def drop():
    sessions.clear()
    gc.collect()
"""


def assert_done(body: str, prelude: str = MIXED) -> None:
    assert run_script(prelude + body + "\nprint('done')") == (0, "done\n", "")


@forks
def test_a_child_runs_the_islands_of_its_parent() -> None:
    """Before the parent has run them, and after; a child forks, too."""
    assert_done(
        """
for runs_before in (0, 5):
    for _ in range(runs_before):
        check()
    child(check)
    child(lambda: (check(3), check(), check_new()))  # a new shape, new sessions
child(lambda: (check(), child(lambda: (check(), drop())), check()))
check()
"""
    )


@forks
def test_sessions_are_dropped_in_a_child() -> None:
    """And ``sys.exit`` takes the child through the end of the interpreter and of the library."""
    assert_done(
        """
check()
for end in (os._exit, sys.exit):
    child(drop, end=end)
    child(lambda: (check(), drop()), end=end)
    child(lambda: (sessions.popitem(), gc.collect(), check()), end=end)
check()
"""
    )


@forks
def test_forks_while_other_threads_run_and_create_sessions() -> None:
    assert_done(
        """
check()
stop = False
def repeat(work):
    while not stop:
        work()
threads = [threading.Thread(target=repeat, args=[work], daemon=True) for work in (check, check, check_new)]
for thread in threads:
    thread.start()
for count in range(4):
    child(lambda: (check(), check_new(), drop()), end=sys.exit if count % 2 else os._exit)
stop = True
for thread in threads:
    thread.join()
"""
    )


@forks
def test_multiprocessing_workers() -> None:
    """At rest, and while another thread of the parent runs the same sessions."""
    assert_done(
        """
def repeat():
    while True:
        check()
def work(_):
    check()
    return os.getpid()
context = multiprocessing.get_context("fork")
check()
for is_loaded in (False, True):
    if is_loaded:
        threading.Thread(target=repeat, daemon=True).start()
    with context.Pool(2) as pool:
        workers = set(pool.map(work, range(10), chunksize=1))
    assert os.getpid() not in workers
    processes = [context.Process(target=target) for target in (check, drop)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(300)
    assert [process.exitcode for process in processes] == [0, 0]
"""
    )


DAEMONS = """
def repeat():
    while True:
        {work}
for _ in range(4):
    threading.Thread(target=repeat, daemon=True).start()
time.sleep(0.3)
"""


@pytest.mark.parametrize(("work", "code"), [("check()", 3), ("check_new()", 0)])
def test_daemon_threads_that_run_islands_at_exit(work: str, code: int) -> None:
    body = MIXED + DAEMONS.format(work=work) + f"print('done')\nsys.exit({code})"
    assert run_script(body) == (code, "done\n", "")


def test_ctrl_c_while_daemon_threads_run_islands() -> None:
    body = MIXED + DAEMONS.format(work="check()") + "print('running', flush=True)\nwhile True: time.sleep(0.01)"
    code, _, errors = run_script(body, signal.SIGINT)
    assert code == -signal.SIGINT
    assert errors.rstrip().endswith("KeyboardInterrupt")


def test_functions_called_at_exit_may_run_islands() -> None:
    code, output, errors = run_script("import atexit\natexit.register(lambda: (check(), print('late')))\n" + MIXED)
    assert (code, output, errors) == (0, "late\n", "")


def test_onnxruntime_is_imported_without_its_telemetry() -> None:
    """Its uploader would be a thread that is there from the import on."""
    assert_done(
        """
tasks = "/proc/self/task"
before = len(os.listdir(tasks)) if os.path.isdir(tasks) else 0
from zeroskip.engine.mixed.lifetime import runtime
runtime()
assert before == (len(os.listdir(tasks)) if before else 0)
""",
        prelude="",
    )


def test_the_environment_is_left_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    for value in (None, "0"):
        if value is None:
            monkeypatch.delenv("ORT_DISABLE_TELEMETRY", raising=False)
        else:
            monkeypatch.setenv("ORT_DISABLE_TELEMETRY", value)
        lifetime.runtime.cache_clear()
        assert lifetime.runtime().__name__ == "onnxruntime"
        assert os.environ.get("ORT_DISABLE_TELEMETRY") == value
