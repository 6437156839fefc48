"""Programs that take turns with their memory: runs do not see each other's bytes, and no more is held than needed."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from zeroskip import _core

from .builder import PlanBuilder, sparse_array
from .test_program import relu_plan


def shape(height: int) -> tuple[int, ...]:
    return (1, 35, height, 7)


def program(height: int, isa: str, memory: _core.ArenaPool) -> _core.Program:
    builder: PlanBuilder = relu_plan(shape(height))
    return builder.build(isa, memory=memory)


def test_programs_of_several_shapes_share_one_block(isa: str) -> None:
    memory = _core.ArenaPool()
    programs = {height: program(height, isa, memory) for height in (40, 6, 25)}
    largest = memory.bytes
    for height, item in [*programs.items()] * 2:
        x = sparse_array(shape(height), 0.5)
        item.run([np.full_like(x, np.nan)])
        (y,) = item.run([x])
        np.testing.assert_array_equal(y, np.maximum(x, 0))
    assert memory.bytes == largest
    assert largest < 1.2 * programs[40].arena_bytes + 4096


def test_a_block_grows_with_the_shapes_and_goes_with_the_largest(isa: str) -> None:
    memory = _core.ArenaPool()
    small = program(4, isa, memory)
    first = memory.bytes
    large = program(64, isa, memory)
    assert memory.bytes > 8 * first
    del large
    assert memory.bytes == 0
    x = sparse_array(shape(4), 0.5)
    np.testing.assert_array_equal(small.run([x])[0], np.maximum(x, 0))
    assert memory.bytes == first


def test_overlapping_runs_have_blocks_of_their_own(isa: str) -> None:
    memory = _core.ArenaPool()
    programs = [program(height, isa, memory) for height in (5, 30, 80)]
    begin = threading.Barrier(4)

    def work(seed: int) -> None:
        begin.wait()
        for turn in range(60):
            index = (seed + turn) % 3
            x = sparse_array(shape((5, 30, 80)[index]), 0.5) * np.float32(seed + turn + 1)
            np.testing.assert_array_equal(programs[index].run([x])[0], np.maximum(x, 0))

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(work, seed) for seed in range(4)]:
            done.result()
    assert memory.bytes <= 4 * (programs[2].arena_bytes + programs[2].scratch_bytes + 4096)
