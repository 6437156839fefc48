"""Random graphs of all that touches memory in its own way: views, copies, in-place steps, residuals."""

from __future__ import annotations

import numpy as np

from .canonical_graph import CanonicalGraph


def random_graph(seed: int) -> tuple[CanonicalGraph, list[str], list[str]]:
    """Return a graph of maps of 16 to 128 channels, its outputs, and a value to tap."""
    random = np.random.default_rng(seed)
    graph = CanonicalGraph(2, 32, 6, 6, seed=seed)
    values = [(graph.conv("x", (32, 32)), 32)]
    for _ in range(14):
        (a, channels), (b, other) = (values[random.integers(len(values))] for _ in range(2))
        kind = random.integers(9)
        if kind == 0:
            count = int(random.choice([16, 24, 32, 48]))
            values.append((graph.conv(a, (channels, count)), count))
        elif kind == 1 and channels == other:
            values.append((graph.node("Add", a, b), channels))
        elif kind == 2 and channels + other <= 128:
            values.append((graph.node("Concat", a, b, axis=1), channels + other))
        elif kind == 3:
            values.append((graph.relu(a, 0.1), channels))
        elif kind == 4:
            values.append((graph.node("Tanh", a), channels))
        elif kind == 5:
            mean = graph.node("GlobalAveragePool", b if channels == other else a)
            values.append((graph.node("Sub", a, mean), channels))
        elif kind == 6:
            values.append((graph.node("Max", a, graph.values(*random.choice([[1, 1], [6, 6]]).tolist())), channels))
        elif kind == 7:
            factors = (graph.values(channels), graph.values(channels))
            values.append((graph.node("InstanceNormalization", a, *factors), channels))
        else:
            shape = graph.constant([2, channels, 36], dtype=np.int64)
            back = graph.constant([2, channels, 6, 6], dtype=np.int64)
            values.append((graph.node("Reshape", graph.node("Reshape", a, shape), back), channels))
    chosen = {values[-1][0], *(values[index][0] for index in random.integers(len(values), size=3))}
    return graph, [graph.node("Tanh", name) for name in sorted(chosen)], [values[-2][0]]
