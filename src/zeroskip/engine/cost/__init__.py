"""The cost model: how long a step takes, and at which density skipping zeros stops paying.

``work`` says how much of what a step does, ``model`` prices it, ``probes`` measures such work on this
machine, ``fit`` finds the prices, ``cache`` keeps them for the next session. Prices are plain data; only
``probes`` runs anything. ``density_curve`` and ``step_curves`` are times of the very steps of a network instead;
``noise`` says how far repeated times can be trusted.
"""

from .cache import choose_cost_model, fitted_cost_model
from .density_curve import DensityCurve
from .model import AlgorithmCost, CostModel, CostModelChoice, FamilyCost, Fit, with_crossovers
from .noise import MOST_ERROR, mean_error, median_error
from .step_curves import StepCurves, kept_curves
from .work import MOST_SPARSE_ROWS, can_skip, gains_by_zeros, skips_rows

__all__ = [
    "MOST_ERROR",
    "MOST_SPARSE_ROWS",
    "AlgorithmCost",
    "CostModel",
    "CostModelChoice",
    "DensityCurve",
    "FamilyCost",
    "Fit",
    "StepCurves",
    "can_skip",
    "choose_cost_model",
    "fitted_cost_model",
    "gains_by_zeros",
    "kept_curves",
    "mean_error",
    "median_error",
    "skips_rows",
    "with_crossovers",
]
