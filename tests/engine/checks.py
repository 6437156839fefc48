"""What most planner tests do: plan, run in numpy on poisoned memory, compare with the reference."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from zeroskip.engine import Plan, Step

from .canonical_graph import CanonicalGraph
from .numpy_executor import run_plan


def assert_plan_computes(graph: CanonicalGraph, *outputs: str, taps: Sequence[str] = ()) -> Plan:
    """Check that the plan of ``graph`` computes its outputs and taps; return the plan."""
    plan = graph.plan(*outputs, taps=taps)
    results = run_plan(plan, list(graph.feed().values()))
    for name, result, expected in zip((*outputs, *taps), results, graph.expected(*outputs, *taps), strict=True):
        tolerance = 1e-4 * np.abs(expected).max()
        np.testing.assert_allclose(result, expected, rtol=0, atol=tolerance, err_msg=name)
    return plan


def ops(plan: Plan) -> list[str]:
    return [step.op for step in plan.steps]


def step_of(plan: Plan, output: str) -> Step:
    """Return the step that produces the value ``output``."""
    return next(step for step in plan.steps if plan.tensors[step.outputs[0]].name == output)
