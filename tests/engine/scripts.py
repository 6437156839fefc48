"""Scripts run in interpreters of their own: what forks, exits and signals do cannot be tested in pytest's process."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

_TESTS = Path(__file__).parents[1]

PRELUDE = """
import os, signal, sys, threading, time
import numpy as np
import zeroskip as zs
from soak.soak import small_network
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where the tests run in the background of a shell
MODEL = small_network().SerializeToString()
def new_session(threads=2):
    return zs.InferenceSession(MODEL, zs.SessionOptions(intra_op_num_threads=threads))
# Runs something in a forked process, and fails if that ends in another way than by exit code 0.
def child(work, *, end=os._exit):
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            signal.alarm(300)  # a child that waits for ever is ended, and noticed
            work()
            code = 0
        finally:
            end(code)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert status == 0, f"the child ended with {status}"
X = np.random.default_rng(0).standard_normal((1, 3, 12, 12), np.float32)
"""


def run_script(body: str, send: int | None = None) -> tuple[int, str, str]:
    """Run a script behind the prelude; return exit code, standard output and error.

    Args:
        body: Its source.
        send: A signal to send once it has printed its first line.
    """
    paths = [str(_TESTS), os.environ.get("PYTHONPATH", "")]
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", PRELUDE + textwrap.dedent(body)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in paths if path)},
    )
    first = ""
    if send is not None and process.stdout is not None:
        first = process.stdout.readline()
        process.send_signal(send)
    try:
        output, errors = process.communicate(timeout=600)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return process.returncode, first + output, errors
