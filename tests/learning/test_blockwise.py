"""Block-wise learning: a price buys zeros, the outputs stay near, the same seed gives the same."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

import zeroskip as zs
from tiny_network import tiny_data, tiny_network
from zeroskip.onnx import load_model, replace_weights, to_bytes

torch = pytest.importorskip("torch")

from zeroskip.learning import GraphModule  # noqa: E402
from zeroskip.learning.blockwise import LearningOptions, learn_blocks  # noqa: E402
from zeroskip.learning.learnt import Learnt  # noqa: E402

OPTIONS = LearningOptions(steps=30, batch_size=8)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def inputs() -> torch.Tensor:
    return torch.from_numpy(tiny_data(64).array().copy())


@pytest.fixture(scope="module")
def dense() -> GraphModule:
    return GraphModule(tiny_network())


@pytest.fixture(scope="module")
def shares() -> dict[str, float]:
    names = [item.name for item in zs.InferenceSession(tiny_network()).activations() if item.consumers]
    assert names
    return {name: 1.0 / len(names) for name in names}


def sparsity_and_error(learnt: Learnt, inputs: torch.Tensor) -> tuple[float, float]:
    """Sparsity, and squared error of the outputs against their variance."""
    model = replace_weights(load_model(tiny_network()), learnt.layers, zs.ThresholdSet(learnt.thresholds)).model
    dense, sparse = zs.InferenceSession(tiny_network()), zs.InferenceSession(to_bytes(model))
    feed = {dense.get_inputs()[0].name: inputs.numpy()}
    before, after = dense.run(None, feed)[0], sparse.run(None, feed)[0]
    return sparse.profile(feed, iterations=1).sparsity, float(((after - before) ** 2).mean() / before.var())


def test_a_higher_price_buys_more_zeros_and_outputs_stay_near(
    dense: GraphModule, inputs: torch.Tensor, shares: dict[str, float]
) -> None:
    learnt = [learn_blocks(dense, inputs, shares, price, OPTIONS) for price in (0.01, 0.3, 3.0)]
    found = [sparsity_and_error(item, inputs) for item in learnt]
    sparsities, errors = zip(*found, strict=True)
    assert sparsities[0] < sparsities[1] < sparsities[2]
    assert errors[0] < 0.05
    assert errors[0] < errors[2]


def test_weights_follow_the_thresholds(dense: GraphModule, inputs: torch.Tensor, shares: dict[str, float]) -> None:
    """The same thresholds with the old weights lose more."""
    learnt = learn_blocks(dense, inputs, shares, 0.3, OPTIONS)
    alone = Learnt(learnt.price, learnt.thresholds, {}, {}, learnt.inputs)
    assert sparsity_and_error(learnt, inputs)[1] < sparsity_and_error(alone, inputs)[1]


def test_the_same_seed_gives_the_same(dense: GraphModule, inputs: torch.Tensor, shares: dict[str, float]) -> None:
    before = {name: value.clone() for name, value in dense.state_dict().items()}
    first, second, other = (learn_blocks(dense, inputs, shares, 0.1, OPTIONS, seed=seed) for seed in (1, 1, 2))
    for name in first.layers:
        np.testing.assert_array_equal(first.layers[name].weight, second.layers[name].weight)
    for name in first.thresholds:
        np.testing.assert_array_equal(first.thresholds[name], second.thresholds[name])
    assert any(np.any(first.thresholds[name] != other.thresholds[name]) for name in first.thresholds)
    assert all(torch.equal(value, before[name]) for name, value in dense.state_dict().items())


def test_fewer_inputs_are_taken_rather_than_more_memory(
    dense: GraphModule, inputs: torch.Tensor, shares: dict[str, float]
) -> None:
    options = LearningOptions(steps=2, batch_size=8, max_bytes=1)
    assert learn_blocks(dense, inputs, shares, 0.1, options).inputs == 8
    assert learn_blocks(dense, inputs[:20], shares, 0.1, LearningOptions(steps=2, batch_size=8)).inputs == 16


def test_progress_tells_of_every_block(dense: GraphModule, inputs: torch.Tensor, shares: dict[str, float]) -> None:
    told: list[tuple[int, int]] = []

    def tell(what: str, done: int, total: int) -> None:
        told.append((done, total))

    learn_blocks(dense, inputs, shares, 0.1, LearningOptions(steps=1), progress=tell)
    assert told[-1][0] == told[-1][1] >= 1


def test_present_thresholds_are_where_learning_begins(inputs: torch.Tensor, shares: dict[str, float]) -> None:
    model = GraphModule(tiny_network())
    name = next(iter(shares))
    model.rectifier(name).set_threshold(100.0)
    learnt = learn_blocks(model, inputs, shares, 1.0, LearningOptions(steps=1))
    assert np.all(np.asarray(learnt.thresholds[name]) > 50.0)
