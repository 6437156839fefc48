"""The fuzz target of the native core: a plan in; refused with an error, or run, with the same result every time."""

from __future__ import annotations

import contextlib
import os
import random
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from zeroskip import _core

from .plan_maker import PlanMaker
from .plan_mutator import mutate_plan

_MAX_BYTES = 1 << 26  # a plan of more is built, but not run
_MAX_BUILD_BYTES = 1 << 30  # a plan may ask for terabytes; what is not to be had must end in an error of ours
_MAX_THREADS = 8
_SHARED_WEIGHTS = 64  # plans in a row that share a store of packed weights
_store: list[Any] = [None, 0]


def execute(seed: str) -> str:
    """Build and run the plan of a seed; return how that ended."""
    rng = random.Random(seed)
    maker = PlanMaker(rng)
    maker.make()
    plan = {
        "tensors": maker.tensors,
        "steps": maker.steps,
        "inputs": maker.inputs,
        "outputs": maker.outputs,
        "arena_bytes": maker.arena_bytes,
        "num_threads": rng.choice((1, 1, 1, 2, 3)),
        "isa": rng.choice(_core.isas_supported()),
    }
    is_mutant = rng.random() < 0.8
    return run_plan(mutate_plan(plan, rng) if is_mutant else plan, rng, must_be_accepted=not is_mutant)


def run_plan(plan: dict[str, Any], rng: random.Random, must_be_accepted: bool = False) -> str:
    """Build a program and run it three times.

    Args:
        plan: Arguments of ``_core.Program``.
        rng: Decides the inputs.
        must_be_accepted: Whether the plan is valid.

    Returns:
        "refused", "built" (too large to run) or "ran".

    Raises:
        AssertionError: If a valid plan is refused, or a result depends on what ran before.
        Exception: Whatever else escapes: a finding.
    """
    try:
        with _address_space(_MAX_BUILD_BYTES):
            program = _core.Program(**plan, weights=_weights(rng))
    except (_core.Error, TypeError) as error:  # TypeError: an index that is no 32-bit integer
        if must_be_accepted:
            raise AssertionError(f"a valid plan is refused: {error}") from error
        return "refused"
    external = sum(
        4 * int(np.prod(plan["tensors"][i]["shape"], dtype=object)) for i in (*plan["inputs"], *plan["outputs"])
    )
    if external + program.arena_bytes + program.scratch_bytes > _MAX_BYTES or program.num_threads > _MAX_THREADS:
        return "built"
    first, other = _inputs(plan, rng), _inputs(plan, rng)
    expected = program.run(first)
    program.run(other)
    for result, again in zip(expected, program.run(first), strict=True):
        assert result.tobytes() == again.tobytes(), "a result depends on the run before"
    return "ran"


@contextlib.contextmanager
def _address_space(more: int) -> Iterator[None]:
    """Grant the process so many bytes more than it has; AddressSanitizer has too many to count."""
    if "libasan" in os.environ.get("LD_PRELOAD", ""):
        yield
        return
    present = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (present + more, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _weights(rng: random.Random) -> Any:
    """Return a store of packed weights that plans after each other share, as those of a session do."""
    if rng.random() < 0.7:
        return None
    if _store[0] is None or _store[1] >= _SHARED_WEIGHTS:
        _store[:] = [_core.WeightStore(), 0]
    _store[1] += 1
    return _store[0]


def _inputs(plan: dict[str, Any], rng: random.Random) -> list[np.ndarray]:
    arrays = []
    for index in plan["inputs"]:
        random_state = np.random.default_rng(rng.getrandbits(32))
        array = random_state.standard_normal(plan["tensors"][index]["shape"], dtype=np.float32)
        array[random_state.random(array.shape) < rng.choice((0.0, 0.5, 0.9, 1.0))] = 0
        if rng.random() < 0.1:
            array.reshape(-1)[: array.size // 3] = rng.choice((np.nan, np.inf, -np.inf, 1e-45, 3e38))
        arrays.append(array)
    return arrays
