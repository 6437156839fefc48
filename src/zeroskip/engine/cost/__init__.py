"""The cost model: how long a step takes, and at which density skipping zeros stops paying.

``work`` says how much of what a step does, ``model`` prices it, ``probes`` measures such work on this
machine, with zeros as in ``zeros``, ``fit`` finds the prices, ``cache`` keeps them for the next session. Prices are
plain data; only ``probes`` runs anything. ``integer_form`` is what a float32 plan would be in u8, to be priced.
``density_curve`` and ``step_curves`` are times of the very steps of a network instead; ``noise`` says how far repeated
times can be trusted.
"""

from .cache import choose_cost_model, fitted_cost_model
from .density_curve import DensityCurve
from .integer_form import integer_form, is_integer
from .model import AlgorithmCost, CostModel, CostModelChoice, FamilyCost, Fit, with_crossovers
from .noise import MOST_ERROR, mean_error, median_error
from .step_curves import StepCurves, kept_curves
from .work import MOST_SPARSE_ROWS, ElementType, can_skip, element_type, gains_by_zeros, skips_rows

__all__ = [
    "MOST_ERROR",
    "MOST_SPARSE_ROWS",
    "AlgorithmCost",
    "CostModel",
    "CostModelChoice",
    "DensityCurve",
    "ElementType",
    "FamilyCost",
    "Fit",
    "StepCurves",
    "can_skip",
    "choose_cost_model",
    "element_type",
    "fitted_cost_model",
    "gains_by_zeros",
    "integer_form",
    "is_integer",
    "kept_curves",
    "mean_error",
    "median_error",
    "skips_rows",
    "with_crossovers",
]
