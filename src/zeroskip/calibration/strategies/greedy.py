"""The search of Kurtz et al. 2020, as a baseline: layer after layer, each with a loss of its own to spend.

For every layer in order T is bisected in [0, 1] so that top-1 stays within a tolerance of what it was before
that layer. Losses compound, T cannot exceed 1, time plays no part, and the cost is ten evaluations per layer.
One fault of it is not repeated: it left the last T that was probed, passed or not; here the last one that
passed is kept.
"""

from __future__ import annotations

from ...progress import Progress, Steps
from ..judging.metric import Metric
from ..judging.outputs import Outputs
from ..network.evaluation import Evaluator
from ..network.stream import Stream, affordable_streams

TOLERANCE = 0.001
_STEPS = 10


def greedy_thresholds(
    evaluator: Evaluator, metric: Metric, names: list[str], progress: Progress | None = None
) -> dict[str, float]:
    """Return the thresholds that the search finds.

    Args:
        evaluator: Has network and data.
        metric: What may fall by :data:`TOLERANCE` in each layer.
        names: Activations in the order of the graph.
        progress: Told of each layer.
    """
    network = evaluator.network
    network.set_thresholds({})
    streams = [Stream(network, feed, count) for feed, count in evaluator.batches()]
    keeps_states = len(streams) <= affordable_streams(network.program)
    found: dict[str, float] = {}
    steps = Steps(progress, "searching layer by layer", len(names) * _STEPS)
    value = _value(evaluator, metric, evaluator.dense.outputs)
    for name in names:
        if keeps_states:
            for stream in streams:
                stream.advance(network.place(name))
        low, high, passed = 0.0, 1.0, value
        for _ in range(_STEPS):
            middle = (low + high) / 2
            network.set_thresholds({**found, name: middle})
            reached = _value(evaluator, metric, Outputs.joined([stream.outputs() for stream in streams]))
            if value - reached < TOLERANCE:
                low, passed = middle, reached
            else:
                high = middle
            steps.advance()
        found[name] = low
        value = passed
        network.set_thresholds(found)
    return found


def _value(evaluator: Evaluator, metric: Metric, outputs: Outputs) -> float:
    return metric.value(evaluator.dense.outputs, outputs, evaluator.data.targets)
