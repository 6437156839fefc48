"""The engine: plans a canonical model and runs it on the native core.

``InferenceSession`` is the way in. Planning is pure Python on pure data (``build_plan`` -> ``Plan``); only
what runs per inference is native. The names below are resolved on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .cost import CostModel, fitted_cost_model
    from .options import SessionOptions
    from .plan.build import build_plan
    from .plan.types import Plan, Step, TensorSpec
    from .run.probe import ProbeProgram, ProbeRun, SavedRun
    from .session import InferenceSession
    from .show.explain import ExplainedStep, Explanation
    from .show.step_times import Profile, StepProfile
    from .signature import NodeArg

_LAZY = {
    "CostModel": "cost",
    "ExplainedStep": "show.explain",
    "Explanation": "show.explain",
    "InferenceSession": "session",
    "NodeArg": "signature",
    "Plan": "plan.types",
    "ProbeProgram": "run.probe",
    "ProbeRun": "run.probe",
    "Profile": "show.step_times",
    "SavedRun": "run.probe",
    "SessionOptions": "options",
    "Step": "plan.types",
    "StepProfile": "show.step_times",
    "TensorSpec": "plan.types",
    "build_plan": "plan.build",
    "fitted_cost_model": "cost",
}

__all__ = [
    "CostModel",
    "ExplainedStep",
    "Explanation",
    "InferenceSession",
    "NodeArg",
    "Plan",
    "ProbeProgram",
    "ProbeRun",
    "Profile",
    "SavedRun",
    "SessionOptions",
    "Step",
    "StepProfile",
    "TensorSpec",
    "build_plan",
    "fitted_cost_model",
]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'zeroskip.engine' has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_LAZY[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
