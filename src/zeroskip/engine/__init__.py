"""The engine: plans a canonical model and runs it on the native core.

``InferenceSession`` is the way in. Planning is pure Python on pure data (``build_plan`` -> ``Plan``); only
what runs per inference is native. The names below are resolved on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .cost import CostModel, fitted_cost_model
    from .explain import Explanation
    from .options import SessionOptions
    from .plan import build_plan
    from .plan_types import Plan, Step, TensorSpec
    from .probing import ProbeProgram, ProbeRun, SavedRun
    from .profile import Profile, StepProfile
    from .session import InferenceSession
    from .signature import NodeArg

_LAZY = {
    "CostModel": "cost",
    "Explanation": "explain",
    "InferenceSession": "session",
    "NodeArg": "signature",
    "Plan": "plan_types",
    "ProbeProgram": "probing",
    "ProbeRun": "probing",
    "Profile": "profile",
    "SavedRun": "probing",
    "SessionOptions": "options",
    "Step": "plan_types",
    "StepProfile": "profile",
    "TensorSpec": "plan_types",
    "build_plan": "plan",
    "fitted_cost_model": "cost",
}

__all__ = [
    "CostModel",
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
