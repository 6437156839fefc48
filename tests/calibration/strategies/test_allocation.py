"""Shares and thresholds of the families that one number leads: uniform, energy, sensitivity."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tiny_network import tiny_data, tiny_network
from zeroskip.calibration import StrategyName, calibrate
from zeroskip.calibration.network.samples import Values
from zeroskip.calibration.strategies.allocation import GRID, EnergyStrategy, SensitivityStrategy, UniformStrategy
from zeroskip.calibration.strategies.sensitivity import Sensitivity

from ..conftest import COUNT


def test_uniform_drops_the_same_share_everywhere() -> None:
    result = calibrate(tiny_network(), tiny_data(COUNT), 0.05, strategy="uniform", threads=1)
    shares = [item.fraction for item in result.sensitivities]
    assert max(shares) - min(shares) < 0.001
    assert result.holdout.drop <= 0.05


@pytest.mark.parametrize("strategy", ["energy", "greedy"])
def test_strategies_to_compare_with_keep_the_budget(strategy: StrategyName) -> None:
    result = calibrate(tiny_network(), tiny_data(COUNT), 0.1, strategy=strategy, threads=1)
    assert result.holdout.drop <= 0.1
    assert result.sparsity_after >= result.sparsity_before


@given(
    st.floats(1e-6, 1.0),
    st.floats(1e-6, 1.0),
    st.lists(st.floats(0.0, 1.0), min_size=2, max_size=5, unique=True),
)
def test_damage_never_falls_with_the_share(first: float, second: float, fractions: list[float]) -> None:
    damages = Sensitivity((0.2, 0.5), (first, second)).at(np.array(sorted(fractions)))
    assert (np.diff(damages) >= -1e-12).all()


def some_values(seed: int, scale: float = 1.0) -> Values:
    random = np.random.default_rng(seed)
    return Values((scale * np.maximum(random.standard_normal((200, 4)), 0.0)).astype(np.float32))


@settings(deadline=None)
@given(st.lists(st.floats(0.0, 1.0), min_size=2, max_size=6))
def test_more_strength_never_drops_less(strengths: list[float]) -> None:
    values = {"a": some_values(0), "b": some_values(1, 9.0)}
    sensitivities = {"a": Sensitivity((0.2, 0.5), (1e-4, 1e-3)), "b": Sensitivity((0.2, 0.5), (1e-2, 0.3))}
    strategies = (
        SensitivityStrategy(values, sensitivities, {"a": GRID, "b": 2.0 * GRID}),
        UniformStrategy(values),
        EnergyStrategy(values),
    )
    for strategy in strategies:
        allocations = [strategy.thresholds(strength) for strength in sorted(strengths)]
        for before, after in itertools.pairwise(allocations):
            assert all(after[name] >= before[name] for name in before)


def test_a_robust_layer_drops_more_than_a_sensitive_one() -> None:
    sensitivities = {
        "robust": Sensitivity((0.2, 0.5), (1e-5, 1e-4)),
        "fragile": Sensitivity((0.2, 0.5), (0.1, 1.0)),
    }
    values = {name: some_values(0) for name in sensitivities}
    strategy = SensitivityStrategy(values, sensitivities, dict.fromkeys(values, GRID))
    fractions = strategy.fractions(0.4)
    assert fractions["robust"] > fractions["fragile"]
    assert strategy.fractions(0.0) == {"robust": 0.0, "fragile": 0.0}
    assert strategy.fractions(1.0)["fragile"] == pytest.approx(GRID[-1])


def test_energy_drops_the_same_share_of_the_squares_everywhere() -> None:
    values = {"a": some_values(0), "b": some_values(1, 9.0)}
    for name, threshold in EnergyStrategy(values).thresholds(0.5).items():
        rows = values[name].rows
        dropped = np.square(rows[rows <= threshold]).sum() / np.square(rows).sum()
        assert dropped == pytest.approx(0.5**4, rel=0.1)
