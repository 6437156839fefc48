"""StepCurves: what the steps of one network take at several densities on this machine, measured and kept.

The cost model knows kinds of steps; these are the very steps. They are measured once for a model, an instruction set
and a number of threads, and read from the user's cache afterwards, so that a search by them comes out the same again.
Each knows how noisy it was; curves that are too noisy to tell layers apart are measured again by whoever asks next.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from ...errors import DataError, ZeroskipError
from ...journal import digest
from ...saved_value import SavedValue
from ...system import user_cache_folder
from .cache import machine_key
from .density_curve import DensityCurve
from .noise import MOST_ERROR, mean_error

_logger = logging.getLogger(__name__)

_FOLDER = "step-curves"
_FORM = 2
"""Files of an earlier form, which do not say how noisy they are, are not read."""
_MOST_FILES = 64
_in_memory: dict[str, StepCurves] = {}


class MeasuredStep(BaseModel):
    """One step.

    Attributes:
        points: Density of what it reads and median time in ms per run; a single one of density 1 where the time does
            not depend on the density.
        steady_density: See :meth:`DensityCurve.fit`.
        error: Relative standard error of these times, told by how far their repetitions lay apart; median over points.
    """

    model_config = ConfigDict(frozen=True)

    points: tuple[tuple[float, float], ...] = Field(min_length=1)
    steady_density: float | None = None
    error: float = Field(default=0.0, ge=0.0)


class StepCurves(SavedValue):
    """Times of the steps of a network over the density of what they read.

    Attributes:
        isa: Instruction set.
        threads: Threads of a run.
        batch_size: Inputs per run.
        precision: In which the network ran.
        steps: By name of the step.
    """

    _what: ClassVar[str] = "measured step times"

    isa: str
    threads: int
    batch_size: int = Field(ge=1)
    precision: str = "float32"
    steps: dict[str, MeasuredStep]

    @property
    def error(self) -> float:
        """Relative standard error of the times of the steps that can skip, each weighted by its time."""
        skipping = [step for step in self.steps.values() if len(step.points) > 1]
        return mean_error([step.error for step in skipping], [max(step.points)[1] for step in skipping])

    @property
    def is_noisy(self) -> bool:
        """Whether the times say too little to tell which zeros pay."""
        return self.error > MOST_ERROR

    @cached_property
    def curves(self) -> dict[str, DensityCurve]:
        """By name of the step."""
        return {name: DensityCurve.fit(step.points, step.steady_density) for name, step in self.steps.items()}

    def step_ms(self, name: str, density: float | None) -> float | None:
        """Return the time of a step in ms per input; None for a step that was not measured.

        Args:
            name: Of the step.
            density: Fraction of non-zeros in what it reads; None for the most that was measured.
        """
        curve = self.curves.get(name)
        if curve is None:
            return None
        return curve.at(curve.densities[-1] if density is None else density) / self.batch_size


def kept_curves(model: bytes, isa: str, threads: int, measure: Callable[[], StepCurves]) -> StepCurves:
    """Return the curves of a model, measured now if that has not been done on this machine, or too noisily.

    Of noisy ones the least noisy are returned and kept; the next call measures again.

    Args:
        model: Identity of the network: file, form, batch size.
        isa: Instruction set.
        threads: Threads.
        measure: Measures.
    """
    name = digest(_FORM, model, machine_key(isa, threads)).hex()[:32]
    folder = user_cache_folder()
    path = None if folder is None else folder / _FOLDER / f"{name}.json"
    found = _in_memory.get(name) or (None if path is None else _read(path))
    if found is not None and not found.is_noisy:
        return found
    measured = measure()
    if found is not None and found.error <= measured.error:
        return found
    _keep(name, path, measured)
    return measured


def _read(path: Path) -> StepCurves | None:
    try:
        return StepCurves.load(path)
    except DataError as error:
        if not isinstance(error.__cause__, FileNotFoundError):
            _logger.debug("ignored: %s", error)
        return None


def _keep(name: str, path: Path | None, curves: StepCurves) -> None:
    if path is not None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            curves.save(path)
            _drop_oldest(path.parent)
            return
        except (OSError, ZeroskipError) as error:
            _logger.debug("step times are kept in memory only: %s", error)
    _in_memory[name] = curves


def _drop_oldest(folder: Path) -> None:
    files = sorted(folder.glob("*.json"), key=lambda file: file.stat().st_mtime)
    for file in files[:-_MOST_FILES]:
        with suppress(OSError):
            file.unlink()
