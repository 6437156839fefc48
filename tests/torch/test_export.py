"""The way back: standard ONNX, named after modules, computing the same everywhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnxscript")

from torch import nn  # noqa: E402
from torch_networks import Functional, Plain, Residual, Shared, Twice, Untraceable, pictures  # noqa: E402

import zeroskip as zs  # noqa: E402
from zeroskip.torch import (  # noqa: E402
    FATReLU,
    activation_names,
    export,
    fatrelus,
    from_thresholds,
    replace_relu,
    time_weights,
    to_thresholds,
)


def sparse(model: nn.Module, *, per_channel: bool = False) -> nn.Module:
    """Return the model with a different threshold in every activation."""
    model = replace_relu(model).eval()
    x = pictures(2)
    widths: dict[str, int] = {}
    handles = [
        module.register_forward_hook(lambda _m, _i, y, name=name: widths.__setitem__(name, y.shape[1]))
        for name, module in fatrelus(model).items()
    ]
    model(x)
    for handle in handles:
        handle.remove()
    values = {
        name: np.linspace(0.0, 0.3, width, dtype=np.float32) if per_channel else 0.1 + 0.02 * number
        for number, (name, width) in enumerate(widths.items())
    }
    return from_thresholds(model, zs.ThresholdSet(values)).eval()


def agree(model: nn.Module, file: Path, count: int) -> None:
    x = pictures(count, seed=count)
    wanted = model(x).detach().numpy()
    assert np.abs(wanted).max() > 0.0
    for session in (ort.InferenceSession(file), zs.InferenceSession(file)):
        (got,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("per_channel", [False, True])
def test_parity_with_onnxruntime_and_the_engine(tmp_path: Path, per_channel: bool) -> None:
    model = sparse(Functional(), per_channel=per_channel)
    export(model, pictures(1), tmp_path / "model.onnx", input_names=["image"], output_names=["logits"])
    for count in (1, 5):
        agree(model, tmp_path / "model.onnx", count)
    graph = onnx.load(tmp_path / "model.onnx").graph
    kinds = [node.op_type for node in graph.node]
    assert kinds.count("Where" if per_channel else "ThresholdedRelu") == 7
    assert [graph.input[0].name, graph.output[0].name] == ["image", "logits"]


def test_names_go_there_and_back(tmp_path: Path) -> None:
    model = sparse(Shared())
    thresholds = to_thresholds(model)
    export(model, pictures(1), tmp_path / "model.onnx")
    stored = zs.InferenceSession(tmp_path / "model.onnx").activations()
    assert {item.name: pytest.approx(item.threshold) for item in stored} == dict(thresholds.thresholds)
    again = from_thresholds(replace_relu(Shared()), thresholds)
    assert to_thresholds(again) == thresholds


def called_like_replace_relu(model: nn.Module, file: Path) -> list[str]:
    """Return the names of a file's activations, which are those of the FATReLUs that replace_relu makes."""
    names = [item.name for item in zs.InferenceSession(file).activations()]
    changed = replace_relu(model)
    assert names == list(activation_names(changed, file, pictures(1)))
    assert from_thresholds(changed, zs.ThresholdSet(dict.fromkeys(names, 0.25))) is changed
    return names


def test_functions_are_called_like_what_replace_relu_makes(tmp_path: Path) -> None:
    export(Functional().eval(), pictures(1), tmp_path / "model.onnx")
    called_like_replace_relu(Functional().eval(), tmp_path / "model.onnx")


def test_layers_and_values_bear_the_names_of_modules(tmp_path: Path) -> None:
    export(Residual().eval(), pictures(1), tmp_path / "model.onnx")
    layers = ["conv1", *(f"layer1.{block}.conv{number}" for block in (0, 1) for number in (1, 2)), "fc"]
    session = zs.InferenceSession(tmp_path / "model.onnx")
    assert [step.name for step in session.explain().steps if step.macs] == layers
    assert called_like_replace_relu(Residual().eval(), tmp_path / "model.onnx") == [
        "relu6", "layer1.0.relu", "layer1.0.relu_1", "layer1.1.relu", "layer1.1.relu_1",
    ]  # fmt: skip
    graph = onnx.load(tmp_path / "model.onnx").graph
    assert not [name for node in graph.node for name in node.output if name.startswith("getitem")]
    with pytest.raises(zs.RecipeError, match=r"\['relu_3'\], which are no activations of the model. It has: 'relu6'"):
        zs.apply(tmp_path / "model.onnx", zs.ThresholdSet({"relu_3": 0.5}))  # found on a file of earlier versions


@pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")  # torch's exporter, about itself
def test_layers_of_pytorchs_own_exporter_are_known_by_their_modules(tmp_path: Path) -> None:
    torch.onnx.export(Residual().eval(), (pictures(2),), tmp_path / "other.onnx", dynamo=True, verbose=False)
    session = zs.InferenceSession(tmp_path / "other.onnx")
    assert [step.name for step in session.explain().steps if step.macs][:2] == ["conv1", "layer1.0.conv1"]
    first, second, *_ = (item.name for item in session.activations())
    again = zs.apply(tmp_path / "other.onnx", zs.ThresholdSet({first: 0.1, second: 0.2}))  # by the file's names
    found = zs.InferenceSession(again.to_bytes()).activations()
    assert [item.threshold for item in found[:2]] == pytest.approx([0.1, 0.2])


@pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")  # torch's exporter, about itself
def test_files_of_other_exporters_map_by_order_of_execution(tmp_path: Path) -> None:
    plain = Shared().eval()
    torch.onnx.export(plain, (pictures(2),), tmp_path / "other.onnx", dynamo=True, verbose=False)
    model = replace_relu(plain)
    names = activation_names(model, tmp_path / "other.onnx", pictures(1))
    assert list(names) == ["relu", "relu_1"]
    second = names["relu_1"]
    changed = from_thresholds(model, zs.ThresholdSet({second: 0.5}), names=names)
    assert [float(module.threshold) for module in fatrelus(changed).values()] == [0.0, 0.5]
    assert to_thresholds(changed, names=names)[second] == 0.5
    with pytest.raises(zs.RecipeError, match="different networks"):
        activation_names(replace_relu(Plain()), tmp_path / "other.onnx", pictures(1))


def test_thresholds_of_another_model() -> None:
    with pytest.raises(zs.RecipeError, match=r"\['relu9'\], which are no FATReLUs of the model; it has \['relu'"):
        from_thresholds(Shared(), zs.ThresholdSet({"relu9": 0.5}))


def test_the_file_holds_no_traces_of_where_it_was_made(tmp_path: Path) -> None:
    export(sparse(Plain()), pictures(1), tmp_path / "model.onnx")
    content = (tmp_path / "model.onnx").read_bytes()
    assert str(Path(__file__).parent).encode() not in content
    assert b"torch_networks" not in content


def test_a_fixed_batch_and_an_activation_that_is_the_output(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), FATReLU(0.2, 1.0)).eval()
    export(model, pictures(2), tmp_path / "model.onnx", dynamic_batch=False, output_names=["y"])
    agree(model, tmp_path / "model.onnx", 2)


def test_a_threshold_that_the_exporter_would_merge_away(tmp_path: Path) -> None:
    model = replace_relu(Twice()).eval()
    export(model, pictures(1), tmp_path / "dense.onnx")
    agree(model, tmp_path / "dense.onnx", 2)
    for module, threshold in zip(fatrelus(model).values(), (0.1, 0.2), strict=True):
        module.set_threshold(threshold)
    with pytest.raises(zs.ModelError, match="follow directly upon others"):
        export(model, pictures(1), tmp_path / "model.onnx")


def test_what_cannot_be_exported_says_why(tmp_path: Path) -> None:
    with pytest.raises(zs.ModelError, match="torch cannot export the model"):
        export(Untraceable(), pictures(1), tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_weights_by_measured_time(tmp_path: Path) -> None:
    model = replace_relu(Plain()).eval()
    export(model, pictures(1), tmp_path / "model.onnx")
    data = zs.data.arrays(pictures(8).numpy())
    weights = time_weights(model, zs.analyze(tmp_path / "model.onnx", data, threads=1, predict=False))
    assert list(weights) == ["features.2", "features.4"]
    assert weights["features.2"] > 0.0
    assert sum(weights.values()) == pytest.approx(sum(value > 0.0 for value in weights.values()))
    with pytest.raises(zs.RecipeError, match="knows no activations"):
        time_weights(replace_relu(Shared()), zs.analyze(tmp_path / "model.onnx", data, threads=1, predict=False))


def test_the_preprocessing_is_stated_in_the_file(tmp_path: Path) -> None:
    recipe = zs.data.Preprocess.preset("caffe-bgr", crop=227)
    export(sparse(Plain()), pictures(1), tmp_path / "model.onnx", preprocess=recipe)
    assert zs.data.Preprocess.from_model(tmp_path / "model.onnx") == recipe
