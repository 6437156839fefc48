"""The queue: what is joined, in which order, and what becomes of a request that nobody waits for any more."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from zeroskip.errors import DeadlineError, DrainingError, OverloadError, ShapeError
from zeroskip.serve.batching import Arrays, Batcher
from zeroskip.serve.options import BatchOptions


class Model:
    """Doubles its input, as slowly as it is told, and remembers what it was run with."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.waits: list[int] = []
        self.may_run = threading.Event()
        self.may_run.set()

    def __call__(self, feeds: Arrays) -> Arrays:
        assert self.may_run.wait(20)
        if np.isnan(feeds["x"]).any():
            raise ShapeError("a request that fails")
        self.batches.append(len(feeds["x"]))
        return {"y": feeds["x"] * 2}

    def queued(self, requests: int) -> None:
        self.waits.append(requests)

    def ran(self, rows: int, feeds: Arrays) -> None:
        assert rows >= len(feeds["x"])
        raise RuntimeError("metrics must not matter")


Scene = Callable[[Batcher, Model], Coroutine[Any, Any, None]]


def play(scene: Scene, *, joins: bool = True, **choices: Any) -> Model:
    model = Model()

    async def run() -> None:
        with ThreadPoolExecutor(1) as executor:
            batcher = Batcher(model, BatchOptions(**choices), executor, joins=lambda feeds: joins, observer=model)
            await asyncio.wait_for(scene(batcher, model), 30)

    asyncio.run(run())
    return model


def row(value: float, rows: int = 1, width: int = 3) -> Arrays:
    return {"x": np.full((rows, width), value, np.float32)}


async def held(batcher: Batcher, model: Model, requests: list[Arrays]) -> list[asyncio.Task[Arrays]]:
    """Submit requests behind one that is running, so that they meet in the queue."""
    model.may_run.clear()
    tasks = [asyncio.create_task(batcher.submit(row(-1)))]
    await asyncio.sleep(0.05)
    tasks += [asyncio.create_task(batcher.submit(request)) for request in requests]
    await asyncio.sleep(0.05)
    model.may_run.set()
    return tasks[1:]


def test_what_waits_is_run_together_and_each_gets_its_own() -> None:
    async def scene(batcher: Batcher, model: Model) -> None:
        tasks = await held(batcher, model, [row(1), row(2, rows=2), row(3)])
        results = await asyncio.gather(*tasks)
        assert [result["y"].tolist() for result in results] == [[[2.0] * 3], [[4.0] * 3] * 2, [[6.0] * 3]]

    assert play(scene).batches == [1, 4]


@pytest.mark.parametrize(
    ("requests", "batches"),
    [
        ([row(1), row(2, width=5), row(3)], [1, 2, 1]),  # other shapes wait for their turn
        ([row(1, rows=3), row(2, rows=2), row(3)], [1, 4, 2]),  # no batch above four rows, later ones fill it
        ([row(1, rows=9), row(2)], [1, 9, 1]),  # larger than any batch: alone
        ([{"x": np.float32(1).reshape(())[None][:0]}, row(1)], [1, 0, 1]),  # nothing is no part of a batch
    ],
)
def test_batches(requests: list[Arrays], batches: list[int]) -> None:
    async def scene(batcher: Batcher, model: Model) -> None:
        results = await asyncio.gather(*await held(batcher, model, requests))
        for request, result in zip(requests, results, strict=True):
            np.testing.assert_array_equal(result["y"], request["x"] * 2)

    assert play(scene, max_rows=4).batches == batches


def test_a_model_that_mixes_its_rows_gets_each_request_alone() -> None:
    async def scene(batcher: Batcher, model: Model) -> None:
        await asyncio.gather(*await held(batcher, model, [row(1), row(2), row(3)]))

    assert play(scene, joins=False).batches == [1, 1, 1, 1]


def test_a_delay_collects_requests_that_come_one_by_one() -> None:
    async def scene(batcher: Batcher, model: Model) -> None:
        tasks = []
        for value in range(4):
            tasks.append(asyncio.create_task(batcher.submit(row(value))))
            await asyncio.sleep(0.01)
        await asyncio.gather(*tasks)

    assert play(scene, max_rows=4, max_delay_ms=20_000.0).batches == [4]  # full before the time is over


def test_a_delay_ends() -> None:
    async def scene(batcher: Batcher, model: Model) -> None:
        await batcher.submit(row(1))

    assert play(scene, max_rows=4, max_delay_ms=20.0).batches == [1]


def test_a_full_queue_refuses() -> None:
    async def scene(batcher: Batcher, model: Model) -> None:
        tasks = await held(batcher, model, [row(1), row(2)])
        model.may_run.clear()
        await asyncio.sleep(0)
        tasks += [asyncio.create_task(batcher.submit(row(value))) for value in range(12)]
        await asyncio.sleep(0.1)
        refused = [task for task in tasks if task.done() and isinstance(task.exception(), OverloadError)]
        assert refused
        model.may_run.set()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        assert sum(isinstance(item, dict) for item in done) == len(tasks) - len(refused)

    assert max(play(scene, max_queue=3, max_rows=1).waits) <= 3


def test_time_over_before_it_began_is_never_run() -> None:
    async def scene(batcher: Batcher, model: Model) -> None:
        model.may_run.clear()
        first = asyncio.create_task(batcher.submit(row(1)))
        await asyncio.sleep(0.02)
        with pytest.raises(DeadlineError, match=r"within 0\.05 s"):
            await batcher.submit(row(2, rows=2), timeout_s=0.05)
        model.may_run.set()
        await first
        await batcher.submit(row(3, rows=3))

    assert play(scene).batches == [1, 3]


def test_a_client_that_went_away_takes_no_place() -> None:
    async def scene(batcher: Batcher, model: Model) -> None:
        tasks = await held(batcher, model, [])
        model.may_run.clear()
        tasks = [asyncio.create_task(batcher.submit(row(1))) for _ in range(3)]
        await asyncio.sleep(0.05)
        for task in tasks[1:]:
            task.cancel()
        await asyncio.gather(*tasks[1:], return_exceptions=True)
        more = [asyncio.create_task(batcher.submit(row(value))) for value in (2.0, 3.0)]
        await asyncio.sleep(0.05)
        model.may_run.set()
        await asyncio.gather(tasks[0], *more)

    play(scene, max_queue=2, max_rows=1)


def test_the_fault_of_one_is_not_that_of_the_others() -> None:
    async def scene(batcher: Batcher, model: Model) -> None:
        tasks = await held(batcher, model, [row(1), row(np.nan), row(3)])
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(result) for result in results] == [dict, ShapeError, dict]
        assert (await batcher.submit(row(4)))["y"][0, 0] == 8.0  # and the queue lives on

    assert play(scene).batches == [1, 1, 1, 1]


def test_draining_answers_what_was_accepted_and_refuses_what_is_new() -> None:
    async def scene(batcher: Batcher, model: Model) -> None:
        tasks = await held(batcher, model, [row(1), row(2)])
        draining = asyncio.create_task(batcher.drain())
        await asyncio.sleep(0)
        with pytest.raises(DrainingError):
            await batcher.submit(row(3))
        await draining
        assert all(task.done() for task in tasks)
        assert [(await task)["y"][0, 0] for task in tasks] == [2.0, 4.0]

    play(scene)


def test_draining_an_idle_queue_returns_at_once() -> None:
    async def scene(batcher: Batcher, model: Model) -> None:
        await batcher.submit(row(1))
        await asyncio.wait_for(batcher.drain(), 5)

    play(scene)


def test_a_question_that_fails_loses_no_request() -> None:
    """Whether two may be joined is asked of the session; if that goes wrong they run alone."""

    def broken(feeds: Arrays) -> bool:
        raise RuntimeError("no such shape")

    async def scene() -> list[Arrays]:
        with ThreadPoolExecutor(1) as executor:
            batcher = Batcher(model, BatchOptions(max_rows=4), executor, joins=broken, observer=model)
            return await asyncio.wait_for(asyncio.gather(*(batcher.submit(row(k)) for k in range(3))), 10)

    model = Model()
    assert [found["y"][0, 0] for found in asyncio.run(scene())] == [0, 2, 4]
    assert model.batches == [1, 1, 1]
