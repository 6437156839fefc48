"""Runs a fuzz target many times in a process of its own, and notes what went wrong there.

Every execution is made from its seed alone, so a finding is repeated by giving that seed. An execution may end in
an exception (noted, the process goes on), by a signal (a crash, a sanitizer's report, more than ten seconds of
its own time), or by using too much memory; after these a new process goes on with the next seed. Executions are
counted exactly; how the last thousand before such an end ended is lost. The slowest execution and the one after
which most memory had been in use are recorded with their seeds, also where neither was too much.
"""

from __future__ import annotations

import collections
import contextlib
import faulthandler
import gc
import importlib
import json
import mmap
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

SECONDS_PER_EXECUTION = 10
MAX_RESIDENT_BYTES = 2 << 30
_MAX_ADDRESS_BYTES = 6 << 30  # a request beyond it fails at once, so that no machine is brought down
_EXECUTIONS_PER_PROCESS = 50_000


def run(target: str, executions: int, seed: int, output: Path) -> dict[str, Any]:
    """Execute seeds ``{seed}:0`` to ``{seed}:{executions - 1}``; return and save outcomes and findings.

    Args:
        target: Module of this package with ``execute(seed: str) -> str``.
        executions: How many.
        seed: Of the whole campaign.
        output: Folder for ``{target}-{seed}.json`` and the messages of processes that died.
    """
    output.mkdir(parents=True, exist_ok=True)
    total: dict[str, Any] = {"target": target, "seed": seed, "executions": 0, "outcomes": {}, "findings": {}}
    total |= {"slowest": [0.0, ""], "largest": [0, ""]}
    outcomes: collections.Counter[str] = collections.Counter()
    start, began = 0, time.monotonic()
    execute = importlib.import_module(f"fuzz.{target}").execute
    with contextlib.suppress(Exception):
        execute(f"{seed}:warm-up")  # what is made on first use is made once, before the forks
    gc.freeze()
    gc.set_threshold(20_000)
    while start < executions:
        stop = min(executions, start + _EXECUTIONS_PER_PROCESS)
        part, start = _run_process(execute, output / f"{target}-{seed}", seed, start, stop)
        outcomes.update(part["outcomes"])
        for what, finding in part["findings"].items():
            known = total["findings"].setdefault(what, {**finding, "count": 0})
            known["count"] += finding["count"]
        for record in ("slowest", "largest"):
            total[record] = max(total[record], part.get(record, total[record]))
        total |= {"executions": start, "outcomes": dict(outcomes), "seconds": round(time.monotonic() - began, 1)}
        (output / f"{target}-{seed}.json").write_text(json.dumps(total, indent=2) + "\n")
        print(f"{target}: {start} executions, {len(total['findings'])} findings, {total['seconds']} s", flush=True)
    return total


def _run_process(
    execute: Callable[[str], str], base: Path, seed: int, start: int, stop: int
) -> tuple[dict[str, Any], int]:
    """Execute seeds from start on in one forked process; return what it found and where to go on."""
    state, log, result = base.with_suffix(".state"), base.with_suffix(".log"), base.with_suffix(".part")
    state.write_bytes(bytes(8))
    result.unlink(missing_ok=True)
    child = os.fork()
    if child == 0:
        with log.open("wb") as stream:
            os.dup2(stream.fileno(), 2)
        status = 4
        try:
            _limit_memory()
            _Worker(execute, seed, state, result).work(start, stop)
            status = 0
        finally:
            os._exit(status)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    part: dict[str, Any] = {"outcomes": {}, "findings": {}}
    if result.exists():
        part = json.loads(result.read_text())
    if code == 0:
        return part, stop
    index = int.from_bytes(state.read_bytes(), "little")
    kept = base.with_name(f"{base.name}-{index}.log")
    log.rename(kept)
    last = kept.read_text(errors="replace").strip().splitlines() or [""]
    what = f"process ended with {code} ({last[0][:120]})"
    part["findings"][what] = {"count": 1, "seed": f"{seed}:{index}", "message": f"see {kept.name}"}
    return part, index + 1


def _limit_memory() -> None:
    if "libasan" not in os.environ.get("LD_PRELOAD", ""):  # AddressSanitizer reserves terabytes of addresses
        resource.setrlimit(resource.RLIMIT_AS, (_MAX_ADDRESS_BYTES, _MAX_ADDRESS_BYTES))


class _Worker:
    """One process of a campaign."""

    def __init__(self, execute: Callable[[str], str], seed: int, state: Path, result: Path) -> None:
        self._execute = execute
        self._seed = seed
        self._result = result
        self._file = state.open("r+b")
        self._state = mmap.mmap(self._file.fileno(), 8)
        self._outcomes: collections.Counter[str] = collections.Counter()
        self._findings: dict[str, dict[str, Any]] = {}
        self._slowest: tuple[float, str] = (0.0, "")
        self._largest: tuple[int, str] = (0, "")

    def work(self, start: int, stop: int) -> None:
        # The process's own time, because a machine that is busy or a process that is stopped is no hang.
        faulthandler.register(signal.SIGPROF, chain=True)
        for index in range(start, stop):
            self._state[:8] = index.to_bytes(8, "little")
            signal.setitimer(signal.ITIMER_PROF, SECONDS_PER_EXECUTION)
            began = time.process_time()
            self._step(f"{self._seed}:{index}")
            self._record(time.process_time() - began, f"{self._seed}:{index}")
            if index % 1000 == 999:
                self._save()
                if os.getppid() == 1:  # the campaign was ended
                    os._exit(5)
            if self._largest[0] > MAX_RESIDENT_BYTES:
                print(f"{self._seed}:{index} used more than {MAX_RESIDENT_BYTES} bytes", file=sys.stderr)
                self._save()
                os._exit(3)
        signal.setitimer(signal.ITIMER_PROF, 0)
        self._save()

    def _step(self, seed: str) -> None:
        try:
            self._outcomes[self._execute(seed)] += 1
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            self._outcomes["finding"] += 1
            frames = traceback.extract_tb(error.__traceback__)
            where = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}"
            own = [frame for frame in frames if "/zeroskip/" in frame.filename]
            caller = f"{Path(own[-1].filename).name}:{own[-1].lineno}" if own else "?"
            what = f"{type(error).__name__} at {where} from {caller}"
            finding = self._findings.setdefault(what, {"count": 0, "seed": seed, "message": str(error)[:300]})
            finding["count"] += 1
            self._save()

    def _record(self, seconds: float, seed: str) -> None:
        resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        if seconds > self._slowest[0]:
            self._slowest = (round(seconds, 3), seed)
        if resident > self._largest[0]:
            self._largest = (resident, seed)

    def _save(self) -> None:
        result = {"outcomes": self._outcomes, "findings": self._findings}
        self._result.write_text(json.dumps({**result, "slowest": self._slowest, "largest": self._largest}))
