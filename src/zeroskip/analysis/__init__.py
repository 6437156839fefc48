"""Measuring a model on real data: how sparse its activations are, where time goes, what skipping saves.

:func:`analyze` measures, :class:`SparsityProfile` is what it returns. Nothing here changes a model, and no
accuracy is judged.
"""

from __future__ import annotations

from .analyze import GAINS, analyze, refuse_noise
from .inputs import ModelInput, run_batches, warn_of_other_preprocessing
from .observation import ActivationValues, observe
from .reasons import reason_against_skipping
from .records import ActivationSparsity, FixedTime, Histogram, LayerSparsity, PrecisionTimes, Reference
from .sparsity_profile import SparsityProfile
from .zero_maps import ZeroMap, ZeroMaps, map_zeros

__all__ = [
    "GAINS",
    "ActivationSparsity",
    "ActivationValues",
    "FixedTime",
    "Histogram",
    "LayerSparsity",
    "ModelInput",
    "PrecisionTimes",
    "Reference",
    "SparsityProfile",
    "ZeroMap",
    "ZeroMaps",
    "analyze",
    "map_zeros",
    "observe",
    "reason_against_skipping",
    "refuse_noise",
    "run_batches",
    "warn_of_other_preprocessing",
]
