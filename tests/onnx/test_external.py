"""References to files beside the model: read from its folder, refused anywhere else."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx_graphs import build

from zeroskip.errors import ModelError
from zeroskip.onnx import load_model

VALUES = np.arange(8, dtype=np.float32)


def with_external(location: str, length: int = 32) -> onnx.ModelProto:
    """Return ``y = x * k`` whose ``k`` lies in another file."""
    model = build("y = Mul(x, k)", inputs=(1, 8), constants={"k": VALUES})
    refer(model.graph.initializer[0], location, length)
    return model


def refer(tensor: onnx.TensorProto, location: str, length: int = 32) -> None:
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", "0"), ("length", str(length))):
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model's folder; beside it, a file that is none of the model's business."""
    (tmp_path / "secret.bin").write_bytes(VALUES.tobytes())
    (tmp_path / "model" / "data").mkdir(parents=True)
    return tmp_path / "model"


def load(folder: Path, model: onnx.ModelProto) -> np.ndarray:
    (folder / "m.onnx").write_bytes(model.SerializeToString())
    tensor = load_model(folder / "m.onnx").graph.initializers["k"].const_value
    assert tensor is not None
    return tensor.numpy()


@pytest.mark.parametrize("location", ["k.bin", "data/k.bin", "./k.bin", "data/../k.bin"])
def test_files_of_the_folder_are_read(folder: Path, location: str) -> None:
    (folder / location).write_bytes(VALUES.tobytes())
    np.testing.assert_array_equal(load(folder, with_external(location)), VALUES)


def test_links_inside_the_folder_are_followed(folder: Path) -> None:
    (folder / "data" / "k.bin").write_bytes(VALUES.tobytes())
    (folder / "link.bin").symlink_to("data/k.bin")
    np.testing.assert_array_equal(load(folder, with_external("link.bin")), VALUES)


def test_a_model_of_the_working_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    (folder / "k.bin").write_bytes(VALUES.tobytes())
    np.testing.assert_array_equal(load(Path(), with_external("k.bin")), VALUES)
    with pytest.raises(ModelError, match="outside the model's folder"):
        load(Path(), with_external("../secret.bin"))


@pytest.mark.parametrize(
    "location", ["../secret.bin", "data/../../secret.bin", "out.bin", "away/secret.bin", "{}/secret.bin"]
)
def test_nothing_outside_the_folder_is_read(folder: Path, location: str) -> None:
    (folder / "out.bin").symlink_to("../secret.bin")
    (folder / "away").symlink_to("..")
    with pytest.raises(
        ModelError, match=r"tensor 'k' lies in '.*secret.bin|out.bin', which is outside the model's folder"
    ):
        load(folder, with_external(location.format(folder.parent)))


@pytest.mark.parametrize("location", ["absent.bin", "data", "", "pipe", "a\0b", "ring"])
def test_what_is_no_file_is_refused(folder: Path, location: str) -> None:
    os.mkfifo(folder / "pipe")  # reading it would wait for ever
    (folder / "ring").symlink_to("ring")
    with pytest.raises(ModelError, match=r"there is no file|is no file name"):
        load(folder, with_external(location))


def test_a_file_that_is_too_short(folder: Path) -> None:
    (folder / "k.bin").write_bytes(VALUES.tobytes()[:-1])
    with pytest.raises(ModelError, match="initializer 'k' cannot be read"):
        load(folder, with_external("k.bin"))


def test_a_model_that_was_not_read_from_a_file_has_no_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    (folder / "k.bin").write_bytes(VALUES.tobytes())
    for source in (with_external("k.bin"), with_external("k.bin").SerializeToString()):
        with pytest.raises(ModelError, match=r"lies in another file, 'k.bin': give the path of the model"):
            load_model(source)


def test_references_hidden_in_attributes_subgraphs_and_functions(folder: Path) -> None:
    hidden = onnx.numpy_helper.from_array(VALUES, "hidden")
    refer(hidden, "../secret.bin")
    constant = onnx.helper.make_node("Constant", [], ["c"], value=hidden)
    branch = onnx.helper.make_graph([constant], "g", [], [onnx.helper.make_tensor_value_info("c", 1, None)])
    opsets = [onnx.helper.make_opsetid("", 18)]
    for place in ("attribute", "subgraph", "function"):
        model = build("y = Mul(x, k)", inputs=(1, 8), constants={"k": VALUES})
        if place == "attribute":
            model.graph.node.insert(0, constant)
        elif place == "subgraph":
            model.graph.node.append(onnx.helper.make_node("If", ["k"], ["z"], then_branch=branch, else_branch=branch))
        else:
            model.functions.append(onnx.helper.make_function("own", "f", [], ["c"], [constant], opsets))
        with pytest.raises(ModelError, match=r"outside the model's folder|keeps a constant in another file"):
            load(folder, model)
