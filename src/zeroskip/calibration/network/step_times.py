"""The steps of the network under calibration, timed at several densities on some of its own inputs."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ...engine import ProbeProgram
from ...engine.cost import StepCurves, kept_curves
from ...engine.cost.cache import VARIABLE
from ...errors import EngineError, OutOfMemoryError
from ...journal import digest
from ...thresholds import Threshold
from .samples import Values

_log = logging.getLogger(__name__)

Level = Mapping[str, Threshold]

LEVELS = (0.0, 0.15, 0.3, 0.45, 0.6, 0.75, 0.9)
"""Shares of their non-zero values that all activations drop at once while the steps are timed."""


def may_measure() -> bool:
    """Whether times may be measured: not where the environment asks for the built-in prices."""
    return os.environ.get(VARIABLE) != "default"


def measured_curves(
    program: ProbeProgram,
    values: Mapping[str, Values],
    model: bytes,
    precision: str,
    sweep: Callable[[Sequence[Level]], StepCurves],
) -> StepCurves | None:
    """Return measured times of a network's steps, from the cache if there are any; None if it cannot be timed.

    Args:
        program: The float network at the batch size that it is to be timed at.
        values: Samples of its activations.
        model: Hash of the model.
        precision: In which it is timed.
        sweep: Times it at the levels it is given.
    """
    levels: list[Level] = [{name: sample.threshold(share) for name, sample in values.items()} for share in LEVELS]
    batch = program.plan.tensors[program.plan.inputs[0]].shape
    parts = (model, batch, sorted(values), np.array(LEVELS))
    identity = digest(*parts) if precision == "f32" else digest(*parts, precision)
    try:
        return kept_curves(identity, program.isa, program.num_threads, lambda: sweep(levels))
    except (EngineError, OutOfMemoryError) as error:
        _log.warning("layers could not be timed, so the cost model says what zeros are worth: %s", error)
        return None
