"""What a float plan would be in u8: the same steps by name, integers between them, zeros behind rectifiers."""

from __future__ import annotations

from collections import Counter

import numpy as np

from zeroskip.engine import CostModel, Plan
from zeroskip.engine.cost import can_skip, element_type, integer_form, is_integer

from ..canonical_graph import CanonicalGraph


def ops(plan: Plan) -> Counter[str]:
    return Counter(step.op for step in plan.steps)


def by_name(plan: Plan, op: str) -> list[str]:
    return [step.name for step in plan.steps if step.op == op]


def test_layers_behind_rectifiers_become_integers_that_skip() -> None:
    graph = CanonicalGraph(1, 64, 14, 14)
    plan = graph.plan(graph.conv(graph.relu(graph.conv("x", (64, 64))), (64, 32), output="y"))
    form = integer_form(plan)
    assert not is_integer(plan)
    assert is_integer(form)
    assert ops(form) == {"quantize": 1, "to_nhwc": 1, "quantized_conv": 2, "to_row": 1, "dequantize": 1}
    assert by_name(form, "quantized_conv") == by_name(plan, "conv")
    first, second = (step for step in form.steps if step.op == "quantized_conv")
    assert not can_skip(first)
    assert can_skip(second)
    assert all(element_type(form, step) == "u8" for step in form.steps if step.macs)
    assert "winograd" not in first.attributes


def test_what_has_no_integer_form_stays_float32_between_conversions() -> None:
    graph = CanonicalGraph(1, 32, 8, 8)
    x = graph.node("Tanh", graph.conv("x", (32, 32)))
    form = integer_form(graph.plan(graph.conv(x, (32, 32), output="y")))
    kinds = [step.op for step in form.steps]
    place = kinds.index("activation")
    assert kinds[place - 1] == "dequantize"
    assert kinds[place + 1] == "quantize"
    assert element_type(form, form.steps[place]) == "float32"


def test_parts_of_one_map_are_not_converted_again() -> None:
    graph = CanonicalGraph(1, 32, 8, 8)
    parts = [graph.relu(graph.conv("x", (32, 64))) for _ in range(2)]
    plan = graph.plan(graph.conv(graph.node("Concat", *parts, axis=1), (128, 32), output="y"))
    assert ops(integer_form(plan))["quantize"] == 1  # of the input


def test_values_below_zero_have_no_zero_to_skip() -> None:
    graph = CanonicalGraph(1, 32, 8, 8)
    plan = graph.plan(graph.conv(graph.node("HardSwish", graph.conv("x", (32, 32))), (32, 32), output="y"))
    assert [can_skip(step) for step in plan.steps if step.op == "conv"] == [False, True]
    form = integer_form(plan)
    assert [can_skip(step) for step in form.steps if step.op == "quantized_conv"] == [False, False]


def test_additions_and_means_have_integer_forms_and_work_is_the_same() -> None:
    graph = CanonicalGraph(1, 64, 8, 8)
    x = graph.relu(graph.conv("x", (64, 64)))
    total = graph.relu(graph.node("Add", graph.conv(x, (64, 64)), x))
    plan = graph.plan(graph.node("GlobalAveragePool", total, output="y"))
    form = integer_form(plan)
    assert form.macs == plan.macs
    assert ops(form)["quantized_global_avg_pool"] == 1
    model = CostModel.for_isa("avx2")
    times = [sum(model.predict(one, step, 0.5) for step in one.steps) for one in (plan, form)]
    assert 0.0 < times[1] < times[0]
    assert np.isfinite(times).all()
