"""Malformed plans: each is refused when the Program is built, with a message that says what and where."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from zeroskip import _core

from .builder import PlanBuilder

SHAPE = (1, 20, 3, 4)


def plan() -> PlanBuilder:
    """x -> to_nhwc -> a -> activation -> b (masked) -> to_row -> y, tensors 0, 1, 2, 3."""
    builder = PlanBuilder()
    source = builder.load(SHAPE)
    result = builder.nhwc(SHAPE, masked=True)
    builder.step("activation", [source], [result], {"thresholds": np.zeros(20, np.float32)}, kind="fatrelu")
    builder.step("to_row", [result], [builder.graph_output(SHAPE)])
    return builder


def refuse(builder: PlanBuilder, message: str, **overrides: Any) -> None:
    with pytest.raises(_core.Error, match=message):
        builder.build(**overrides)


def test_the_untouched_plan_is_accepted() -> None:
    plan().build()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"shape": (1, 20, 0, 4)}, r"tensor 't1': shape \[1, 20, 0, 4\] has an extent below 1"),
        ({"shape": (1, 20, -3, 4)}, "has an extent below 1"),
        ({"shape": (20, 12)}, r"tensor 't1': nhwc needs shape \(N, C, H, W\), got \[20, 12\]"),
        ({"shape": (2**31, 20, 2**31, 2**31)}, "is too large"),
        ({"shape": (1, 2**62, 1, 1)}, "is too large"),
        ({"pixel_stride": 16}, "pixel_stride 16 is not a multiple of 16 that holds 20 channels"),
        ({"pixel_stride": 40}, "pixel_stride 40 is not a multiple of 16"),
        ({"pixel_stride": 2**62}, "is too large"),
        ({"offset": 32}, "offset 32 is not a non-negative multiple of 64"),
        ({"offset": -64}, "offset -64 is not a non-negative multiple of 64"),
        ({"offset": -1}, "an nhwc tensor cannot be the caller's memory"),
        ({"offset": 64 * 1000}, "offset 64000 plus 1536 bytes is outside the arena of 3136 bytes"),
        ({"offset": 2**62}, "is outside the arena"),
        ({"masked": True}, "mask_offset -1 is not a non-negative multiple of 2"),
        ({"masked": True, "mask_offset": 3128}, "mask_offset 3128 plus 48 bytes is outside the arena"),
        ({"layout": "nchw"}, "layout is 'nchw', needs 'row' or 'nhwc'"),
        ({"dtype": "float16"}, "dtype is 'float16', needs 'float32'"),
        ({"shape": "abc"}, "key 'shape' of a tensor or step has the wrong type: 'abc'"),
        ({"layout": "row", "masked": True, "shape": (240,)}, "only nhwc tensors have masks"),
        ({"layout": "row", "shape": (2**40, 2**40)}, "is too large"),
    ],
)
def test_tensors(fields: dict[str, Any], message: str) -> None:
    builder = plan()
    builder.tensors[1].update(fields)
    refuse(builder, message)


def test_a_missing_key_is_named() -> None:
    builder = plan()
    del builder.tensors[1]["offset"]
    refuse(builder, "key 'offset' is missing from a tensor or step")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"inputs": [9]}, r"graph inputs: tensor index 9 is outside \[0, 4\)"),
        ({"outputs": [-1]}, r"graph outputs: tensor index -1 is outside \[0, 4\)"),
        ({"inputs": [1]}, "graph input 't1' must have offset -1"),
        ({"outputs": [3, 3]}, "graph output 't3' is listed twice"),
        ({"inputs": []}, "tensor 't0' has no place in the arena and is neither graph input nor graph output"),
        ({"arena_bytes": -1}, "arena_bytes is -1, needs at least 0"),
        ({"num_threads": -1}, "num_threads is -1"),
        ({"num_threads": 10**6}, "num_threads is 1000000"),
        ({"isa": "neon9"}, "unknown isa 'neon9'"),
    ],
)
def test_graph(overrides: dict[str, Any], message: str) -> None:
    refuse(plan(), message, **overrides)


@pytest.mark.parametrize(
    ("step", "fields", "message"),
    [
        (1, {"op": "relu"}, r"step 1 'activation1' \(relu\): no such operator"),
        (1, {"inputs": (7,)}, r"step 'activation1': tensor index 7 is outside \[0, 4\)"),
        (1, {"outputs": ()}, "step 'activation1' has no output"),
        (1, {"outputs": (0,)}, "step 'activation1' writes to graph input 't0'"),
        (1, {"inputs": ()}, r"has 0 input\(s\) and 1 output\(s\), needs 1 and 1"),
        (1, {"attributes": {}}, "kind is '', needs one of fatrelu, clip"),
        (1, {"attributes": {"kind": 3}}, "attribute 'kind' must be a string"),
        (1, {"attributes": {"kind": None}}, "attribute 'kind' is neither number, string nor list of numbers"),
        (1, {"attributes": {"kind": "fatrelu", "max_value": -1.0}}, "max_value must not be negative"),
        (1, {"attributes": {"kind": "fatrelu", "max_value": "6"}}, "attribute 'max_value' must be a number"),
        (1, {"arrays": {}}, "constant 'thresholds' is missing"),
        (1, {"arrays": {"thresholds": np.zeros(3, np.float32)}}, r"has shape \[3\], needs \[20\]"),
        (
            1,
            {"arrays": {"thresholds": np.full(20, -1, np.float32)}},
            "thresholds must not be negative or NaN",
        ),
        (1, {"arrays": {"thresholds": np.zeros(20)}}, "constant 'thresholds': expected dtype float32"),
        (2, {"attributes": {"output_layout": "chw"}}, "output_layout is 'chw', needs 'nchw' or 'nhwc'"),
    ],
)
def test_steps(step: int, fields: dict[str, Any], message: str) -> None:
    builder = plan()
    builder.steps[step].update(fields)
    refuse(builder, message)


def test_shapes_of_a_step_must_agree() -> None:
    builder = plan()
    builder.tensors[2]["shape"] = (1, 20, 4, 3)
    refuse(builder, r"tensor 't1' has shape \[1, 20, 3, 4\], needs \[1, 20, 4, 3\]")


def test_layout_changes_keep_the_number_of_elements() -> None:
    builder = plan()
    builder.tensors[3]["shape"] = (1, 19, 3, 4)
    refuse(builder, r"tensor 't3' has shape \[1, 19, 3, 4\], needs as many elements as \[1, 20, 3, 4\]")


def test_a_missing_list_attribute_is_named() -> None:
    builder = plan()
    builder.steps[1].update(op="max_pool", attributes={"kernel": (3, 3), "strides": (1,), "pads": (0, 0, 0, 0)})
    refuse(builder, "attribute 'strides' has 1 values, needs 2")
    del builder.steps[1]["attributes"]["strides"]
    refuse(builder, r"attribute 'strides' \(a list of integers\) is missing")


def test_reading_before_writing() -> None:
    builder = plan()
    builder.steps[0], builder.steps[1] = builder.steps[1], builder.steps[0]
    refuse(builder, r"step 0 'activation1' \(activation\) reads 't1' before any step has written all of it")


def test_an_unwritten_mask_counts_as_unwritten() -> None:
    builder = plan()
    reader = builder.tensor(**{**builder.tensors[1], "masked": True, "mask_offset": builder.reserve(64)})
    builder.steps[1]["inputs"] = (reader,)
    refuse(builder, "reads the mask of 't1' before any step has written all of it")


def test_an_unwritten_graph_output() -> None:
    builder = plan()
    builder.graph_output((1,))
    refuse(builder, "no step writes graph output 't4'")


def test_overwritten_memory_is_not_read() -> None:
    builder = plan()
    second = builder.tensor(**{**builder.tensors[1], "name": "other", "offset": builder.tensors[1]["offset"] + 64})
    other = builder.graph_input(SHAPE)
    builder.arena_bytes += 64
    builder.step("to_nhwc", [other], [second])
    builder.steps.insert(1, builder.steps.pop())
    refuse(builder, r"step 2 'activation1' \(activation\) reads 't1', but step 1 'to_nhwc3' has overwritten")


def test_outputs_do_not_overlap_inputs() -> None:
    builder = plan()
    builder.tensors[2].update(offset=builder.tensors[1]["offset"] + 64)
    refuse(builder, r"step 1 'activation1' \(activation\): output 't2' overlaps input 't1'")


def test_in_place_needs_an_operator_that_allows_it() -> None:
    builder = plan()
    builder.tensors[2].update(offset=builder.tensors[1]["offset"])
    builder.build()
    builder.steps[1].update(op="copy")
    refuse(builder, "output 't2' overlaps input 't1'")


def test_masks_do_not_overlap_values() -> None:
    builder = plan()
    builder.tensors[2]["mask_offset"] = builder.tensors[2]["offset"]
    refuse(builder, "output 't2' overlaps another output or mask")


def test_channel_slices_may_interleave_but_not_collide() -> None:
    builder = PlanBuilder()
    first, second = builder.load((1, 16, 2, 2), slack=16), builder.load((1, 16, 2, 2), slack=16)
    builder.tensors[second]["offset"] = builder.tensors[first]["offset"] + 64
    result = builder.nhwc((1, 16, 2, 2))
    builder.step("add", [first, second], [result])
    builder.step("to_row", [result], [builder.graph_output((1, 16, 2, 2))])
    ones = np.ones((1, 16, 2, 2), np.float32)
    np.testing.assert_array_equal(builder.build().run([ones, 2 * ones])[0], 3 * ones)
    builder.tensors[second]["offset"] = builder.tensors[first]["offset"] + 128
    refuse(builder, "step 2 'add2' .add. reads 't1', but step 1 'to_nhwc1' has overwritten part of its memory")
