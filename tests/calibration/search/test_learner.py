"""Block-wise learning under a budget: kept only where it is better, said so where it is not."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import zeroskip as zs
from tiny_network import tiny_data, tiny_network

torch = pytest.importorskip("torch")

from zeroskip.calibration import CalibrationResult  # noqa: E402
from zeroskip.calibration.search import learner  # noqa: E402
from zeroskip.learning import blockwise  # noqa: E402


@pytest.fixture(autouse=True)
def few_steps(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(blockwise.LearningOptions, "__init__", _few_steps(blockwise.LearningOptions.__init__))
    before = torch.get_num_threads()
    yield
    assert torch.get_num_threads() == before


def _few_steps(make: object) -> object:
    def init(self: object, steps: int = 25, batch_size: int = 8, **others: object) -> None:
        make(self, steps=steps, batch_size=batch_size, **others)

    return init


def calibrate(**options: object) -> CalibrationResult:
    chosen = {"max_drop": 0.05, "metric": "fidelity", "threads": 1, "measure_seconds": 0.0, **options}
    return zs.calibrate(tiny_network(), tiny_data(64), **chosen)


@pytest.fixture(scope="module")
def plain() -> CalibrationResult:
    return calibrate()


def test_learning_never_gives_less_than_the_plain_strategy(plain: CalibrationResult, tmp_path: Path) -> None:
    learnt = calibrate(strategy="blockwise")
    assert learnt.learning
    assert learnt.predicted_speedup >= plain.predicted_speedup
    kept = [trial for trial in learnt.learning if trial.is_kept]
    assert len(kept) == (learnt.strategy == "blockwise")
    assert learnt.holdout.drop <= 0.05 + 1e-9
    learnt.apply(tiny_network()).save(tmp_path / "model.onnx")
    session, (x,) = zs.InferenceSession(tmp_path / "model.onnx"), [tiny_data(64).subset(8).array()]
    feed = {session.get_inputs()[0].name: x}
    dense = zs.InferenceSession(tiny_network()).run(None, feed)[0]
    assert ((session.run(None, feed)[0] - dense) ** 2).sum() < 0.2 * (dense**2).sum()


def test_what_does_not_beat_the_plain_strategy_is_thrown_away(
    plain: CalibrationResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    def useless(module: object, inputs: object, shares: dict, price: float, **options: object) -> blockwise.Learnt:
        return blockwise.Learnt(price, {name: np.float32(1e-6) for name in shares}, {}, {}, 8)

    monkeypatch.setattr(blockwise, "learn_blocks", useless)
    found = calibrate(strategy="blockwise")
    assert found.strategy == "sensitivity"
    assert not any(trial.is_kept for trial in found.learning)
    assert found.layers == {}
    assert found.sparsity_after == plain.sparsity_after


def test_a_target_is_reached_with_learnt_weights() -> None:
    natural = calibrate().sparsity_before
    found = calibrate(max_drop=None, target_sparsity=natural + 0.1, strategy="blockwise")
    assert found.sparsity_after >= natural + 0.1
    assert found.learning


def test_the_same_seed_gives_the_same() -> None:
    first, second = calibrate(strategy="blockwise"), calibrate(strategy="blockwise")
    assert first.learning == second.learning
    assert first.thresholds == second.thresholds


def test_without_torch_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("zeroskip.learning")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(zs.CalibrationError, match=r"pip install 'zeroskip\[torch\]'"):
        calibrate(strategy="blockwise")


def test_ctrl_c_while_learning_keeps_what_was_found(monkeypatch: pytest.MonkeyPatch, plain: CalibrationResult) -> None:
    def interrupt(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(learner.BlockLearner, "_learn", interrupt)
    found = calibrate(strategy="blockwise")
    assert found.was_interrupted
    assert found.sparsity_after > found.sparsity_before
