"""The queue of one model: bounded, in order, and requests of one shape are run together.

Nothing here knows of protocols or sessions: a run is a function from named arrays to named arrays.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import DeadlineError, DrainingError, OverloadError
from .options import BatchOptions

Arrays = dict[str, NDArray[Any]]
Run = Callable[[Arrays], Arrays]
_logger = logging.getLogger(__name__)
_MOST_SHAPES = 256  # that it is remembered of whether they can be joined


class Observer(Protocol):
    """What is told of the queue's life."""

    def queued(self, requests: int) -> None:
        """So many requests wait now."""

    def ran(self, rows: int, feeds: Arrays) -> None:
        """A batch of so many rows was run, that of ``feeds`` among them; called in the executor's thread."""


@dataclass(eq=False)
class _Waiting:
    feeds: Arrays
    rows: int
    shape: tuple[Any, ...]
    result: asyncio.Future[Arrays] = field(repr=False)

    @property
    def is_given_up(self) -> bool:
        return self.result.done()


class Batcher:
    """Runs requests one batch after the other.

    Args:
        run: What runs a batch: name to array of the inputs, to the same of the outputs; called in ``executor``.
        options: Sizes and times.
        executor: Where runs take place; several models may share one.
        joins: Whether requests like this one may be joined along their first dimension; asked in ``executor``, once for
            each shape.
        observer: Told of queue and batches.
    """

    def __init__(
        self,
        run: Run,
        options: BatchOptions,
        executor: Executor,
        *,
        joins: Callable[[Arrays], bool],
        observer: Observer,
    ) -> None:
        self._run = run
        self._options = options
        self._executor = executor
        self._joins = joins
        self._joined_shapes: dict[tuple[Any, ...], bool] = {}
        self._observer = observer
        self._queue: deque[_Waiting] = deque()
        self._arrived = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._is_draining = False
        self._worker: asyncio.Task[None] | None = None

    async def submit(self, feeds: Arrays, timeout_s: float | None = None) -> Arrays:
        """Run one request and return its outputs.

        Args:
            feeds: Input name to array.
            timeout_s: Seconds until it is given up; None takes that of the options.

        Raises:
            OverloadError: If the queue is full.
            DeadlineError: If its time is over; what has not begun is then not run at all.
            DrainingError: If the server is stopping.
        """
        if self._is_draining:
            raise DrainingError("the server is stopping; ask another one")
        if sum(not item.is_given_up for item in self._queue) >= self._options.max_queue:
            raise OverloadError(f"{self._options.max_queue} requests are waiting already; try again later")
        loop = asyncio.get_running_loop()
        seconds = self._options.timeout_s if timeout_s is None else min(timeout_s, self._options.timeout_s)
        waiting = _Waiting(feeds, _rows(feeds), _shape(feeds), loop.create_future())
        if self._worker is None or self._worker.done():
            self._worker = loop.create_task(self._work())
        self._queue.append(waiting)
        self._tell()
        try:
            return await asyncio.wait_for(waiting.result, seconds)  # cancels the future: the request is given up
        except asyncio.TimeoutError:
            raise DeadlineError(f"no result within {seconds:.3g} s") from None

    async def drain(self) -> None:
        """Refuse new requests and wait for those that were accepted."""
        self._is_draining = True
        await self._idle.wait()
        if self._worker is not None:
            self._worker.cancel()

    def _tell(self) -> None:
        self._observer.queued(len(self._queue))
        if self._queue:
            self._idle.clear()
            self._arrived.set()
        else:
            self._arrived.clear()

    async def _work(self) -> None:
        while True:
            await self._arrived.wait()
            batch = await self._next_batch()
            if batch:
                await self._run_batch(batch)
            if not self._queue:
                self._idle.set()

    async def _next_batch(self) -> list[_Waiting]:
        """Take the first request and whoever can go with it, waiting for more if there is time."""
        loop = asyncio.get_running_loop()
        batch = self._take(None, 1)
        if not batch or not await self._may_join(batch[0]):
            return batch
        batch += self._take(batch[0], self._options.max_rows - batch[0].rows)
        if self._options.max_delay_ms == 0:
            return batch
        end = loop.time() + self._options.max_delay_ms / 1e3
        while not self._is_draining and (room := self._options.max_rows - sum(item.rows for item in batch)) > 0:
            if more := self._take(batch[0], room):
                batch += more
                continue
            self._arrived.clear()
            try:
                await asyncio.wait_for(self._arrived.wait(), max(0.0, end - loop.time()))
            except asyncio.TimeoutError:
                break
        self._tell()
        return batch

    async def _may_join(self, item: _Waiting) -> bool:
        if self._options.max_rows == 1 or item.shape[0] is not None:
            return False
        if item.shape not in self._joined_shapes:
            if len(self._joined_shapes) >= _MOST_SHAPES:
                self._joined_shapes.clear()
            loop = asyncio.get_running_loop()
            try:
                may_join = await loop.run_in_executor(self._executor, self._joins, item.feeds)
            except Exception:  # no reason to lose the request, which then runs alone
                _logger.exception("cannot tell whether requests may be joined")
                may_join = False
            self._joined_shapes[item.shape] = may_join
        return self._joined_shapes[item.shape]

    def _take(self, first: _Waiting | None, room: int) -> list[_Waiting]:
        """Take from the queue the oldest, or all of the shape of ``first`` in at most ``room`` rows."""
        taken: list[_Waiting] = []
        kept: deque[_Waiting] = deque()
        for item in self._queue:
            if item.is_given_up:
                continue
            if (item.shape == first.shape and item.rows <= room) if first else not taken:
                taken.append(item)
                room -= item.rows
            else:
                kept.append(item)
        self._queue = kept
        self._tell()
        return taken

    async def _run_batch(self, batch: list[_Waiting]) -> None:
        loop = asyncio.get_running_loop()
        alive = [item for item in batch if not item.is_given_up]
        if not alive:
            return
        try:
            outputs = await loop.run_in_executor(self._executor, self._run_joined, alive)
        except Exception as error:
            if len(alive) == 1:
                _settle(alive[0], error=error)
                return
            for item in alive:  # the fault of one is not that of the others
                await self._run_batch([item])
            return
        for item, result in zip(alive, outputs, strict=True):
            _settle(item, result=result)
        await loop.run_in_executor(self._executor, self._observe, alive)  # nobody waits for it

    def _run_joined(self, batch: list[_Waiting]) -> list[Arrays]:
        outputs = self._run(_join([item.feeds for item in batch]))
        return [outputs] if len(batch) == 1 else _split(outputs, [item.rows for item in batch])

    def _observe(self, batch: list[_Waiting]) -> None:
        try:
            self._observer.ran(sum(item.rows for item in batch), batch[0].feeds)
        except Exception:  # metrics are no reason to stop answering
            _logger.exception("a batch could not be observed")


def _settle(item: _Waiting, *, result: Arrays | None = None, error: Exception | None = None) -> None:
    if item.result.done():  # its client has gone, or its time
        return
    if error is not None:
        item.result.set_exception(error)
    elif result is not None:
        item.result.set_result(result)


def _rows(feeds: Mapping[str, NDArray[Any]]) -> int:
    first = next(iter(feeds.values()), None)
    return 1 if first is None or not first.ndim else len(first)


def _shape(feeds: Mapping[str, NDArray[Any]]) -> tuple[Any, ...]:
    """What two requests must have in common to be run together; rows may differ, if they are one number each."""
    rows = {array.shape[:1] for array in feeds.values()}
    own = None if len(rows) == 1 and rows.isdisjoint({(), (0,)}) else object()  # equal to no other
    return (own, *((name, array.dtype, array.shape[1:]) for name, array in sorted(feeds.items())))


def _join(feeds: list[Arrays]) -> Arrays:
    if len(feeds) == 1:
        return feeds[0]
    return {name: np.concatenate([one[name] for one in feeds]) for name in feeds[0]}


def _split(outputs: Arrays, rows: list[int]) -> list[Arrays]:
    starts = np.cumsum([0, *rows])
    return [{name: array[start:end] for name, array in outputs.items()} for start, end in pairwise(starts)]
