"""The cost model: ordering and limits, not absolute times."""

from __future__ import annotations

from dataclasses import replace

import pytest

from zeroskip.engine import CostModel, Plan
from zeroskip.engine.cost import AlgorithmCost, FamilyCost, Fit, with_crossovers
from zeroskip.engine.cost.synthetic import SyntheticPlan
from zeroskip.engine.cost.work import DENSE_AMOUNTS, FAMILIES, SPARSE_AMOUNTS, WINOGRAD_AMOUNTS
from zeroskip.engine.plan.types import Step

from ..canonical_graph import CanonicalGraph

SEED = CostModel.for_isa("avx512")


def plan_of_two_convolutions() -> Plan:
    graph = CanonicalGraph(1, 64, 14, 14)
    return graph.plan(graph.conv(graph.relu(graph.conv("x", (64, 64))), (64, 64), output="y"))


def test_time_falls_with_density_and_never_exceeds_dense() -> None:
    plan = plan_of_two_convolutions()
    skipping = plan.steps[2]
    times = [SEED.predict(plan, skipping, density) for density in (1.0, 0.8, 0.5, 0.2, 0.05)]
    assert times == sorted(times, reverse=True)
    assert times[0] <= SEED.predict(plan, skipping)
    assert times[0] > 3 * times[-1]


def test_speedup_at_half_density_matches_what_the_seed_was_measured_at() -> None:
    plan = plan_of_two_convolutions()
    ratio = SEED.dense_ms(plan, plan.steps[2]) / SEED.sparse_ms(plan, plan.steps[2], 0.5)
    assert ratio == pytest.approx(1.6, abs=0.25)


def test_winograd_is_predicted_where_it_is_allowed_and_quicker() -> None:
    plan = plan_of_two_convolutions()
    skipping = plan.steps[2]
    model = model_with({"macs": 2.0}, {"macs": 2.0}, {"products": 2.0})
    tiles, direct = (14 / 4 + 0.5) ** 2, 2.0 * skipping.macs
    winograd = 2.0 * tiles * 36 * 64 * 64
    assert model.predict(plan, skipping) == pytest.approx(winograd)
    assert model.predict(plan, skipping, 0.9) == pytest.approx(winograd)
    assert model.predict(plan, skipping, 0.1) == pytest.approx(0.1 * direct)
    direct_plan = replace(plan, steps=tuple(_without_winograd(step) for step in plan.steps))
    assert model.predict(direct_plan, direct_plan.steps[2]) == pytest.approx(direct)


def _without_winograd(step: Step) -> Step:
    return replace(step, attributes={name: value for name, value in step.attributes.items() if name != "winograd"})


def test_prices_go_by_element_type_and_float32_stands_in_where_there_are_none() -> None:
    builder = SyntheticPlan("u8")
    builder.convolution(builder.map(1, 64, 8, 8), 64, 1, 1, algorithm="auto")
    plan = builder.freeze()
    step = next(step for step in plan.steps if step.op == "quantized_conv")
    floats = model_with({"macs": 2.0}, {"macs": 3.0})
    cheaper = model_with({"macs": 1.0}, {"macs": 1.0}).types["float32"]
    both = floats.model_copy(update={"types": floats.types | {"u8": {"point": cheaper["point"]}}})
    assert not floats.has_prices("u8")
    assert floats.predict(plan, step) == 2.0 * step.macs
    assert both.has_prices("u8")
    assert both.predict(plan, step) == 1.0 * step.macs
    assert both.predict(plan, step, 0.5) == 0.5 * step.macs


def test_built_in_prices_make_narrow_types_quicker() -> None:
    times = {}
    for dtype in ("float32", "bf16", "u8"):
        builder = SyntheticPlan(dtype)
        builder.convolution(builder.map(1, 64, 14, 14), 64, 1, 1, algorithm="auto")
        plan = builder.freeze()
        step = next(step for step in plan.steps if step.op.endswith("conv"))
        times[dtype] = SEED.predict(plan, step, 0.5)
    assert times["u8"] < times["float32"]
    assert times["bf16"] < times["float32"]


def test_a_step_that_cannot_skip_ignores_density() -> None:
    plan = plan_of_two_convolutions()
    dense = plan.steps[1]
    assert SEED.predict(plan, dense, 0.1) == SEED.predict(plan, dense)


def test_threads_and_instruction_sets_scale() -> None:
    plan = plan_of_two_convolutions()
    step = plan.steps[1]
    assert SEED.predict(plan, step, threads=2) < SEED.predict(plan, step)
    assert CostModel.for_isa("generic").predict(plan, step) > CostModel.for_isa("avx512").predict(plan, step)


def model_with(
    dense: dict[str, float], sparse: dict[str, float], winograd: dict[str, float] | None = None, spread: float = 0.0
) -> CostModel:
    """A fitted model of the given prices, the same for all families."""
    cost = FamilyCost(
        dense=AlgorithmCost(prices=tuple(dense.get(name, 0.0) for name in DENSE_AMOUNTS)),
        sparse=AlgorithmCost(prices=tuple(sparse.get(name, 0.0) for name in SPARSE_AMOUNTS), width=64),
        winograd=winograd and AlgorithmCost(prices=tuple(winograd.get(name, 0.0) for name in WINOGRAD_AMOUNTS)),
    )
    fit = Fit(date="2026-01-01", seconds=1.0, samples=1, error=0.0, spread=spread)
    return CostModel(isa="avx512", types={"float32": dict.fromkeys(FAMILIES, cost)}, peak_macs_per_ms=1e6, fit=fit)


def test_the_crossover_is_where_both_algorithms_take_equally_long() -> None:
    plan = plan_of_two_convolutions()
    model = model_with({"macs": 2.0, "steps": 10.0}, {"macs": 3.0, "visits": 1.0})
    density = model.crossover_density(plan, plan.steps[2])
    assert 0.0 < density < 1.0
    sparse, dense = model.sparse_ms(plan, plan.steps[2], density), model.dense_ms(plan, plan.steps[2])
    assert sparse == pytest.approx(dense, rel=1e-4)


@pytest.mark.parametrize(
    ("dense", "sparse", "expected"),
    [({"macs": 2.0}, {"macs": 1.0}, 1.0), ({"macs": 1.0}, {"macs": 1.0, "steps": 1e9}, 0.0)],
)
def test_an_algorithm_that_always_loses_is_never_taken(
    dense: dict[str, float], sparse: dict[str, float], expected: float
) -> None:
    plan = plan_of_two_convolutions()
    assert model_with(dense, sparse).crossover_density(plan, plan.steps[2]) == pytest.approx(expected, abs=1e-5)


def test_only_a_fitted_model_sets_crossovers_and_only_where_there_is_a_choice() -> None:
    plan = plan_of_two_convolutions()
    assert with_crossovers(plan, SEED) == plan
    steps = with_crossovers(plan, model_with({"macs": 2.0}, {"macs": 1.0})).steps
    assert [step.attributes.get("crossover_density") for step in steps if step.op == "conv"] == [None, 1.0]


def test_a_model_fitted_on_a_busy_machine_sets_no_crossovers() -> None:
    plan = plan_of_two_convolutions()
    assert with_crossovers(plan, model_with({"macs": 2.0}, {"macs": 1.0}, spread=0.3)) == plan


def test_a_model_is_json() -> None:
    model = model_with({"macs": 2.0}, {"macs": 1.0})
    assert CostModel.model_validate_json(model.model_dump_json()) == model
    assert CostModel.model_validate_json(SEED.model_dump_json()) == SEED
