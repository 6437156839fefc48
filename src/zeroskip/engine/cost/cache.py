"""Keeping fitted cost models: one small file per instruction set and number of threads, in the user's cache.

A file that is damaged, or was made by another version or on another machine, counts as missing. Where the
folder cannot be written the model lives as long as the process.
"""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path
from typing import get_args

from ...errors import DataError, EngineError
from ...progress import Progress
from ...saved_value import SavedValue
from ...system import cache_bytes, cpu_model, installed_version, usable_cpus, user_cache_folder
from ..native import core
from .model import CostModel, CostModelChoice

VARIABLE = "ZEROSKIP_COST_MODEL"
"""Environment variable that holds a choice for sessions that do not make one."""

_VERSION = 4  # raise it when the meaning of amounts or the set of families changes

_logger = logging.getLogger(__name__)
_in_memory: dict[tuple[str, int], CostModel] = {}


class _Entry(SavedValue):
    """A cache file: the model and what it holds for."""

    key: dict[str, str]
    model: CostModel


def choose_cost_model(choice: CostModel | CostModelChoice | None, isa: str | None, threads: int) -> CostModel:
    """Return the cost model a session is to use.

    Args:
        choice: A model is taken as it is; None asks the environment variable ``ZEROSKIP_COST_MODEL``, else means
            ``"cached"``.
        isa: Instruction set; None for the best.
        threads: Threads; 0 for all CPUs.

    Raises:
        EngineError: If the environment variable holds no choice.
    """
    if isinstance(choice, CostModel):
        return choice
    isa, threads = _resolved(isa, threads)
    choice = choice or _choice_of_environment()
    if choice == "default":
        return CostModel.for_isa(isa)
    if choice == "cached":
        return _load(isa, threads) or CostModel.for_isa(isa)
    return _fitted(isa, threads, refit=choice == "refit", progress=None)


def fitted_cost_model(
    isa: str | None = None, threads: int = 0, *, refit: bool = False, progress: Progress | None = None
) -> CostModel:
    """Return the cost model of this machine, measuring it (a few seconds) if that has not been done.

    Does nothing where ``ZEROSKIP_COST_MODEL=default`` asks for the built-in model.

    Args:
        isa: Instruction set; None for the best.
        threads: Threads; 0 for all CPUs.
        refit: Whether to measure even if there is a model.
        progress: Told of each round of the measurement.

    Raises:
        EngineError: If the environment variable holds no choice, or the measurement fails.
    """
    isa, threads = _resolved(isa, threads)
    choice = _choice_of_environment()
    if choice == "default" and not refit:
        return CostModel.for_isa(isa)
    return _fitted(isa, threads, refit or choice == "refit", progress)


def cache_path(isa: str, threads: int) -> Path | None:
    """Return where the model for an instruction set and a number of threads is kept; None: in memory only."""
    folder = user_cache_folder()
    return folder and folder / f"cost-model-{isa}-t{threads}.json"


def _fitted(isa: str, threads: int, refit: bool, progress: Progress | None) -> CostModel:
    found = None if refit else _load(isa, threads)
    if found is not None:
        return found
    model = _measure(isa, threads, progress)
    assert model.fit is not None
    if model.fit.is_noisy:
        _logger.warning(
            "the machine was busy while its speed was measured (repetitions differ by %.0f%%, error %.0f%%); "
            "repeat it with 'zeroskip info --refit' when it is idle",
            100 * model.fit.spread,
            100 * model.fit.error,
        )
    _store(model)
    return model


def _measure(isa: str, threads: int, progress: Progress | None) -> CostModel:
    from .fit import fit_cost_model
    from .probes import measure

    start = time.perf_counter()
    measurement = measure(isa, threads, progress=progress)
    return fit_cost_model(measurement, isa=isa, threads=threads, seconds=time.perf_counter() - start)


def _load(isa: str, threads: int) -> CostModel | None:
    path = cache_path(isa, threads)
    if path is None or (isa, threads) in _in_memory:
        return _in_memory.get((isa, threads))
    try:
        entry = _Entry.load(path)
    except DataError as error:
        if not isinstance(error.__cause__, FileNotFoundError):
            _logger.debug("ignored: %s", error)
        return None
    return entry.model if entry.key == machine_key(isa, threads) else None


def _store(model: CostModel) -> None:
    path = cache_path(model.isa, model.threads)
    _in_memory[model.isa, model.threads] = model
    if path is None:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # By rename: readers see all or nothing.
        _Entry(key=machine_key(model.isa, model.threads), model=model).save(path)
        del _in_memory[model.isa, model.threads]
    except OSError as error:
        _logger.debug("the cost model is kept in memory only: %s", error)


def machine_key(isa: str, threads: int) -> dict[str, str]:
    """Return what measured times hold for: this machine, this build of the core, so many threads."""
    native = Path(str(core().__file__)).stat()  # a rebuilt core may be faster
    l1, l2 = cache_bytes(1), cache_bytes(2)
    return {
        "model_version": str(_VERSION),
        "zeroskip": installed_version("zeroskip") or "",
        "core": f"{native.st_size}-{native.st_mtime_ns}",
        "cpu": cpu_model(),
        "isa": isa,
        "l1_bytes": str(l1),
        "l2_bytes": str(l2),
        "threads": str(threads),
    }


def _resolved(isa: str | None, threads: int) -> tuple[str, int]:
    native = core()
    try:
        return isa or str(native.active_isa()), threads or usable_cpus()
    except native.Error as error:
        raise EngineError(str(error)) from error


def _choice_of_environment() -> CostModelChoice:
    text = os.environ.get(VARIABLE, "cached")
    choices: tuple[CostModelChoice, ...] = get_args(CostModelChoice)
    for choice in choices:
        if text == choice:
            return choice
    raise EngineError(f"{VARIABLE} is '{text}'; expected one of {', '.join(choices)}")
