"""ReLUs written with two operands are found, and what only looks like one is not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

torch = pytest.importorskip("torch")

import torch.nn.functional as F  # noqa: E402, N812
from torch import Tensor, nn  # noqa: E402

from zeroskip import RecipeError  # noqa: E402
from zeroskip.torch import fatrelus, replace_relu  # noqa: E402


class Network(nn.Module):
    """An activation between two layers."""

    def __init__(self, activation: Callable[[Network, Tensor], Tensor]) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(3, 8), nn.Linear(8, 2)
        self.threshold, self.leaky = nn.Threshold(0, 0), nn.LeakyReLU(0.0)
        self.register_buffer("zero", torch.zeros(()))
        self.weight = nn.Parameter(torch.zeros(8))
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.activation(self, self.first(x)))


RELUS = {
    "maximum of a tensor": lambda _, x: torch.maximum(x, torch.tensor(0.0)),
    "maximum of zeros_like": lambda _, x: torch.maximum(torch.zeros_like(x), x),
    "maximum of a buffer": lambda m, x: torch.maximum(x, m.zero),
    "max": lambda _, x: torch.max(x, torch.zeros_like(x)),
    "fmax": lambda _, x: torch.fmax(x, torch.zeros(1)),
    "method maximum": lambda _, x: x.maximum(torch.full_like(x, 0.0)),
    "method max": lambda _, x: x.max(x.new_zeros(())),
    "clamp_min": lambda _, x: torch.clamp_min(x, 0),
    "clamp_min_": lambda _, x: x.clamp_min_(0.0),
    "clamp by a tensor": lambda _, x: torch.clamp(x, min=torch.tensor(0.0)),
    "threshold": lambda _, x: F.threshold(x, 0, 0),
    "threshold_": lambda _, x: F.threshold_(x, 0.0, 0.0),
    "Threshold": lambda m, x: m.threshold(x),
    "LeakyReLU of 0": lambda m, x: m.leaky(x),
    "leaky_relu of 0": lambda _, x: F.leaky_relu(x, negative_slope=0.0),
    "gate": lambda _, x: x * (x > 0),
    "gate, float": lambda _, x: (x > 0).float() * x,
    "gate, to": lambda _, x: x * (x > 0).to(x.dtype),
    "gate, ge": lambda _, x: x.mul(torch.ge(x, 0).type_as(x)),
    "gate, swapped": lambda _, x: torch.mul(x, x > 0),
    "where": lambda _, x: torch.where(x > 0, x, 0),
    "where, zeros_like": lambda _, x: torch.where(x >= 0, x, torch.zeros_like(x)),
    "where, below": lambda _, x: torch.where(x < 0, 0.0, x),
    "where, tensor": lambda _, x: torch.where(x <= 0, torch.tensor(0.0), x),
    "method where": lambda _, x: x.where(x > 0, 0),
    "masked_fill": lambda _, x: x.masked_fill(x < 0, 0),
}
OTHERS = {
    "maximum of 1": lambda _, x: torch.maximum(x, torch.tensor(1.0)),
    "maximum of ones_like": lambda _, x: torch.maximum(x, torch.ones_like(x)),
    "maximum of a parameter": lambda m, x: torch.maximum(x, m.weight),
    "minimum": lambda _, x: torch.minimum(x, torch.tensor(0.0)),
    "max over an axis": lambda _, x: x - torch.max(x, 0).values,
    "clamp_max": lambda _, x: torch.clamp_max(x, 0),
    "threshold with a value": lambda _, x: F.threshold(x, 0.0, -1.0),
    "threshold below 0": lambda _, x: F.threshold(x, -1.0, 0.0),
    "leaky_relu": lambda _, x: F.leaky_relu(x),
    "gate by another": lambda m, x: x * (m.weight > 0),
    "gate of negatives": lambda _, x: x * (x < 0),
    "where of another": lambda _, x: torch.where(x > 0, x, 1.0),
    "where of negatives": lambda _, x: torch.where(x > 0, 0.0, x),
    "where above -1": lambda _, x: torch.where(x > -1, x, 0.0),
    "masked_fill of positives": lambda _, x: x.masked_fill(x > 0, 0),
}


@pytest.mark.parametrize("name", RELUS)
def test_a_relu_is_found_and_replaced(name: str) -> None:
    torch.manual_seed(0)
    model, x = Network(RELUS[name]), torch.randn(16, 3)
    wanted = model(x)
    hidden = model.first(x)
    replaced = replace_relu(model)
    (module,) = fatrelus(replaced).values()
    assert torch.equal(replaced(x), wanted)
    module.set_threshold(0.5)
    assert torch.equal(replaced(x), model.second(hidden * (hidden > 0.5)))


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_no_relu_is_left_alone(name: str) -> None:
    with pytest.raises(RecipeError, match="no ReLU found"):
        replace_relu(Network(OTHERS[name]))


def test_two_gates_in_a_row_are_replaced_both() -> None:
    def twice(model: Network, x: Tensor) -> Tensor:
        y = torch.maximum(x, model.zero) - 0.5
        return y * (y > 0)

    torch.manual_seed(0)
    model, x = Network(twice), torch.randn(16, 3)
    wanted = model(x)
    replaced = replace_relu(model)
    assert len(fatrelus(replaced)) == 2
    assert torch.equal(replaced(x), wanted)


@pytest.mark.parametrize("activation", [lambda _, x: F.threshold(x, 0.25, 0.0), lambda m, x: m.sparse(x)])
@pytest.mark.parametrize(("given", "expected"), [(0.0, 0.25), (0.1, 0.25), (0.5, 0.5)])
def test_what_zeroes_up_to_a_threshold_keeps_it(activation: Callable, given: float, expected: float) -> None:
    model = Network(activation)
    model.sparse = nn.Threshold(0.25, 0)
    x = torch.randn(16, 3)
    before = model(x)
    changed = replace_relu(model, given)
    (found,) = fatrelus(changed).values()
    assert float(found.threshold) == expected
    assert given > 0.25 or torch.equal(changed(x), before)
