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
from torch_networks import Functional, Plain, Shared, Twice, Untraceable, pictures  # noqa: E402

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
