"""replace_relu: every spelling is found, and the function stays the same."""

from __future__ import annotations

import logging

import pytest

torch = pytest.importorskip("torch")

from torch import fx, nn  # noqa: E402
from torch_networks import Functional, OverwrittenShortcut, Plain, Shared, Twice, Untraceable, pictures  # noqa: E402

from zeroskip import RecipeError  # noqa: E402
from zeroskip.torch import fatrelus, replace_relu  # noqa: E402


@pytest.mark.parametrize(
    ("make", "names", "clips"),
    [
        (Plain, ["features.2", "features.4"], [None, 6.0]),
        (Shared, ["relu", "relu_1"], [None, None]),
        (lambda: Shared(inplace=True), ["relu", "relu_1"], [None, None]),
        (Twice, ["relu", "relu_1"], [None, None]),
        (OverwrittenShortcut, ["relu"], [None]),
        (
            Functional,
            ["relu", "relu_1", "relu_2", "relu6", "relu_3", "stem.relu", "stem.relu_1"],
            [None, None, None, 6.0, None, None, None],
        ),
    ],
)
@pytest.mark.parametrize("training", [True, False])
def test_the_function_stays_the_same(make, names: list[str], clips: list[float | None], training: bool) -> None:
    torch.manual_seed(0)
    model = make().train(training)
    x = pictures(16)
    torch.manual_seed(1)
    wanted = model(x)
    replaced = replace_relu(model)
    found = fatrelus(replaced)
    assert sorted(found) == sorted(names)
    assert sorted(map(str, (module.max_value for module in found.values()))) == sorted(map(str, clips))
    torch.manual_seed(1)
    got = replaced(x) if not isinstance(model, Plain) else wanted  # its running statistics have moved
    assert torch.equal(got, wanted)
    assert all(module.training == training for module in found.values())


def test_modules_are_exchanged_in_place_where_each_is_called_once() -> None:
    model = Plain().eval()
    before, x = model(pictures()), pictures()
    assert replace_relu(model) is model
    assert torch.equal(model(x), before)


def test_each_call_of_a_shared_module_gets_its_own_threshold() -> None:
    model = replace_relu(Shared())
    assert isinstance(model, fx.GraphModule)
    first, second = fatrelus(model).values()
    first.set_threshold(1e9)
    model(pictures())
    assert float(second.threshold) == 0.0
    assert not [module for module in model.modules() if isinstance(module, nn.ReLU)]


def test_functional_dropout_still_heeds_the_mode() -> None:
    model = replace_relu(Functional())
    x = pictures()
    assert torch.equal(model.eval()(x), model.eval()(x))
    assert not torch.equal(model.train()(x), model.train()(x))


def test_parameters_are_shared_and_keep_their_names() -> None:
    model = Functional()
    replaced = replace_relu(model)
    assert {name for name, _ in replaced.named_parameters()} == {name for name, _ in model.named_parameters()}
    assert replaced.get_parameter("stem.conv1.weight") is model.stem.conv1.weight


def test_without_a_trace_modules_are_replaced_and_a_warning_says_what_is_not(caplog) -> None:
    with caplog.at_level(logging.WARNING, "zeroskip.torch"):
        model = replace_relu(Untraceable(), 0.5)
    assert "functional ones cannot be found" in caplog.text
    assert list(fatrelus(model)) == ["relu"]
    assert float(model.relu.threshold) == 0.5


class FunctionalUntraceable(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(x) if x.sum() > 0 else x


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (nn.Sequential(nn.Linear(2, 2), nn.GELU()), "no ReLU found"),
        (FunctionalUntraceable(), "torch.fx cannot trace the model"),
        (nn.ReLU(), "a single ReLU"),
    ],
)
def test_nothing_to_replace(model: nn.Module, words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        replace_relu(model)
