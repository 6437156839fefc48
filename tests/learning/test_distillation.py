"""Distilling the weights of a network with thresholds toward what the dense one gives."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from tiny_network import tiny_data, tiny_network

torch = pytest.importorskip("torch")

from zeroskip.learning import GraphModule  # noqa: E402
from zeroskip.learning.distillation import DistillationOptions, distill_weights  # noqa: E402


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def inputs() -> torch.Tensor:
    return torch.from_numpy(np.array(tiny_data(48).array(), np.float32))


def set_all(module: GraphModule, threshold: float) -> None:
    for name in module.activation_names:
        module.rectifier(name).set_threshold(threshold)


def distance(module: GraphModule, inputs: torch.Tensor, targets: torch.Tensor) -> float:
    with torch.no_grad():
        return float((module(inputs)[0] - targets).square().mean())


def test_outputs_come_nearer_and_thresholds_stay(inputs: torch.Tensor) -> None:
    dense = GraphModule(tiny_network())
    with torch.no_grad():
        targets = dense(inputs)[0]
    student = dense.duplicate()
    set_all(student, 0.3)
    before = distance(student, inputs[32:], targets[32:])
    options = DistillationOptions(steps=20, batch_size=8, weight_rate=3e-3)
    layers = distill_weights(student, inputs[:32], targets[:32], options)
    assert distance(student, inputs[32:], targets[32:]) < 0.9 * before
    assert all(np.all(value == np.float32(0.3)) for value in student.thresholds().values())
    twin = dense.duplicate()
    set_all(twin, 0.3)
    twin.set_layers(layers)
    assert distance(twin, inputs, targets) == distance(student, inputs, targets)
    assert distance(dense, inputs, targets) == 0.0, "the dense network is another one"


def test_the_same_seed_gives_the_same_weights(inputs: torch.Tensor) -> None:
    def weights(seed: int) -> np.ndarray:
        student = GraphModule(tiny_network())
        set_all(student, 0.3)
        options = DistillationOptions(steps=3, batch_size=8)
        layers = distill_weights(student, inputs, torch.zeros(48, student(inputs[:1])[0].shape[1]), options, seed=seed)
        return np.concatenate([layer.weight.ravel() for layer in layers.values()])

    assert np.array_equal(weights(1), weights(1))
    assert not np.array_equal(weights(1), weights(2))
