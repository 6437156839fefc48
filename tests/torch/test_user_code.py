"""Mistakes in a user's model, loss or metric are told in one sentence of ours."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

import zeroskip as zs  # noqa: E402
from zeroskip.torch import Recipe, finetune, replace_relu  # noqa: E402
from zeroskip.torch.losses import find_loss, find_metric  # noqa: E402

BATCHES = [(torch.randn(4, 3), torch.tensor([0, 1, 2, 3])) for _ in range(4)]


def network(inputs: int = 3, outputs: int = 4) -> nn.Module:
    torch.manual_seed(0)
    return replace_relu(nn.Sequential(nn.Linear(inputs, 8), nn.ReLU(), nn.Linear(8, outputs)))


@pytest.mark.parametrize(
    ("model", "options", "words"),
    [
        (network(inputs=5), {}, r"the model failed on float32 \[4, 3\].*cannot be multiplied"),
        (network(outputs=2), {}, "the loss failed on outputs.*out of bounds|the metric failed"),
        (network(), {"loss": lambda outputs, _: outputs}, r"the loss gave float32 \[4, 4\].*expected a tensor"),
        (network(), {"loss": lambda *_: 1 / 0}, "the loss failed on.*ZeroDivisionError"),
        (network(), {"loss": lambda outputs, _: outputs.detach().sum()}, "the gradient of the loss failed"),
        (network(), {"metric": lambda outputs, _: outputs}, "the metric failed on"),
    ],
)
def test_what_fails_is_named(model: nn.Module, options: dict[str, Any], words: str) -> None:
    with pytest.raises(zs.ZeroskipError, match=words):
        finetune(model, (BATCHES, BATCHES), Recipe(epochs=1, regularizer=None), **options)


def test_accumulated_batches_change_weights_like_one() -> None:
    def weights(batches: list[Any], accumulation: int) -> torch.Tensor:
        model = network()
        recipe = Recipe(epochs=1, accumulation=accumulation, regularizer=None, warmup=0.0)
        finetune(model, batches, recipe.model_copy(update={"learning_rate_schedule": "constant"}))
        return torch.cat([value.detach().flatten() for value in model.parameters()])

    pairs = zip(BATCHES[::2], BATCHES[1::2], strict=True)
    joined = [tuple(torch.cat(parts) for parts in zip(*pair, strict=True)) for pair in pairs]
    torch.testing.assert_close(weights(BATCHES, 2), weights(joined, 1))


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
def test_every_optimizer_trains(optimizer: str) -> None:
    batches = [(x, y.float()) for x, y in BATCHES]
    result = finetune(
        network(outputs=1), (batches, batches), Recipe(epochs=1, optimizer=optimizer, learning_rate=1e-3),
        loss=find_loss("mse"), metric=find_metric("mae"),
    )  # fmt: skip
    assert result.is_complete


def test_an_unknown_loss_is_refused() -> None:
    with pytest.raises(zs.RecipeError, match="there are cross_entropy"):
        find_loss("huh")
