"""Recipes: schedules, validation, files; and which epoch is kept."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")

from zeroskip import RecipeError
from zeroskip.torch import Recipe
from zeroskip.torch.selection import Selection


def test_schedules() -> None:
    recipe = Recipe(
        learning_rate=0.1, warmup=0.1, strength=2.0, strength_ramp=0.5, threshold_ramp=0.25, slope=(10.0, 1000.0)
    )
    assert [recipe.learning_rate_at(share) for share in (0.0, 0.05, 0.1, 1.0)] == pytest.approx([0.0, 0.05, 0.1, 0.0])
    assert [recipe.strength_at(share) for share in (0.0, 0.25, 0.5, 1.0)] == [0.0, 1.0, 2.0, 2.0]
    assert [recipe.threshold_share_at(share) for share in (0.0, 0.125, 1.0)] == [0.0, 0.5, 1.0]
    assert [recipe.slope_at(share) for share in (0.0, 0.5, 1.0)] == pytest.approx([10.0, 100.0, 1000.0])
    steps = Recipe(learning_rate=1.0, warmup=0.0, learning_rate_schedule="step")
    assert [steps.learning_rate_at(share) for share in (0.0, 0.4, 0.9)] == pytest.approx([1.0, 0.2, 0.04])


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"epochs": 0}, "epochs: .*got 0"),
        ({"distillation": 2.0}, "distillation"),
        ({"regularizer": "l7"}, "regularizer"),
        ({"slope": (10.0, 2.0)}, "slope must rise"),
        ({"epoch": 3}, "epoch: Extra"),
        ({"keep": "last", "max_drop": 0.01}, "keep='last' chooses no epoch"),
        ({"keep": "last", "patience": 2}, "keep='last' chooses no epoch"),
    ],
)
def test_bad_values(values: dict[str, object], words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        Recipe(**values)


def test_saves_and_says_what_differs(tmp_path: Path) -> None:
    recipe = Recipe(epochs=3, layer_weights={"a": 2.0})
    recipe.save(tmp_path / "recipe.json")
    assert Recipe.load(tmp_path / "recipe.json") == recipe
    assert recipe.differences(Recipe(epochs=4, layer_weights={"a": 2.0})) == {"epochs": (3, 4)}


def chosen(recipe: Recipe, epochs: list[tuple[float | None, float, bool]]) -> tuple[int | None, str | None]:
    """Return the epoch that is kept and why it stopped, given (metric, sparsity, is_settled); the baseline is 0.9."""
    selection = Selection(recipe)
    for number, (metric, sparsity, is_settled) in enumerate(epochs):
        if selection.stop_reason is not None:
            break
        selection.add(number, metric, 0.9, sparsity, is_settled)
    return selection.best_epoch, selection.stop_reason


def test_which_epoch_is_kept() -> None:
    budget = Recipe(max_drop=0.02)
    assert chosen(budget, [(0.90, 0.5, True), (0.89, 0.7, True), (0.85, 0.9, True)]) == (1, None)
    assert chosen(budget, [(0.80, 0.9, True), (0.85, 0.5, True)]) == (1, None)  # none within: the most accurate
    assert chosen(budget, [(0.90, 0.9, False), (0.89, 0.6, True)]) == (1, None)  # ramps first
    assert chosen(Recipe(), [(0.91, 0.5, True), (0.90, 0.9, True)]) == (0, None)
    assert chosen(Recipe(), [(None, 0.0, True), (None, 0.0, True)]) == (1, None)
    assert chosen(Recipe(keep="last"), [(0.91, 0.5, True), (0.90, 0.4, True)]) == (1, None)


def test_when_to_stop() -> None:
    _, reason = chosen(Recipe(max_drop=0.02, target_sparsity=0.7), [(0.85, 0.8, True), (0.89, 0.71, True)])
    assert reason == "target sparsity 70.0% reached within the budget in epoch 2"
    kept, reason = chosen(Recipe(patience=2), [(0.9, 0.5, True), (0.8, 0.5, True), (0.8, 0.5, True), (0.95, 0.5, True)])
    assert (kept, reason) == (0, "no better epoch for 2 epochs: stopped after epoch 3")
