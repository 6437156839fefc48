"""Runs in pieces and steps made anew: what the core itself checks."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from zeroskip import _core

from .builder import PlanBuilder, sparse_array

SHAPE = (1, 20, 4, 5)


def plan() -> PlanBuilder:
    builder = PlanBuilder()
    result = builder.nhwc(SHAPE, masked=True)
    thresholds = {"thresholds": np.zeros(SHAPE[1], np.float32)}
    builder.step("activation", [builder.load(SHAPE)], [result], thresholds, kind="fatrelu")
    builder.step("to_row", [result], [builder.graph_output(SHAPE)])
    return builder


def test_pieces_make_a_whole(isa: str) -> None:
    program, x = plan().build(isa), sparse_array(SHAPE, 0.5)
    run = _core.StepwiseRun(program, [x])
    steps = len(program.kernel_names)
    for step in range(steps):
        run.run(step, step + 1, True)
    np.testing.assert_array_equal(run.outputs[0], np.maximum(x, 0))
    assert run.densities[-1] == pytest.approx(np.count_nonzero(np.maximum(x, 0)) / x.size)


def test_a_step_takes_other_constants(isa: str) -> None:
    program, x = plan().build(isa), sparse_array(SHAPE, 0.5)
    store = _core.WeightStore()
    place = len(program.kernel_names) - 2
    program.replace_constants(place, {"thresholds": np.full(SHAPE[1], 0.5, np.float32)}, {}, store)
    np.testing.assert_array_equal(program.run([x])[0], np.where(x > 0.5, x, 0))
    assert store.bytes == 0


def test_refused_constants_leave_the_step(isa: str) -> None:
    program, x = plan().build(isa), sparse_array(SHAPE, 0.5)
    place = len(program.kernel_names) - 2
    with pytest.raises(_core.Error, match="thresholds must not be negative"):
        program.replace_constants(place, {"thresholds": np.full(SHAPE[1], -1, np.float32)}, {}, _core.WeightStore())
    with pytest.raises(_core.Error, match="step 99 of"):
        program.replace_constants(99, {}, {}, _core.WeightStore())
    np.testing.assert_array_equal(program.run([x])[0], np.maximum(x, 0))


def test_what_leaves_the_program_is_refused() -> None:
    program = plan().build()
    run = _core.StepwiseRun(program, [sparse_array(SHAPE, 0.5)])
    with pytest.raises(_core.Error, match="steps 0 to 99 of"):
        run.run(0, 99)
    with pytest.raises(_core.Error, match="leaves the arena"):
        run.save([(0, program.arena_bytes + 64)])
    with pytest.raises(_core.Error, match="leaves the arena"):
        run.save([(-64, 64)])
    with pytest.raises(_core.Error, match="ranges of 64 bytes, and an array of 32"):
        run.load([(0, 64)], np.zeros(32, np.uint8))


def test_the_callers_list_may_change_while_a_run_is_under_way() -> None:
    """The arrays are kept, not the list that they came in."""
    program, x = plan().build(), sparse_array(SHAPE, 0.5)
    expected, given = np.maximum(x, 0), [x]
    run = _core.StepwiseRun(program, given)
    assert sys.getrefcount(given) == 2
    del x
    given.clear()
    [np.full(SHAPE, 7.0, np.float32) for _ in range(4)]  # take the memory, were it free
    run.run(0, len(program.kernel_names))
    np.testing.assert_array_equal(run.outputs[0], expected)
