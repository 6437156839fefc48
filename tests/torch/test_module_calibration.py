"""Calibration of a PyTorch model in place."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch_networks import Plain, labelled, loaders, pictures  # noqa: E402

import zeroskip as zs  # noqa: E402
from tiny_network import tiny_data, tiny_network  # noqa: E402
from zeroskip.torch import FATReLU, Recipe, calibrate, finetune, from_onnx, replace_relu, to_thresholds  # noqa: E402


def trained() -> torch.nn.Module:
    torch.manual_seed(0)
    model = replace_relu(Plain())
    finetune(model, loaders(), Recipe(epochs=12, learning_rate=0.1, regularizer=None))
    return model


def data() -> zs.data.Dataset:
    x, y = labelled().tensors
    return zs.data.arrays(x.numpy(), y.numpy())


def test_the_model_gets_what_is_found_and_training_wins_back_what_it_cost() -> None:
    model = trained()
    assert isinstance(model.features[2], FATReLU)
    result = calibrate(model, pictures(1), data(), target_sparsity=0.97)
    found = dict(to_thresholds(model).thresholds)
    assert {name: found[name] for name in result.thresholds} == pytest.approx(dict(result.thresholds.thresholds))
    assert model.features[2].threshold.max() > 0.0
    before = finetune(model, loaders(), Recipe(epochs=1, learning_rate=1e-9, regularizer=None, threshold_ramp=0.0))
    after = finetune(model, loaders(), Recipe(epochs=8, learning_rate=0.05, regularizer=None, threshold_ramp=0.0))
    assert before.best is not None
    assert after.best is not None
    assert before.best.metric is not None
    assert after.best.metric is not None
    assert before.best.metric < before.baseline
    assert after.best.metric > before.best.metric
    assert after.best.mean_sparsity > 0.6


@pytest.mark.parametrize("learnable", [False, True])
def test_no_threshold_becomes_lower(learnable: bool) -> None:
    model = trained()
    model.features[2] = FATReLU([100.0] * 8, learnable=learnable)
    calibrate(model, pictures(1), data(), max_drop=0.2, accept_baseline=True)
    assert model.features[2].threshold.tolist() == [100.0] * 8
    assert model.features[2].is_learnable == learnable


def test_the_network_of_an_onnx_file_is_calibrated_as_it_is_now() -> None:
    """Its activations keep the names of the file; weights that training changed count, and no threshold falls."""
    network, images = from_onnx(tiny_network()), tiny_data(32)
    first, *others = network.activation_names
    network.rectifier(first).set_threshold(2.0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(1.1)
    options = {"metric": "fidelity", "threads": 1, "measure_seconds": 0.0}
    direct = zs.calibrate(network.to_onnx().to_bytes(), images, target_sparsity=0.8, **options)
    result = calibrate(network, torch.zeros(1, *images.sample_shape), images, target_sparsity=0.8, **options)
    assert result.thresholds.thresholds.keys() <= {first, *others}
    assert result.holdout.optimized == direct.holdout.optimized
    found = network.thresholds()
    assert np.all(np.equal(found[first], 2.0))
    assert any(np.max(found[name]) > 0.0 for name in others)
    with pytest.raises(zs.RecipeError, match="compensation"):
        calibrate(network, (), images, 0.01, compensation="bias")


def test_refusals() -> None:
    with pytest.raises(zs.RecipeError, match="no FATReLU"):
        calibrate(Plain(), pictures(1), data(), 0.01)
    with pytest.raises(zs.RecipeError, match="compensation"):
        calibrate(replace_relu(Plain()), pictures(1), data(), 0.01, compensation="bias")
    with pytest.raises(zs.CalibrationError, match="target"):
        calibrate(replace_relu(Plain()), pictures(1), data(), 0.01, target_sparsity=0.8)
