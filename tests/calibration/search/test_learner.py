"""Block-wise learning under a budget: kept only where it is better, said so where it is not."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import zeroskip as zs
from tiny_network import tiny_data, tiny_network

torch = pytest.importorskip("torch")

from zeroskip.calibration import CalibrationResult  # noqa: E402
from zeroskip.calibration.judging.metric import FidelityMetric  # noqa: E402
from zeroskip.calibration.network import work  # noqa: E402
from zeroskip.calibration.search import learner  # noqa: E402
from zeroskip.calibration.search.search import Search  # noqa: E402
from zeroskip.calibration.search.walk import Budget  # noqa: E402
from zeroskip.learning import blockwise, distillation  # noqa: E402
from zeroskip.report.words import method_words  # noqa: E402


@pytest.fixture(autouse=True, scope="module")
def few_steps() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blockwise.LearningOptions, "__init__", _few_steps(blockwise.LearningOptions.__init__))
        yield


@pytest.fixture(autouse=True)
def same_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    assert torch.get_num_threads() == before


def _few_steps(make: object) -> object:
    def init(self: object, steps: int = 25, batch_size: int = 8, **others: object) -> None:
        make(self, steps=steps, batch_size=batch_size, **others)

    return init


def calibrate(**options: object) -> CalibrationResult:
    chosen = {"max_drop": 0.05, "metric": "fidelity", "threads": 1, "measure_seconds": 0.0, "costs": "model", **options}
    return zs.calibrate(tiny_network(), tiny_data(64), **chosen)


@pytest.fixture(scope="module")
def plain() -> CalibrationResult:
    return calibrate()


@pytest.fixture(scope="module")
def learnt() -> CalibrationResult:
    return calibrate(strategy="blockwise")


def test_learning_never_gives_less_than_the_plain_strategy(
    plain: CalibrationResult, learnt: CalibrationResult, tmp_path: Path
) -> None:
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


def test_what_the_last_check_takes_back_never_costs_what_the_plain_strategy_has(
    plain: CalibrationResult, learnt: CalibrationResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check with what the choice hides comes last; learnt thresholds that fail it leave the plain ones."""
    assert learnt.strategy == "blockwise"
    holds = Search._holds

    def strict(search: Search, place: int, budget: Budget) -> bool:
        return search.strategy.name != "blockwise" and holds(search, place, budget)

    monkeypatch.setattr(Search, "_holds", strict)
    found = calibrate(strategy="blockwise")
    assert found.strategy == "sensitivity"
    assert found.thresholds.thresholds.keys() == plain.thresholds.thresholds.keys()
    for name, value in plain.thresholds.thresholds.items():
        assert np.array_equal(found.thresholds[name], value)
    assert found.holdout == plain.holdout
    assert found.layers == {}
    assert found.learning
    assert not any(trial.is_kept for trial in found.learning)
    assert "block-wise learning tried, without gain" in method_words(found)


def test_targets_compare_learnt_weights_with_the_model_as_it_came() -> None:
    data = tiny_data(64)
    found = calibrate(max_drop=None, target_sparsity=0.8, strategy="blockwise", distillation=True)
    assert found.layers, "weights were learnt"
    dense, now = (
        zs.InferenceSession(model).run(None, {"image": data.array()})[0]
        for model in (tiny_network(), found.apply(tiny_network()).to_bytes())
    )
    for score, part in zip((found.calibration, found.holdout), data.split(0.5), strict=True):
        lost = FidelityMetric().information_loss(dense[part.indices], now[part.indices])
        assert score.information_loss == pytest.approx(lost, rel=0.02)
        assert score.baseline == 1.0


def test_for_a_target_what_is_better_is_told_by_the_holdout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights fit the calibration data; there they look better than they are."""
    trial = Search.trial

    def tell(search: Search, strength: float, *, on_holdout: bool) -> object:
        found = trial(search, strength, on_holdout=on_holdout)
        if on_holdout or not search.is_fitted:
            return found
        return found.model_copy(update={"score": found.score.model_copy(update={"information_loss": 0.0})})

    monkeypatch.setattr(Search, "trial", tell)
    plainly = calibrate(max_drop=None, target_sparsity=0.75)
    found = calibrate(max_drop=None, target_sparsity=0.75, strategy="blockwise")
    assert found.holdout.information_loss <= plainly.holdout.information_loss


def test_a_target_is_reached_with_learnt_weights() -> None:
    natural = calibrate().sparsity_before
    found = calibrate(max_drop=None, target_sparsity=natural + 0.1, strategy="blockwise")
    assert found.sparsity_after >= natural + 0.1
    assert found.learning


def same(first: CalibrationResult, second: CalibrationResult) -> bool:
    update = {"seconds": 0.0}
    return first.model_copy(update=update).to_dict() == second.model_copy(update=update).to_dict()


def test_the_same_seed_gives_the_same(learnt: CalibrationResult) -> None:
    again = calibrate(strategy="blockwise")
    assert same(learnt, again)
    assert sorted(learnt.layers) == sorted(again.layers)
    for name, layer in learnt.layers.items():
        assert np.array_equal(layer.weight, again.layers[name].weight)


PROGRAM = """
import sys, time
sys.path.insert(0, {tests!r})
import zeroskip as zs
from tiny_network import tiny_data, tiny_network
from zeroskip.journal import Journal
from zeroskip.learning import blockwise
make, put = blockwise.LearningOptions.__init__, Journal._put
blockwise.LearningOptions.__init__ = lambda self, **others: make(self, steps=25, batch_size=8, **others)
def tell(journal, key, arrays):
    put(journal, key, arrays)
    if "names" in arrays:
        print("learnt", flush=True)
        time.sleep(60)
Journal._put = tell
zs.calibrate(tiny_network(), tiny_data(64), {options}, work_folder=sys.argv[1])
"""


def test_a_killed_run_does_not_learn_again_what_it_had_learnt(
    learnt: CalibrationResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = "0.05, metric='fidelity', threads=1, measure_seconds=0.0, strategy='blockwise'"
    program = PROGRAM.format(tests=str(Path(__file__).resolve().parents[2]), options=options)
    folder = tmp_path / "work"
    with subprocess.Popen([sys.executable, "-c", program, str(folder)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"learnt\n"
        process.send_signal(signal.SIGKILL)
    calls: list[float] = []
    learn = blockwise.learn_blocks

    def count(module: object, inputs: object, shares: dict, price: float, **others: object) -> object:
        calls.append(price)
        return learn(module, inputs, shares, price, **others)

    monkeypatch.setattr(blockwise, "learn_blocks", count)
    resumed = calibrate(strategy="blockwise", work_folder=folder)
    assert calls == [trial.price for trial in learnt.learning[1:]]
    assert same(resumed, learnt)


def test_the_time_limit_ends_learning_between_blocks(plain: CalibrationResult, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit passes while the first block is learnt; what the plain strategy found is checked and returned."""
    clock = [0.0]
    monkeypatch.setattr(work.time, "monotonic", lambda: clock[0])
    learn, blocks = blockwise._Learning._learn, []

    def late(self: object, block: object, *others: object) -> None:
        clock[0] += 1e6
        blocks.append(block)
        learn(self, block, *others)

    monkeypatch.setattr(blockwise._Learning, "_learn", late)
    found = calibrate(strategy="blockwise", time_limit=100.0)
    assert found.was_interrupted
    assert len(blocks) == 1
    assert found.strategy == "sensitivity"
    assert found.layers == {}
    assert found.sparsity_after >= plain.sparsity_before


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


def test_ctrl_c_within_a_block_leaves_the_networks_weights_alone(
    monkeypatch: pytest.MonkeyPatch, plain: CalibrationResult
) -> None:
    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(blockwise._Learning, "_through", interrupt)
    found = calibrate(strategy="blockwise")
    assert found.was_interrupted
    assert found.layers == {}
    assert found.sparsity_after == pytest.approx(plain.sparsity_after, abs=0.05)


def test_distilled_weights_are_kept_only_where_less_is_lost_on_inputs_held_back(learnt: CalibrationResult) -> None:
    found = calibrate(strategy="blockwise", distillation=True)
    trial = found.distillation
    assert trial is not None
    assert trial.inputs == 22, "two thirds of the calibration half"
    assert found.predicted_speedup >= learnt.predicted_speedup
    if trial.is_kept:
        assert trial.damage_after < trial.damage_before
        assert found.predicted_speedup > learnt.predicted_speedup


def test_distillation_that_harms_is_thrown_away(learnt: CalibrationResult, monkeypatch: pytest.MonkeyPatch) -> None:
    def ruin(student: object, *arguments: object, **options: object) -> object:
        weights = student.layer_weights()
        ruined = {name: type(layer)(0.0 * layer.weight, layer.bias) for name, layer in weights.items()}
        student.set_layers(ruined)
        return ruined

    monkeypatch.setattr(distillation, "distill_weights", ruin)
    found = calibrate(strategy="blockwise", distillation=True)
    assert found.distillation is not None
    assert not found.distillation.is_kept
    assert found.distillation.damage_after > found.distillation.damage_before
    assert found.thresholds == learnt.thresholds
    assert "distillation tried, without gain" in method_words(found)


def test_distillation_without_learning_is_refused() -> None:
    with pytest.raises(zs.CalibrationError, match="distillation goes with the strategy 'blockwise', not with 'energy'"):
        calibrate(strategy="energy", distillation=True)
