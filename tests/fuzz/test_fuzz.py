"""A small seeded share of what ``python -m fuzz`` does at length, and everything it once found."""

from __future__ import annotations

import faulthandler
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


@pytest.mark.parametrize("path", REGRESSIONS, ids=lambda path: path.stem)
def test_what_was_found_once(path: Path) -> None:
    """In a process of its own, which some of these ended, with two gigabytes, which others did not fit."""
    script = (
        "import sys; from pathlib import Path; from fuzz.importer import import_model; "
        "print(import_model(Path(sys.argv[1]).read_bytes())); "
        # Not ru_maxrss, which a process inherits from the one that started it.
        "print(*(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))"
    )
    folders = [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(folder for folder in folders if folder)}
    command = [sys.executable, "-c", script, str(path)]
    process = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=600)
    assert process.returncode == 0, process.stderr
    outcome, peak_kilobytes = process.stdout.split()
    assert outcome.endswith("Error") or outcome in ("planned", "ran")
    assert int(peak_kilobytes) < 2 << 20


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
