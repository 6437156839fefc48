"""Best estimates: nearer to the truth than counts, inside their own interval, and honest about the choice."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tiny_network import tiny_data, tiny_network
from zeroskip import InferenceSession
from zeroskip.calibration import CalibrationResult, DropEstimate, calibrate
from zeroskip.calibration.judging.estimate import Estimator
from zeroskip.calibration.judging.losses import Losses, LossPath
from zeroskip.calibration.judging.metric import choose_metric

PLACES = tuple(float(place) for place in np.linspace(0.1, 1.0, 10))
COUNT = 64


def dense_scores(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores and labels by the probabilities that they stand for."""
    scores = rng.normal(size=(count, 6)) * 3.0
    return scores.astype(np.float32), (scores + rng.gumbel(size=scores.shape)).argmax(axis=1)


def family(rng: np.random.Generator, count: int) -> list[Losses]:
    """Losses of ``count`` inputs at every place: the scores with ever more noise."""
    scores, labels = dense_scores(rng, count)
    metric = choose_metric("top1", scores, labels)
    noise = rng.normal(size=scores.shape)
    found = [metric.losses(scores, (scores + place * noise).astype(np.float32), labels) for place in PLACES]
    return [item for item in found if item is not None]


def part(losses: Losses, chosen: np.ndarray) -> Losses:
    expected = None if losses.expected is None else losses.expected[chosen]
    return Losses(losses.kind, losses.counted[chosen], losses.changed[chosen], expected, losses.scale[chosen])


def path_of(losses: list[Losses], first: np.ndarray, second: np.ndarray) -> LossPath:
    halves = [dict(zip(PLACES, (part(item, half) for item in losses), strict=True)) for half in (first, second)]
    return LossPath.of(halves)


def test_the_truth_is_covered_and_the_budget_kept_although_the_place_was_chosen_by_looking() -> None:
    rng, budget = np.random.default_rng(0), 0.03
    population = family(rng, 20_000)
    truths = [float(item.counted.mean()) for item in population]
    errors, counts, covered, true = [], [], [], []
    for _ in range(60):
        chosen = rng.choice(20_000, 300, replace=False)
        path = path_of(population, chosen[:150], chosen[150:])
        plain = Estimator(path, budget)
        # As the search does: the last place whose estimate keeps within the budget, the choice not yet counted in.
        passing = [number for number, place in enumerate(PLACES) if plain.drop(place) <= budget]
        if not passing:
            continue
        number = passing[-1]
        estimate = plain.estimate(PLACES[number])
        assert estimate.interval is not None
        assert estimate.optimism is not None
        assert estimate.optimism >= 0.0
        errors.append(estimate.drop - truths[number])
        counts.append(estimate.counted - truths[number])
        covered.append(estimate.interval[0] <= truths[number] <= estimate.interval[1])
        true.append(truths[number])
    assert len(covered) >= 50
    assert np.mean(covered) >= 0.9
    assert np.mean(true) <= budget
    assert np.std(errors) < 0.7 * np.std(counts)
    assert abs(np.mean(errors)) < 0.01


def test_many_inputs_go_by_what_is_counted() -> None:
    population = family(np.random.default_rng(1), 40_000)
    halves = np.arange(20_000), np.arange(20_000, 40_000)
    estimator = Estimator(path_of(population, *halves), None)
    for place, losses in zip(PLACES, population, strict=True):
        assert estimator.drop(place) == pytest.approx(losses.counted.mean(), abs=0.003)


def test_a_network_whose_probabilities_say_too_little_is_found_out() -> None:
    """Every changed answer was right: what is expected is multiplied by what strong thresholds show."""
    rng, count = np.random.default_rng(2), 400
    moved = rng.random(count)
    losses = {}
    for place in PLACES:
        changed = moved < 0.2 * place
        counted, expected = changed.astype(np.float32), np.where(changed, 0.4, 0.0).astype(np.float32)
        losses[place] = Losses("answers", counted, changed, expected, np.ones(count, np.float32))
    path = path_of(list(losses.values()), np.arange(200), np.arange(200, 400))
    estimate = Estimator(path, None).estimate(PLACES[2])
    assert estimate.factor is not None
    assert estimate.factor > 1.6
    assert estimate.drop > 1.5 * float(losses[PLACES[2]].expected.mean())  # type: ignore[union-attr]
    assert estimate.optimism == 0.0, "nothing was chosen by losses"


def drawn_losses(kind: str, seed: int, count: int, rate: float) -> list[Losses]:
    rng, found = np.random.default_rng(seed), []
    moved = rng.random(count)
    for place in PLACES:
        changed = moved < rate * place
        ones, expected = np.ones(count, np.float32), None
        counted = changed.astype(np.float32)
        if kind == "answers":
            counted = np.where(changed, rng.choice([-1.0, 0.0, 1.0], count), 0.0).astype(np.float32)
            expected = np.where(changed, rng.random(count), 0.0).astype(np.float32)
        elif kind == "amounts":
            counted, ones = counted * rng.random(count).astype(np.float32), rng.random(count).astype(np.float32) + 0.1
        found.append(Losses(kind, counted, changed, expected, ones))  # type: ignore[arg-type]
    return found


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(["answers", "changes", "amounts"]),
    st.integers(0, 1000),
    st.integers(2, 40),
    st.floats(0.0, 1.0),
    st.sampled_from(PLACES),
    st.sampled_from([None, 0.0, 0.02, 0.2]),
)
def test_an_estimate_lies_inside_its_own_interval(
    kind: str, seed: int, count: int, rate: float, place: float, budget: float | None
) -> None:
    losses = drawn_losses(kind, seed, count, rate)
    for first in (0, count // 2):  # corrected weights: the holdout only
        halves = [np.arange(first), np.arange(first, count)]
        parts = [dict(zip(PLACES, (part(item, half) for item in losses), strict=True)) for half in halves if len(half)]
        estimate = Estimator(LossPath.of(parts), budget).estimate(place)
        assert estimate.interval is not None
        low, high = estimate.interval
        assert low <= estimate.drop <= high
        assert np.isfinite([low, high]).all()
        assert estimate.samples == count
        if kind != "amounts":
            assert low < high, "no certainty from any number of inputs"
            assert estimate.counted_interval is not None
            assert estimate.counted_interval[0] <= estimate.counted <= estimate.counted_interval[1]


def test_changes_that_were_not_seen_are_in_the_interval() -> None:
    losses = drawn_losses("changes", 0, 90, 0.0)
    estimate = Estimator(path_of(losses, np.arange(45), np.arange(45, 90)), 0.01).estimate(0.5)
    assert estimate.drop == 0.0
    assert estimate.interval == (0.0, pytest.approx(1.0 - 0.025 ** (1 / 90)))


# ------------------------------------------------------------------ of whole calibrations


def labelled() -> Any:
    (logits,) = InferenceSession(tiny_network()).run(None, {"image": tiny_data(COUNT).array()})
    rng = np.random.default_rng(0)
    labels = (4.0 * logits.astype(np.float64) + rng.gumbel(size=logits.shape)).argmax(axis=1)
    return tiny_data(COUNT, labels.tolist())


def found(metric: Any = "auto", **options: Any) -> CalibrationResult:
    data = labelled() if metric == "auto" else tiny_data(COUNT)
    options = {"max_drop": 0.1, "max_information_loss": 10.0, "accept_baseline": True, **options}
    return calibrate(tiny_network(), data, metric=metric, threads=1, measure_seconds=0.0, **options)


def margin(outputs: np.ndarray, labels: object) -> float:
    best = np.sort(outputs, axis=1)
    return float((best[:, -1] - best[:, -2]).mean())


@pytest.mark.parametrize("metric", ["auto", "agreement", "fidelity", margin])
def test_the_budget_holds_for_the_estimate(metric: Any) -> None:
    result = found(metric)
    estimate = result.estimate
    assert estimate is not None
    assert estimate.samples == COUNT
    assert estimate.drop <= 0.1 + 0.5 / COUNT
    assert estimate.interval is not None
    assert estimate.interval[0] <= estimate.drop <= estimate.interval[1]
    assert f"by {abs(estimate.drop):.2%} (95 % interval" in result.message or metric is margin
    assert "on inputs like these 64" in result.message
    assert "32 held-out inputs" in result.message


def test_targets_are_estimated_without_a_choice() -> None:
    result = found(max_drop=None, max_information_loss=None, target_sparsity=0.8)
    assert result.estimate is not None
    assert result.estimate.optimism == 0.0


def test_corrected_weights_are_judged_by_the_holdout_alone() -> None:
    result = found("fidelity", compensation="reconstruct")
    assert result.layers
    assert result.estimate is not None
    assert result.estimate.samples == COUNT // 2


def test_thresholds_of_zero_have_no_estimate() -> None:
    result = found("agreement", max_drop=0.0, max_information_loss=0.0)
    assert result.is_zero
    assert result.estimate is None


def test_the_same_seed_gives_the_same_estimate_and_json_keeps_it() -> None:
    first, second = found(), found()
    assert first.estimate == second.estimate
    assert isinstance(first.estimate, DropEstimate)
    assert DropEstimate.model_validate(first.to_dict()["estimate"]) == first.estimate


def test_a_count_above_the_budget_is_said() -> None:
    result = found()
    assert result.pooled_drop == pytest.approx((result.calibration.drop + result.holdout.drop) / 2.0)
    unlucky = result.calibration.model_copy(update={"optimized": result.calibration.baseline - 0.3})
    message = result.model_copy(update={"calibration": unlucky}).message
    assert "Counted over both halves the drop is" in message
    assert ", above the budget of 10.00%" in message
    assert "above the budget" not in result.message or result.pooled_drop > 0.1
