"""A small seeded share of what ``python -m fuzz`` does at length, and everything it once found."""

from __future__ import annotations

import faulthandler
import json
import os
import random
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zeroskip import _core

from .campaign import run
from .importer import import_model
from .model_mutator import ModelMutator
from .plan_maker import PlanMaker
from .plan_mutator import mutate_plan
from .program import run_plan
from .seeds import own_models

REGRESSIONS = sorted((Path(__file__).parent / "regressions").glob("*.onnx"))


def test_mutated_models_end_in_an_error_of_ours() -> None:
    mutator = ModelMutator(own_models())
    outcomes = {import_model(mutator.mutant(f"suite:{index}"), index % 4 == 0) for index in range(1200)}
    assert {"ModelError", "ShapeError", "UnsupportedOperatorError", "planned", "ran"} <= outcomes


def test_mutated_plans_are_refused_or_run() -> None:
    outcomes = [execute_plan(f"suite:{index}") for index in range(2000)]
    assert 300 < outcomes.count("refused") < 1700


def execute_plan(seed: str) -> str:
    """As ``program.execute``, without weights shared from plan to plan."""
    rng = random.Random(seed)
    maker = PlanMaker(rng)
    maker.make()
    plan: dict[str, Any] = {
        "tensors": maker.tensors,
        "steps": maker.steps,
        "inputs": maker.inputs,
        "outputs": maker.outputs,
        "arena_bytes": maker.arena_bytes,
        "num_threads": rng.choice((1, 2)),
        "isa": rng.choice(_core.isas_supported()),
    }
    is_mutant = rng.random() < 0.8
    return run_plan(mutate_plan(plan, rng) if is_mutant else plan, rng, must_be_accepted=not is_mutant)


def test_the_same_seed_gives_the_same_mutant() -> None:
    first, second = ModelMutator(own_models()), ModelMutator(own_models())
    mutants = [first.mutant(f"same:{index}") for index in range(50)]
    assert mutants == [second.mutant(f"same:{index}") for index in range(50)]
    assert len(set(mutants)) > 40


_EACH_IN_A_CHILD = """
import json, os, sys
from pathlib import Path
from fuzz.importer import import_model

def peak():  # not ru_maxrss, which a process inherits from the one that started it
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))

for path in sys.argv[1:]:
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.write(writing, json.dumps([import_model(Path(path).read_bytes()), peak()]).encode())
        os._exit(0)
    os.close(writing)
    told = os.read(reading, 1000)
    print(json.dumps([os.waitstatus_to_exitcode(os.wait()[1]), *json.loads(told or "[null, 0]")]), flush=True)
"""


@pytest.fixture(scope="module")
def ends_of_regressions() -> dict[Path, tuple[int, str, int]]:
    """Return exit code, outcome and peak kilobytes of each, in a process of its own: some ended it once."""
    folders = [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(folder for folder in folders if folder)}
    command = [sys.executable, "-c", _EACH_IN_A_CHILD, *map(str, REGRESSIONS)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    return dict(zip(REGRESSIONS, map(json.loads, done.stdout.splitlines()), strict=True))


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc to read the peak of memory from")
@pytest.mark.parametrize("path", REGRESSIONS, ids=lambda path: path.stem)
def test_what_was_found_once(path: Path, ends_of_regressions: dict[Path, tuple[int, str, int]]) -> None:
    """Some ended the process, others did not fit into two gigabytes."""
    code, outcome, peak_kilobytes = ends_of_regressions[path]
    assert code == 0
    assert outcome.endswith("Error") or outcome in ("planned", "ran")
    assert peak_kilobytes < 2 << 20


def test_campaigns_note_exceptions_crashes_and_waste(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The campaign itself: what it is for must not escape it."""
    monkeypatch.setitem(sys.modules, "fuzz.broken", BrokenTarget)
    total = run("broken", 12, 0, tmp_path)
    assert total["executions"] == 12
    found = {what: finding["seed"] for what, finding in total["findings"].items()}
    assert any(what.startswith("ValueError at test_fuzz.py") and seed == "0:3" for what, seed in found.items())
    assert any(what.startswith("process ended with -6") and seed == "0:5" for what, seed in found.items())
    assert any(what.startswith("process ended with 3") and seed == "0:7" for what, seed in found.items())
    assert any(what.startswith("process ended with -27") and seed == "0:9" for what, seed in found.items())


class BrokenTarget:
    """Stands in for a target module."""

    @staticmethod
    def execute(seed: str) -> str:
        """Fail in every way at four of the seeds."""
        import fuzz.campaign as campaign

        index = seed.partition(":")[2]
        if index == "3":
            raise ValueError("escaped")
        if index == "5":
            faulthandler.disable()  # its trace would look like a failure of the tests
            os.abort()
        if index == "7":
            campaign.MAX_RESIDENT_BYTES = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 // 2
        if index == "9":
            import signal

            signal.setitimer(signal.ITIMER_PROF, 0.05)
            while True:
                np.ones(1000).sum()
        return "well"
