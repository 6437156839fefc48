"""Forking after a model was loaded, as pre-forking servers and multiprocessing do: the child runs it too."""

from __future__ import annotations

import multiprocessing
import sys

import pytest

from .scripts import run_script

pytestmark = [
    pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="this system cannot fork"),
    pytest.mark.skipif("libtsan" in sys.executable, reason="ThreadSanitizer does not fork threads"),
]

FORK = """
def check(session, x=X):
    assert session.run(None, {"image": x})[0].tobytes() == expected[x.shape[0]]
two = np.repeat(X, 2, axis=0)
session = new_session()
reference = new_session(threads=1)
expected = {len(x): reference.run(None, {"image": x})[0].tobytes() for x in (X, two)}
"""


def test_parent_and_child_both_run() -> None:
    """Before the parent has run the session, and after."""
    code, output, errors = run_script(
        FORK
        + """
for runs_before in (0, 5):
    for _ in range(runs_before):
        check(session)
    child(lambda: check(session))
    child(lambda: (check(session), check(session, two), check(new_session())))  # a new shape, a new session
check(session)
print("done")
"""
    )
    assert (code, output, errors) == (0, "done\n", "")


def test_forks_while_other_threads_run_and_compile() -> None:
    """Whatever mutex a thread of the parent holds at that moment, the child's are free."""
    code, output, errors = run_script(
        FORK
        + """
stop = False
def run():
    while not stop:
        check(session)
def load():
    while not stop:
        check(new_session(), two)
threads = [threading.Thread(target=target) for target in (run, run, load)]
for thread in threads:
    thread.start()
for _ in range(25):
    child(lambda: (check(session), check(session, two)))
stop = True
for thread in threads:
    thread.join()
print("done")
"""
    )
    assert (code, output, errors) == (0, "done\n", "")


def test_a_pool_of_forked_workers() -> None:
    code, output, errors = run_script(
        FORK
        + """
import multiprocessing
check(session)
def work(_):
    check(session)
    return os.getpid()
with multiprocessing.get_context("fork").Pool(2) as pool:
    workers = set(pool.map(work, range(20), chunksize=1))
assert os.getpid() not in workers
print("done")
"""
    )
    assert (code, output, errors) == (0, "done\n", "")
