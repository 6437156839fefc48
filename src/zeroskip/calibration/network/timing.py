"""Measured speed: what the cost model promised, timed on the engine."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from ...analysis.inputs import batch_rows
from ...data import Dataset

if TYPE_CHECKING:
    import onnx_ir as ir

    from ...engine import InferenceSession, SessionOptions
    from ...onnx.load import ModelSource

_INPUTS = 4
_MOST_ROUNDS, _FEWEST_ROUNDS = 30, 3


class MeasuredSpeed(BaseModel):
    """Time of one model over that of another, both taking turns input by input.

    Attributes:
        ratio: Median over the rounds.
        low: 20th percentile.
        high: 80th percentile.
        threads: Threads of the engine.
        batch_size: Inputs per run.
    """

    model_config = ConfigDict(frozen=True)

    ratio: float
    low: float
    high: float
    threads: int
    batch_size: int = 1


def time_thresholds(
    model: ModelSource,
    thresholded: ir.Model,
    data: Dataset,
    options: SessionOptions,
    seconds: float,
) -> MeasuredSpeed:
    """Return how many times faster a model is with thresholds, one input per run where it takes that.

    Args:
        model: The model as it is.
        thresholded: The same with thresholds.
        data: Real inputs; a few are used.
        options: Threads and instruction set.
        seconds: See :func:`measured_speed`.
    """
    from ...analysis import ModelInput
    from ...engine import InferenceSession

    before, after = InferenceSession(model, options), InferenceSession(thresholded, options)
    model_input = ModelInput.of(before)
    data = model_input.data(data)
    size = model_input.batch_size(1)
    some = data.subset(min(len(data), _INPUTS * size))
    feeds = [feed for feed, _ in model_input.feeds(some, size)]
    return measured_speed(before, after, feeds, seconds, options.intra_op_num_threads)


def measured_speed(
    before: InferenceSession,
    after: InferenceSession,
    feeds: Sequence[Mapping[str, Any]],
    seconds: float,
    threads: int,
) -> MeasuredSpeed:
    """Return how many times faster one session is than another, on the same inputs in the same seconds.

    Args:
        before: The model as it is.
        after: The same with thresholds.
        feeds: Inputs of one run each, at least one; all of the same batch size.
        seconds: How long to go on; at least three rounds over all inputs are made, and at most thirty.
        threads: Threads of both, for the record.
    """
    ratios: list[float] = []
    end = time.perf_counter() + seconds
    while len(ratios) <= _FEWEST_ROUNDS or (len(ratios) <= _MOST_ROUNDS and time.perf_counter() < end):
        pairs = np.array([(_seconds(before, feed), _seconds(after, feed)) for feed in feeds])
        ratios.append(float(pairs[:, 0].sum() / pairs[:, 1].sum()))
    return speed_of(ratios[1:], threads, batch_rows(feeds[0]))  # the first round warms up


def speed_of(ratios: Sequence[float], threads: int, batch_size: int) -> MeasuredSpeed:
    """Return what the ratios of single rounds, at least one, say together.

    Example:
        >>> speed_of([1.0, 1.2, 1.1], threads=2, batch_size=1).ratio
        1.1
    """
    low, middle, high = (float(value) for value in np.percentile(ratios, [20, 50, 80]))
    low, high = min(low, middle), max(high, middle)
    return MeasuredSpeed(ratio=middle, low=low, high=high, threads=threads, batch_size=batch_size)


def _seconds(session: InferenceSession, feed: Mapping[str, Any]) -> float:
    started = time.perf_counter()
    session.run(None, feed)
    return time.perf_counter() - started
