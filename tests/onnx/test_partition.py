"""Cutting models: few parts, in an order that works, each whole in itself."""

from __future__ import annotations

import time

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onnx_graphs import build, random_array, run
from random_networks import network
from zeroskip.onnx import load_model, to_bytes
from zeroskip.onnx.canonical.pipeline import infer_values
from zeroskip.onnx.partition import BOUNDED_CONSTANTS, MAX_PARTS, Part, Partitioner, can_cross, whole_part
from zeroskip.onnx.rewriting import flat_copy, sweep

SHAPE = (2, 3, 8, 7)


def split(body: str, islands: set[str], **options: object) -> tuple[Part, ...]:
    model = flat_copy(load_model(build(body, inputs=("N", 3, "H", "W"), **options)))
    return Partitioner(model, infer_values(model, {"x": SHAPE})).split(islands)


def test_a_model_without_islands_is_one_native_part() -> None:
    (part,) = split("a = Relu (x) b = Atan (a) y = Relu (b)", set())
    assert (part.is_native, part.nodes, part.inputs, part.outputs) == (True, ("a", "b", "y"), ("x",), ("y",))


def test_branches_of_one_stage_are_one_part() -> None:
    parts = split("a = Relu (x) b = Atan (a) c = Atan (x) d = Relu (b) e = Relu (c) y = Add (d, e)", {"b", "c"})
    assert [(part.is_native, part.nodes) for part in parts] == [
        (True, ("a",)),
        (False, ("b", "c")),
        (True, ("d", "e", "y")),
    ]
    assert set(parts[1].inputs) == {"x", "a"}
    assert set(parts[1].outputs) == {"b", "c"}


def test_an_island_is_put_off_to_the_next_one() -> None:
    parts = split("a = Atan (x) b = Relu (x) c = Atan (b) y = Add (a, c)", {"a", "c", "y"})
    assert [part.nodes for part in parts] == [("b",), ("a", "c", "y")]


def test_shape_arithmetic_is_copied_into_the_parts_that_need_it() -> None:
    body = "s = Shape (x) a = Relu (x) b = Atan (a) c = Reshape (b, s) d = Atan (c) y = Reshape (d, s)"
    parts = split(body, {"b", "d"})
    assert [part.nodes for part in parts] == [("a",), ("b",), ("c",), ("d",), ("y",)]
    assert [part.inputs for part in parts[2:]] == [("x", "b"), ("c",), ("x", "d")]
    assert all("s" not in part.outputs for part in parts)


def test_what_the_body_of_control_flow_reads_is_an_input() -> None:
    body = """
      a = Relu (x)  b = Tanh (x)  s = ReduceSum <keepdims = 0> (x)  k = Cast <to = 9> (s)
      y = If (k) <then_branch = g1 () => (float[P, Q, R, S] t) { t = Atan (a) },
                  else_branch = g2 () => (float[P, Q, R, S] u) { u = Atan (b) }>
    """
    parts = split(body, {"y"})
    assert set(parts[-1].inputs) == {"a", "b", "k"}


def test_types_that_numpy_lacks_do_not_cross() -> None:
    body = "a = Relu (x) b = Cast <to = 16> (a) c = Cast <to = 1> (b) y = Relu (c)"
    assert can_cross(split(body, {"b", "c"}))
    assert not can_cross(split(body, {"c"}))


def test_a_whole_model_is_a_part() -> None:
    part = whole_part(load_model(build("y = Atan (x)")))
    assert (part.is_native, part.nodes, part.inputs, part.outputs) == (False, ("y",), ("x",), ("y",))


def test_a_model_cut_into_very_many_parts_is_left_whole() -> None:
    """Each cut costs copies; and cutting, once, took the square of the number of parts."""
    count = 3000
    chain = " ".join(f"v{index + 1} = {('Relu', 'Atan')[index % 2]} (v{index})" for index in range(count))
    flat = flat_copy(load_model(build(chain.replace("(v0)", "(x)").replace(f"v{count} ", "y "))))
    partitioner = Partitioner(flat, infer_values(flat, {"x": (1, 3, 2, 2)}))
    erfs = [node.name for node in flat.graph if node.op_type == "Atan"]
    start = time.process_time()
    assert partitioner.split(erfs) == ()
    assert time.process_time() - start < 5
    assert len(partitioner.split(erfs[: MAX_PARTS // 2 - 1])) == MAX_PARTS - 1


@pytest.mark.parametrize(
    ("body", "is_bounded"),
    [
        ("s = Shape(x) c = ConstantOfShape(s) e = Atan(c) y = Add(x, e)", True),
        ("m = MaxPool <kernel_shape = [2, 2]> (k) r = ReduceMax(m) y = Add(x, r)", False),
        ("t = Transpose(k) r = ReduceMax(t) e = Atan(x) y = Add(e, r)", True),
    ],
)
def test_constants_that_were_not_computed_here_are_known(body: str, is_bounded: bool) -> None:
    """ONNX Runtime may compute at load only what has been, within our limits."""
    flat = flat_copy(load_model(build(body, constants={"k": random_array(1, 2, 4, 4)})))
    partitioner = Partitioner(flat, infer_values(flat, {"x": SHAPE}))
    (part,) = partitioner.split({node.name or "" for node in flat.graph})
    assert part.model.graph.meta[BOUNDED_CONSTANTS] is is_bounded


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.data())
def test_parts_run_in_turn_compute_the_whole(data: st.DataObject) -> None:
    """Whatever nodes are for islands: the parts are complete, and no part reads what a later one computes."""
    body, output, constants = network(lambda items: data.draw(st.sampled_from(items)))
    model = build(body, inputs=("N", 3, "H", "W"), outputs=output, constants=constants)
    flat = flat_copy(load_model(model))
    sweep(flat.graph)
    islands = {node.name for node in flat.graph if data.draw(st.booleans())}
    x = random_array(*SHAPE)
    values = {"x": x}
    for part in Partitioner(flat, infer_values(flat, {"x": SHAPE})).split(islands):
        results = run(_runnable(part), {name: values[name] for name in part.inputs})
        values.update(zip(part.outputs, results, strict=True))
    (expected,) = run(model, {"x": x})
    np.testing.assert_array_equal(values[output], expected)


def _runnable(part: Part) -> bytes:
    model: ir.Model = part.model
    model.ir_version = 10
    return to_bytes(model)
