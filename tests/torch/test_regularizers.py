"""Penalties: values, gradients, what they watch."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch_networks import Plain, pictures  # noqa: E402

from zeroskip import RecipeError, metrics  # noqa: E402
from zeroskip.torch import L1, FATReLU, HoyerSquare, TransformedL1, replace_relu  # noqa: E402
from zeroskip.torch.penalties import hoyer_square, l1, transformed_l1  # noqa: E402

PENALTIES = [hoyer_square, l1, transformed_l1]
CLASSES = [HoyerSquare, L1, TransformedL1]


def activation(count: int = 5) -> torch.Tensor:
    return torch.randn(count, 4, 3, 3, generator=torch.Generator().manual_seed(3)).relu()


def test_hoyer_square_is_the_formula_of_metrics_per_sample() -> None:
    x = activation()
    wanted = np.mean([metrics.hoyer_square(sample.numpy()) / sample.numel() for sample in x])
    assert float(hoyer_square(x)) == pytest.approx(wanted, rel=1e-6)


def test_transformed_l1_lies_between_counting_and_l1() -> None:
    x = activation()
    assert float(transformed_l1(x, 1e-7)) == pytest.approx(float((x > 0).float().mean()), rel=1e-4)
    assert float(transformed_l1(x, 1e6)) == pytest.approx(float(x.mean()), rel=1e-4)


@pytest.mark.parametrize("penalty", PENALTIES)
def test_batch_and_resolution_do_not_change_the_strength(penalty) -> None:
    x = activation()
    assert torch.allclose(penalty(torch.cat([x, x])), penalty(x))
    assert torch.allclose(penalty(x.repeat(1, 1, 2, 2)), penalty(x))


@pytest.mark.parametrize("penalty", PENALTIES)
def test_all_zero_maps_are_safe(penalty) -> None:
    x = activation()
    x[1] = 0.0
    for case in (x, torch.zeros(3, 4), torch.full((2, 3), 1e-30)):
        leaf = case.clone().requires_grad_()
        penalty(leaf).backward()
        assert torch.isfinite(leaf.grad).all()
    assert float(penalty(torch.zeros(3, 4))) == 0.0


@pytest.mark.parametrize("penalty", PENALTIES)
def test_gradients_are_those_of_finite_differences(penalty) -> None:
    x = (torch.rand(2, 3, 2, dtype=torch.float64) + 0.1).requires_grad_()
    assert torch.autograd.gradcheck(penalty, x)


@pytest.mark.parametrize("penalty", PENALTIES)
def test_half_precision_adds_up_in_float32(penalty) -> None:
    x = torch.rand(2, 256, 32, 32)
    assert float(penalty(x.bfloat16())) == pytest.approx(float(penalty(x)), rel=0.01)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("penalty", PENALTIES)
def test_gradients_of_half_precision_are_those_of_float32(penalty, dtype) -> None:
    x = (torch.randn(3, 4, 5, 5, generator=torch.Generator().manual_seed(1)) + 0.5).to(dtype)
    x[0, 0], x[1] = 0.0, 0.0
    half, single = x.clone().requires_grad_(), x.float().requires_grad_()
    (100.0 * penalty(half)).backward()
    (100.0 * penalty(single)).backward()
    assert (half.grad[1] == 0.0).all()
    assert torch.allclose(half.grad.float(), single.grad, rtol=0.03, atol=5e-3)


def test_hoyer_square_lowers_small_values_and_raises_large_ones() -> None:
    x = torch.tensor([[0.1, 0.2, 3.0]], requires_grad=True)
    hoyer_square(x).backward()
    assert (x.grad[0, :2] > 0).all()
    assert x.grad[0, 2] < 0


@pytest.mark.parametrize("kind", CLASSES)
def test_watches_training_forwards_only_and_forgets_what_was_read(kind) -> None:
    model = replace_relu(Plain())
    regularizer = kind(model, 0.5)
    assert regularizer.penalty().item() == 0.0
    model.eval()(pictures())
    with torch.no_grad():
        model.train()(pictures())
    assert regularizer.penalty().item() == 0.0
    model.train()(pictures())
    assert regularizer.penalty().item() > 0.0
    assert regularizer.penalty().item() == 0.0
    regularizer.remove()
    model(pictures())
    assert regularizer.penalty().item() == 0.0


def test_strength_layers_and_weights() -> None:
    model = replace_relu(Plain()).train()

    def penalty(**options: object) -> float:
        with HoyerSquare(model, **options) as regularizer:  # type: ignore[arg-type]
            model(pictures())
            return regularizer.penalty().item()

    first, second = penalty(layers=["features.2"]), penalty(layers=["features.4"])
    assert penalty() == pytest.approx((first + second) / 2, rel=1e-4)
    assert penalty(strength=3.0, weights={"features.4": 0.0}) == pytest.approx(1.5 * first, rel=1e-4)


def test_a_few_steps_make_activations_sparser() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 64), FATReLU(), nn.Linear(64, 2))
    x = torch.randn(128, 8)
    before = float((model[1](model[0](x)) == 0).float().mean())
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    with HoyerSquare(model, 5.0) as regularizer:
        for _ in range(30):
            optimizer.zero_grad()
            model(x)
            regularizer.penalty().backward()
            optimizer.step()
    assert float((model[1](model[0](x)) == 0).float().mean()) > before + 0.1


def test_compiled_training_does_not_compile_anew_when_the_strength_changes() -> None:
    from torch._dynamo.testing import CompileCounter

    model = replace_relu(Plain()).train()
    regularizer, counter = HoyerSquare(model), CompileCounter()
    compiled = torch.compile(model, backend=counter)
    for strength in (0.1, 0.2, 0.3):
        regularizer.strength = strength
        compiled(pictures()).sum().backward()
        assert regularizer.penalty().item() > 0.0
    assert counter.frame_count == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"layers": ["features.9"]}, r"unknown layers \['features.9'\]"),
        ({"weights": {"head": 1.0}}, r"unknown layers \['head'\]"),
        ({"strength": -1.0}, "must be >= 0"),
    ],
)
def test_bad_arguments(options: dict[str, object], words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        L1(replace_relu(Plain()), **options)  # type: ignore[arg-type]
    with pytest.raises(RecipeError, match="no FATReLU"):
        L1(Plain())
