"""Analysis: what a profile holds, what is predicted, what is refused."""

from __future__ import annotations

import itertools
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx.parser
import pytest

import zeroskip as zs
from tiny_network import SIDE, SKIPPABLE, tiny_data, tiny_network, two_input_network
from zeroskip.analysis import GAINS, ActivationValues, ModelInput, Reference, SparsityProfile, run_batches
from zeroskip.analysis.curves import measure_steps, timing_error
from zeroskip.data import random_input
from zeroskip.engine import CostModel
from zeroskip.engine.cost import MOST_ERROR, Fit
from zeroskip.engine.show.step_times import StepProfile
from zeroskip.errors import DataError, ShapeError
from zeroskip.gain import Gain


@pytest.fixture(scope="module")
def profile() -> SparsityProfile:
    return zs.analyze(tiny_network(), tiny_data(), threads=1)


def test_sparsity_is_that_of_the_activations(profile: SparsityProfile) -> None:
    session = zs.InferenceSession(tiny_network())
    observed = session.observe(["relu1", "relu2", "relu3"], {"image": tiny_data().array()})
    for item in profile.activations:
        assert item.sparsity == pytest.approx(zs.metrics.sparsity(observed[item.name]), abs=1e-9)
        assert item.elements == observed[item.name][0].size


def test_only_activations_that_a_convolution_reads_have_consumers(profile: SparsityProfile) -> None:
    assert {item.name for item in profile.activations if item.consumers} >= set(SKIPPABLE)


def test_layers_have_their_macs_and_shares(profile: SparsityProfile) -> None:
    macs = {layer.name: layer.macs for layer in profile.layers}
    assert macs["conv1"] == SIDE * SIDE * 16 * 27
    assert macs["conv2"] == (SIDE // 2) ** 2 * 32 * 16 * 9
    assert 0.0 < sum(layer.latency_share for layer in profile.layers) <= 1.0
    assert profile.macs >= profile.skippable_macs > 0


def test_total_sparsity_is_weighted_by_macs(profile: SparsityProfile) -> None:
    layers = [layer for layer in profile.layers if layer.can_skip]
    expected = np.average([layer.input_sparsity for layer in layers], weights=[layer.macs for layer in layers])
    assert profile.sparsity == pytest.approx(float(expected))


def test_more_sparsity_is_never_predicted_to_be_slower(profile: SparsityProfile) -> None:
    times = [profile.latency_ms, *profile.predicted_latency_ms]
    assert len(times) == len(GAINS) + 1
    assert all(later <= earlier * (1 + 1e-9) for earlier, later in itertools.pairwise(times))


def test_a_profile_survives_json(profile: SparsityProfile, tmp_path: Path) -> None:
    profile.save(tmp_path / "profile.json")
    assert SparsityProfile.load(tmp_path / "profile.json") == profile


def test_a_damaged_profile_is_named(tmp_path: Path) -> None:
    (tmp_path / "profile.json").write_text("{")
    with pytest.raises(DataError, match=r"cannot read a sparsity profile from .*profile\.json"):
        SparsityProfile.load(tmp_path / "profile.json")


def test_printing_ends_with_the_verdict(profile: SparsityProfile) -> None:
    text = str(profile)
    assert "conv2" in text
    assert text.endswith(profile.verdict)


@pytest.mark.parametrize(("peer_ms", "answer"), [(2.0, "Yes"), (1.05, "Hardly"), (0.9, "Not as it is")])
def test_the_verdict_compares_with_another_engine(profile: SparsityProfile, peer_ms: float, answer: str) -> None:
    compared = profile.compared_with(reference(peer_ms, 0.99 * peer_ms, 1.02 * peer_ms))
    verdict = compared.verdict
    assert verdict.startswith(f"{answer}: ")
    assert f"({peer_ms:.2f}x, {0.99 * peer_ms:.2f}x to {1.02 * peer_ms:.2f}x)" in verdict
    assert "20 points more sparsity" in verdict


def reference(ratio: float, low: float, high: float) -> Reference:
    gain = Gain(ratio=ratio, low=low, high=high)
    return Reference(engine="ONNX Runtime", version="1", latency_ms=ratio, zeroskip_latency_ms=1.0, gain=gain)


@pytest.mark.parametrize(
    ("low", "high", "answer"), [(1.6, 3.64, "Yes"), (0.9, 1.5, "Perhaps"), (0.6, 0.9, "Not as it is")]
)
def test_rounds_that_disagree_give_a_range_and_no_ratio(
    profile: SparsityProfile, low: float, high: float, answer: str
) -> None:
    verdict = profile.compared_with(reference((low + high) / 2, low, high)).verdict
    assert verdict.startswith(f"{answer}: ")
    assert f"too busy to say by how much: zeroskip's speed-up over ONNX Runtime came out from {low:.2f}x to" in verdict
    assert f" to {high:.2f}x; " in verdict
    assert f"{(low + high) / 2:.2f}x," not in verdict
    assert "measure again when it is idle" in verdict


def test_a_busy_machine_is_named(profile: SparsityProfile) -> None:
    busy = reference(2.0, 1.95, 2.05).model_copy(update={"is_busy": True})
    assert "(2.00x, 1.95x to 2.05x, on a machine that others were using)" in profile.compared_with(busy).verdict


def test_a_compared_profile_has_one_time_for_the_whole_model(profile: SparsityProfile) -> None:
    compared = profile.compared_with(reference(2.0, 1.9, 2.1))
    assert compared.latency_ms == 1.0
    shares = [layer.latency_ms for layer in compared.layers]
    assert sum(shares) <= 1.0 + 1e-9
    assert [layer.latency_share for layer in compared.layers] == [layer.latency_share for layer in profile.layers]
    assert compared.predicted_latency_ms[0] == pytest.approx(profile.predicted_latency_ms[0] / profile.latency_ms)


def test_sparsity_is_that_of_all_inputs(profile: SparsityProfile) -> None:
    sparsity = {item.name: item.sparsity for item in profile.activations}
    layers = {layer.name: layer.input_sparsity for layer in profile.layers}
    assert layers["conv2"] == pytest.approx(sparsity["relu1"], abs=1e-6)
    assert layers["conv3"] == pytest.approx(sparsity["relu2"], abs=1e-6)


def test_a_model_with_nothing_to_sparsify_says_so() -> None:
    profile = zs.analyze(tiny_network(activation="Sigmoid"), tiny_data(4), threads=1)
    assert profile.verdict.startswith("No: there is nothing to sparsify in this model")
    assert "no ReLU-like activation" in profile.verdict
    assert profile.sparsity == 0.0


@pytest.mark.parametrize("body", ["y = Sigmoid(x)", "s = Sigmoid(x) y = Atan(s)"])
def test_a_model_of_open_size_without_activations_is_analysed(body: str) -> None:
    """Nothing is observed then, so no run has told the sizes."""
    model = onnx.parser.parse_model(
        f"""<ir_version: 9, opset_import: ["" : 18]>
        g (float[N, 3, H, H] x) => (float[N, 3, H, H] y) {{ {body} }}"""
    )
    assert zs.analyze(model.SerializeToString(), {"x": np.ones((4, 3, 8, 8), np.float32)}).verdict.startswith("No")


def test_noise_is_refused_unless_asked_for() -> None:
    noise = random_input((3, SIDE, SIDE), 4)
    with pytest.raises(DataError, match="noise, on which sparsity means nothing"):
        zs.analyze(tiny_network(), noise)
    profile = zs.analyze(tiny_network(), noise, random_input=True, predict=False, threads=1)
    assert profile.is_random_input
    assert profile.verdict.endswith("none of this holds for real data.")


def test_data_of_another_shape_are_refused() -> None:
    nhwc = zs.data.arrays(np.zeros((4, SIDE, SIDE, 3), np.float32))
    with pytest.raises(ShapeError, match=r"\[32, 32, 3\], the model's input 'image' takes \[3, 32, 32\]"):
        zs.analyze(tiny_network(), nhwc)


def test_a_model_with_two_inputs_is_refused() -> None:
    with pytest.raises(DataError, match=r"the model has 2 inputs \['image', 'other'\]"):
        zs.analyze(two_input_network(), tiny_data(4))


def test_a_fixed_batch_size_is_filled_up_and_cut_again() -> None:
    session = zs.InferenceSession(tiny_network(batch=4))
    free = zs.InferenceSession(tiny_network())
    data = tiny_data(6)
    assert ModelInput.of(session).batch_size(1) == 4
    fixed = np.concatenate([outputs[0] for outputs in run_batches(session, data, 1)])
    single = np.concatenate([outputs[0] for outputs in run_batches(free, data, 1)])
    np.testing.assert_allclose(fixed, single, rtol=1e-5, atol=1e-6)


def test_a_batch_larger_than_the_data_is_filled_by_repeating() -> None:
    profile = zs.analyze(tiny_network(), tiny_data(4), batch_size=6, predict=False, threads=1)
    assert profile.batch_size == 6
    assert profile.layers[0].macs == SIDE * SIDE * 16 * 27


@pytest.mark.parametrize("fraction", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_quantiles_drop_the_share_asked_for(fraction: float) -> None:
    values = np.sort(np.random.default_rng(0).exponential(size=1000)).astype(np.float32)
    threshold = ActivationValues(1000, 0.0, values).quantile(fraction)
    assert np.mean(values <= threshold) == pytest.approx(fraction)


def test_the_dense_time_follows_a_fitted_cost_model() -> None:
    fit = Fit(date="now", seconds=1.0, samples=1, error=0.0, spread=0.0)
    model = CostModel.for_isa("avx512").model_copy(update={"fit": fit})
    session = zs.InferenceSession(tiny_network(), zs.SessionOptions(cost_model=model))
    steps = measure_steps([session], [{"image": tiny_data().array()[:1]}])
    plan = session.plan()
    for item, step in zip(steps, plan.steps, strict=True):
        if item.density is None:
            assert item.dense_ms == item.latency_ms
        else:
            slower = model.predict(plan, step, 1.0) / model.predict(plan, step, item.density)
            assert slower >= 1.0
            assert item.dense_ms == pytest.approx(item.latency_ms * slower)


@pytest.fixture(scope="module")
def priced() -> SparsityProfile:
    """A profile by a cost model that counts as fitted, as users have it."""
    fit = Fit(date="now", seconds=1.0, samples=1, error=0.0, spread=0.0)
    model = CostModel.for_isa("avx2").model_copy(update={"fit": fit})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("zeroskip.engine.cost.cache._fitted", lambda *arguments: model)
        patch.delenv("ZEROSKIP_COST_MODEL")
        return zs.analyze(tiny_network(), tiny_data(4), threads=1)


def test_int8_is_predicted_layer_by_layer(priced: SparsityProfile, tmp_path: Path) -> None:
    (int8,) = [item for item in priced.precisions if item.precision == "int8"]
    assert int8.is_predicted
    assert 0.0 < int8.latency_ms < priced.latency_ms  # twice as many products at once, by these prices
    assert list(int8.speedups) == sorted(int8.speedups)
    assert int8.speedups[-1] > 1.0
    assert set(int8.layers) == {layer.name for layer in priced.layers}
    assert all(len(times) == 1 + len(GAINS) for times in int8.layers.values())
    assert {item.reason for item in int8.fixed} >= {"first layer", "conversion"}
    assert 0.0 < int8.fixed_share < 1.0
    priced.save(tmp_path / "profile.json")
    assert SparsityProfile.load(tmp_path / "profile.json") == priced
    assert priced.timed_as(2 * priced.latency_ms).precisions[-1].latency_ms == pytest.approx(2 * int8.latency_ms)


def test_predictions_are_called_so_and_precisions_that_lack_are_named(priced: SparsityProfile) -> None:
    text = str(priced)
    assert "in int8 (predicted)" in text
    assert any(line.startswith("in int8, ") and "accuracy is not judged" in line for line in priced.prospects)
    assert any("of the time can never skip: " in line and line.startswith("in int8") for line in priced.prospects)
    assert ("bf16 is left out: " in text) == ("bf16" not in {item.precision for item in priced.precisions})


def test_the_fastest_precision_is_recommended_with_what_to_do(priced: SparsityProfile) -> None:
    def with_int8(latency_ms: float) -> SparsityProfile:
        int8 = priced.precisions[-1].model_copy(update={"latency_ms": latency_ms})
        return priced.model_copy(update={"precisions": (int8,)})

    faster, same = with_int8(0.5 * priced.latency_ms), with_int8(0.98 * priced.latency_ms)
    assert faster.recommended_precision == "int8"
    assert "int8 would be 2.00x as fast as float32; 'zeroskip optimize" in faster.prospects[-1]
    assert "--precision int8" in faster.prospects[-1]
    assert same.recommended_precision == "float32"
    assert same.prospects[-1] == "precision: float32; int8 would be 1.02x as fast, which is not worth its rounding"


def test_without_measured_prices_int8_is_left_out_with_the_reason(profile: SparsityProfile) -> None:
    assert "int8" not in {item.precision for item in profile.precisions}
    assert profile.lacking["int8"] == "no times of it were measured on this CPU"
    assert "int8 is left out: no times of it were measured on this CPU" in profile.prospects


def test_a_quantised_model_is_called_so_and_not_predicted_again() -> None:
    from zeroskip.baselines.quantizers import quantize_for

    feeds = [{"image": picture[None]} for picture in tiny_data(4).array()]
    quantized, _ = quantize_for("onnxruntime", tiny_network(), feeds)
    found = zs.analyze(quantized, tiny_data(4), threads=1)
    assert found.precision == "int8"
    assert "int8" not in {item.precision for item in found.precisions} | set(found.lacking)


def test_time_that_can_never_skip_is_given_by_reason(profile: SparsityProfile) -> None:
    obstacles = {layer.name: layer.obstacle for layer in profile.layers}
    assert obstacles["conv1"] == "first layer"
    assert {layer.name for layer in profile.layers if layer.can_skip} == {
        name for name, obstacle in obstacles.items() if obstacle is None
    }
    skipping = sum(layer.latency_share for layer in profile.layers if layer.can_skip)
    assert profile.fixed_share + skipping == pytest.approx(1.0)
    shares = [item.share for item in profile.fixed]
    assert shares == sorted(shares, reverse=True)
    assert {item.reason for item in profile.fixed} >= {"first layer", "no convolution"}


def made_up(profile: SparsityProfile, *factors: float) -> SparsityProfile:
    """Return the profile with other times at ten, twenty and thirty points more zeros."""
    times = tuple(profile.latency_ms / factor for factor in factors)
    return profile.model_copy(update={"predicted_latency_ms": times})


def test_the_exact_model_is_recommended_where_zeros_buy_little(profile: SparsityProfile) -> None:
    little, much = made_up(profile, 1.01, 1.03, 1.2), made_up(profile, 1.03, 1.06, 1.1)
    assert little.recommended == "exact"
    assert much.recommended == "thresholds"
    assert "more zeros would buy (float32): +10 points 1.01x, +20 points 1.03x, +30 points 1.20x" in little.prospects
    assert little.prospects[-1] == (
        "recommended: the exact model; 20 points more zeros would make it 1.03x as fast, not worth a loss of accuracy"
    )
    assert much.prospects[-1].startswith("recommended: thresholds, by calibrate or finetune; 20 points")
    for line in little.prospects:
        assert line in str(little)


def test_noisy_times_are_told_before_the_advice(profile: SparsityProfile) -> None:
    calm, noisy = (profile.model_copy(update={"timing_error": error}) for error in (0.01, 0.12))
    assert not calm.is_noisy
    assert not any("uncertain" in line for line in calm.prospects)
    assert noisy.is_noisy
    assert noisy.prospects[-2].startswith("times of layers are uncertain by 12%")
    assert noisy.prospects[-2] in str(noisy)


@pytest.mark.parametrize(("times", "rounds"), [([1.0], 3), ([1.0, 2.0, 4.0], 9)], ids=["calm", "noisy"])
def test_layers_are_timed_longer_while_times_are_noisy(times: list[float], rounds: int) -> None:
    step = StepProfile(
        name="conv", op="conv2d", nodes=(), kernel="", input_name="x", output_shape=(), latency_ms=1.0, macs=1,
        can_skip=True, input_density=0.5,
    )  # fmt: skip
    calls = []

    class Session:
        cost_model = CostModel.for_isa("generic")

        def profile(self, feed: object, *, iterations: int) -> object:
            calls.append(times[len(calls) // 2 % len(times)])
            return SimpleNamespace(steps=[replace(step, latency_ms=calls[-1])])

    (measured,) = measure_steps([Session(), Session()], [{}])  # type: ignore[list-item]
    assert len(calls) == 2 * rounds
    assert (timing_error([measured]) > MOST_ERROR) == (rounds == 9)


def test_layers_behind_an_edge_are_named(profile: SparsityProfile) -> None:
    """A layer on Winograd's side of its edge gains nothing; one beyond it is an ordinary one."""

    def edged(density: float) -> SparsityProfile:
        changed = {"steady_density": density, "latency_share": 0.5}
        layers = tuple(layer.model_copy(update=changed if layer.name == "conv2" else {}) for layer in profile.layers)
        return profile.model_copy(update={"layers": layers})

    assert edged(0.25).steady_share == 0.5
    assert any("save nothing until there are 75% of them" in line for line in edged(0.25).prospects)
    assert edged(1.0).steady_share == 0.0
    assert not any("Winograd" in line for line in edged(1.0).prospects)


def test_other_precisions_get_columns_of_their_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from zeroskip.analysis import analyze

    monkeypatch.setattr(sys.modules[analyze.__module__], "other_precisions", lambda options: {"bf16": options})
    profile = zs.analyze(tiny_network(), tiny_data(4), threads=1)
    (other,) = profile.precisions
    assert other.precision == "bf16"
    assert len(other.predicted_latency_ms) == len(GAINS)
    assert all(len(times) == 1 + len(GAINS) for times in other.layers.values())
    assert set(other.layers) == {layer.name for layer in profile.layers}
    assert any(line.startswith("in bf16, ") and "+20 points" in line for line in profile.prospects)
    profile.save(tmp_path / "profile.json")
    assert SparsityProfile.load(tmp_path / "profile.json") == profile
    assert profile.timed_as(2 * profile.latency_ms).precisions[0].latency_ms == pytest.approx(2 * other.latency_ms)


def test_a_model_with_nothing_to_sparsify_has_all_its_time_fixed() -> None:
    profile = zs.analyze(tiny_network(activation="Sigmoid"), tiny_data(4), threads=1)
    assert profile.fixed_share == pytest.approx(1.0)
    assert profile.recommended == "exact"
    assert "signed inputs" in {item.reason for item in profile.fixed}
