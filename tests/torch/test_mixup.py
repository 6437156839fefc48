"""Mixup: what is mixed, with what, and that labels and teachers are asked accordingly."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

import torch.nn.functional as F  # noqa: E402, N812
from torch import nn  # noqa: E402

import zeroskip as zs  # noqa: E402
from zeroskip.torch import Recipe  # noqa: E402
from zeroskip.torch.batches import Batch  # noqa: E402
from zeroskip.torch.mixup import mix_up  # noqa: E402
from zeroskip.torch.objective import Objective, distillation  # noqa: E402

X = torch.eye(6) * torch.arange(1.0, 7.0)
Y = torch.arange(6)


def test_every_sample_is_a_mean_with_another_one() -> None:
    torch.manual_seed(3)
    batch = mix_up(Batch(X, Y, 0.5), 1.0)
    assert batch.mixture is not None
    share, others = batch.mixture.share, batch.mixture.y
    assert 0.0 < share < 1.0
    assert sorted(others.tolist()) == Y.tolist()
    assert torch.allclose(batch.x, share * X + (1.0 - share) * X[others])  # the label is the place in X
    assert torch.equal(batch.y, Y)
    assert batch.weight == 0.5


def test_shares_are_even_for_1_and_extreme_for_little() -> None:
    torch.manual_seed(0)

    def shares(alpha: float) -> torch.Tensor:
        return torch.tensor([mix_up(Batch(X, None), alpha).mixture.share for _ in range(300)])  # type: ignore[union-attr]

    assert shares(1.0).mean().item() == pytest.approx(0.5, abs=0.06)
    extreme = shares(0.1)
    assert ((extreme < 0.2) | (extreme > 0.8)).float().mean() > 0.75


def test_targets_count_by_their_shares_and_the_teacher_sees_the_mixture() -> None:
    torch.manual_seed(1)
    teacher, outputs = nn.Linear(6, 6), torch.randn(6, 6)
    batch = mix_up(Batch(X, Y), 1.0)
    assert batch.mixture is not None
    share = batch.mixture.share
    labels = share * F.cross_entropy(outputs, Y) + (1.0 - share) * F.cross_entropy(outputs, batch.mixture.y)
    taught = distillation(outputs, teacher(batch.x), 2.0)
    recipe = Recipe(distillation=0.25, mixup=1.0)
    loss = Objective(recipe, None, None, teacher).loss(outputs, batch)
    assert loss.item() == pytest.approx((0.75 * labels + 0.25 * taught).item(), rel=1e-5)


def test_inputs_that_cannot_be_averaged_are_refused() -> None:
    with pytest.raises(zs.RecipeError, match=r"mixup averages inputs, and these are torch\.int64"):
        mix_up(Batch(torch.zeros(2, 3, dtype=torch.int64), None), 1.0)
    with pytest.raises(zs.RecipeError, match="mixup needs targets in one tensor, not dict"):
        mix_up(Batch(X, {"boxes": Y}), 1.0)
    with pytest.raises(zs.RecipeError, match="mixup"):
        Recipe(mixup=-1.0)
