"""The cost model: ordering and limits, not absolute times."""

from __future__ import annotations

import pytest

from zeroskip.engine import CostModel, Plan

from .canonical_graph import CanonicalGraph


def plan_of_two_convolutions() -> Plan:
    graph = CanonicalGraph(1, 64, 14, 14)
    return graph.plan(graph.conv(graph.relu(graph.conv("x", (64, 64))), (64, 64), output="y"))


def test_time_falls_with_density_and_never_exceeds_dense() -> None:
    plan = plan_of_two_convolutions()
    skipping = plan.steps[2]
    times = [CostModel().predict(plan, skipping, density) for density in (1.0, 0.8, 0.5, 0.2, 0.05)]
    assert times == sorted(times, reverse=True)
    assert times[0] <= CostModel().predict(plan, skipping)
    assert times[0] > 3 * times[-1]


def test_speedup_at_half_density_matches_what_the_seed_was_measured_at() -> None:
    plan = plan_of_two_convolutions()
    ratio = CostModel().predict(plan, plan.steps[2]) / CostModel().predict(plan, plan.steps[2], 0.5)
    assert ratio == pytest.approx(1.6, abs=0.25)


def test_a_step_that_cannot_skip_ignores_density() -> None:
    plan = plan_of_two_convolutions()
    dense = plan.steps[1]
    assert CostModel().predict(plan, dense, 0.1) == CostModel().predict(plan, dense)


def test_threads_and_instruction_sets_scale() -> None:
    plan = plan_of_two_convolutions()
    step = plan.steps[1]
    assert CostModel().predict(plan, step, threads=2) < CostModel().predict(plan, step)
    assert CostModel.for_isa("generic").predict(plan, step) > CostModel.for_isa("avx512").predict(plan, step)
