"""Export and surgery see the model inside compilation, parallel training and averaged weights."""

from __future__ import annotations

import copy
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnxscript")

from torch import nn  # noqa: E402
from torch.nn.parallel import DataParallel  # noqa: E402
from torch.optim.swa_utils import AveragedModel  # noqa: E402

import zeroskip as zs  # noqa: E402
from zeroskip.errors import ModelError, RecipeError  # noqa: E402
from zeroskip.torch import Recipe, export, fatrelus, from_thresholds, replace_relu, to_thresholds  # noqa: E402
from zeroskip.torch.schedules import new_optimizer  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")  # what compiles uses it


def plain() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())


def inner_compiled(model: nn.Module) -> nn.Module:
    return nn.Sequential(*(torch.compile(child) if isinstance(child, nn.ReLU) else child for child in model))


WRAPPERS = {
    "DataParallel": DataParallel,
    "AveragedModel": AveragedModel,
    "compiled": torch.compile,
    "compiled inside": inner_compiled,
    "compiled and parallel": lambda model: DataParallel(torch.compile(model)),
}


@pytest.mark.parametrize("name", WRAPPERS)
def test_the_model_inside_is_exported_and_gets_its_thresholds(name: str, tmp_path: Path) -> None:
    model, x = plain().eval(), torch.randn(2, 3, 8, 8)
    wanted = model(x).detach().numpy()
    wrapped = WRAPPERS[name](copy.deepcopy(model))
    kind = type(wrapped)
    path = tmp_path / "model.onnx"
    export(wrapped, x, path)
    assert type(wrapped) is kind
    np.testing.assert_allclose(zs.InferenceSession(path).run(None, {"input": x.numpy()})[0], wanted, atol=1e-5)
    found = replace_relu(wrapped)
    assert list(fatrelus(found)) == ["1"]
    found = from_thresholds(found, zs.ThresholdSet({"1": 0.25}))
    export(found, x, path)
    assert [item.name for item in zs.InferenceSession(path).activations()] == ["1"]
    assert to_thresholds(DataParallel(found))["1"] == 0.25


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_other_types_become_float32(dtype: torch.dtype, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    model, x = plain().eval().to(dtype), torch.randn(2, 3, 8, 8)
    path = tmp_path / "model.onnx"
    with caplog.at_level(logging.WARNING, "zeroskip.torch"):
        export(model, x.to(dtype), path)
    assert f"{dtype}: it is exported in float32" in caplog.text
    assert next(model.parameters()).dtype == dtype
    session = zs.InferenceSession(path)
    assert session.get_inputs()[0].type == "tensor(float)"
    with torch.no_grad():
        wanted = model.float()(x).numpy()
    np.testing.assert_allclose(session.run(None, {"input": x.numpy()})[0], wanted, atol=1e-5)


@pytest.mark.parametrize("model", [None, "resnet18", lambda x: x, nn.ReLU])
def test_what_is_no_module_is_named(model: Any, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"is of type .*expected a torch\.nn\.Module"):
        replace_relu(model)
    with pytest.raises(ModelError, match=r"is of type .*expected a torch\.nn\.Module"):
        export(model, torch.zeros(1, 3), tmp_path / "model.onnx")


def test_example_inputs_that_are_no_tensors_are_named(tmp_path: Path) -> None:
    for inputs in ("x", [np.zeros((1, 3), np.float32)]):
        with pytest.raises(ModelError, match=r"example inputs are of type .*expected tensors"):
            export(nn.Sequential(nn.Linear(3, 3), nn.ReLU()), inputs, tmp_path / "model.onnx")


def test_a_model_that_is_frozen_whole_is_refused() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.ReLU()).requires_grad_(False)
    with pytest.raises(RecipeError, match="no parameter of the model can be trained"):
        new_optimizer(model, Recipe(epochs=1))
