"""References to files beside the model: read from its folder, refused anywhere else."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest

import zeroskip
from onnx_graphs import build
from zeroskip.errors import LimitError, ModelError
from zeroskip.onnx import load_model

VALUES = np.arange(8, dtype=np.float32)


def with_entries(*entries: tuple[str, str]) -> onnx.ModelProto:
    """Return ``y = x * k`` whose ``k`` has these entries as external data."""
    model = build("y = Mul(x, k)", inputs=(1, 8), constants={"k": VALUES})
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in entries:
        tensor.external_data.add(key=key, value=value)
    return model


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
    with pytest.raises(ModelError, match=r"'k' cannot be read from 'k.bin': it would be bytes 0 to 32 of 31"):
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


@pytest.mark.parametrize("second", ["{}/secret.bin", "../secret.bin", "/proc/self/environ", "pipe", "k.bin"])
@pytest.mark.parametrize("is_first", [True, False])
def test_two_entries_of_one_key_are_refused(folder: Path, second: str, is_first: bool) -> None:
    """Readers differ in which of them they take."""
    os.mkfifo(folder / "pipe")
    (folder / "k.bin").write_bytes(VALUES.tobytes())
    entries = [("location", "k.bin"), ("location", second.format(folder.parent))]
    with pytest.raises(ModelError, match="two entries 'location' in its external data"):
        load(folder, with_entries(*(entries if is_first else entries[::-1])))
    with pytest.raises(ModelError, match="two entries 'offset'"):
        load(folder, with_entries(("location", "k.bin"), ("offset", "0"), ("offset", "4")))


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([("offset", "-1")], "has the offset '-1'"),
        ([("offset", "1e3")], "has the offset '1e3'"),
        ([("offset", "\u0661")], "expected a whole number"),
        ([("offset", "9" * 30)], "expected a whole number"),
        ([("offset", "9" * 18)], "it would be bytes 9{18} to"),
        ([("offset", "1")], "it would be bytes 1 to 33 of 32"),
        ([("length", "31")], "32 bytes by its shape and type, but 31 by its external data"),
        ([("length", "33")], "32 bytes by its shape and type, but 33"),
        ([("length", "-32")], "has the length '-32'"),
    ],
)
def test_places_outside_the_file(folder: Path, entries: list[tuple[str, str]], message: str) -> None:
    (folder / "k.bin").write_bytes(VALUES.tobytes())
    with pytest.raises(ModelError, match=message):
        load(folder, with_entries(("location", "k.bin"), *entries))


def test_length_and_offset_may_be_left_out_and_other_keys_say_nothing(folder: Path) -> None:
    (folder / "k.bin").write_bytes(VALUES.tobytes())
    np.testing.assert_array_equal(load(folder, with_entries(("location", "k.bin"), ("basepath", "/etc"))), VALUES)
    (folder / "k.bin").write_bytes(bytes(4096) + VALUES.tobytes())
    entries = (("location", "k.bin"), ("offset", "4096"), ("checksum", "0"), ("shard", "../x"))
    np.testing.assert_array_equal(load(folder, with_entries(*entries)), VALUES)


def test_devices_and_sockets_are_refused(folder: Path) -> None:
    socket_path = folder / "socket"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(socket_path))
        with pytest.raises(ModelError, match="there is no file 'socket'"):
            load(folder, with_external("socket"))
    (folder / "null").symlink_to("/dev/null")
    with pytest.raises(ModelError, match="outside the model's folder"):
        load(folder, with_external("null"))


def test_a_pipe_in_place_of_the_file_is_never_opened(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(folder / "pipe")
    opened: list[object] = []
    really_open = os.open

    def note(path: object, *arguments: object, **keywords: object) -> int:
        opened.append(path)
        return really_open(path, *arguments, **keywords)  # type: ignore[arg-type]

    monkeypatch.setattr("os.open", note)
    with pytest.raises(ModelError, match="there is no file 'pipe'"):
        load(folder, with_external("pipe"))
    assert b"pipe" not in opened


def test_a_link_put_in_place_after_the_check_is_not_followed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "k.bin").write_bytes(VALUES.tobytes())
    really_stat = os.stat

    def exchange(path: object, *arguments: object, **keywords: object) -> os.stat_result:
        found = really_stat(path, *arguments, **keywords)  # type: ignore[arg-type]
        if path == b"k.bin":
            (folder / "k.bin").unlink()
            (folder / "k.bin").symlink_to("../secret.bin")
        return found

    monkeypatch.setattr("os.stat", exchange)
    with pytest.raises(ModelError, match="cannot be opened"):
        load(folder, with_external("k.bin"))


def test_a_cache_of_links_is_read_from_the_folder_of_its_files(tmp_path: Path) -> None:
    """Model hubs keep files under their hashes and give out folders of links to them."""
    (tmp_path / "blobs").mkdir()
    (tmp_path / "snapshot").mkdir()
    (tmp_path / "blobs" / "aa").write_bytes(with_external("m.onnx_data").SerializeToString())
    (tmp_path / "blobs" / "bb").write_bytes(VALUES.tobytes())
    (tmp_path / "snapshot" / "m.onnx").symlink_to("../blobs/aa")
    (tmp_path / "snapshot" / "m.onnx_data").symlink_to("../blobs/bb")
    tensor = load_model(tmp_path / "snapshot" / "m.onnx").graph.initializers["k"].const_value
    assert tensor is not None
    np.testing.assert_array_equal(tensor.numpy(), VALUES)


def test_hard_links_are_ordinary_files(folder: Path) -> None:
    """Package managers install by hard links."""
    (folder / "k.bin").write_bytes(VALUES.tobytes())
    os.link(folder / "k.bin", folder / "again.bin")
    np.testing.assert_array_equal(load(folder, with_external("again.bin")), VALUES)


def test_tied_weights_are_read_once_and_overlapping_ones_are_a_bomb(folder: Path) -> None:
    (folder / "k.bin").write_bytes(VALUES.tobytes())
    model = with_external("k.bin")
    for index in range(3):
        model.graph.initializer.add().CopyFrom(model.graph.initializer[0])
        model.graph.initializer[-1].name = f"k{index}"
    (folder / "m.onnx").write_bytes(model.SerializeToString())
    loaded = load_model(folder / "m.onnx").graph.initializers
    first, second = loaded["k"].const_value, loaded["k1"].const_value
    assert first is not None
    assert second is not None
    assert np.shares_memory(first.numpy(), second.numpy())
    overlapping = model.graph.initializer[1]
    overlapping.dims[0] = 4
    overlapping.external_data[1].value, overlapping.external_data[2].value = "8", "16"
    with pytest.raises(LimitError, match="larger than the files they lie in"):
        load(folder, model)


@pytest.mark.parametrize("kind", ["FLOAT16", "BFLOAT16", "INT4", "UINT4", "FLOAT8E4M3FN", "INT8", "BOOL", "DOUBLE"])
def test_every_element_type_reads_as_it_does_from_the_model_itself(folder: Path, kind: str) -> None:
    data_type = onnx.TensorProto.DataType.Value(kind)
    inside = onnx.helper.make_tensor("k", data_type, [6], [0, 1, 1, 0, 1, 1])
    packed = ir.serde.deserialize_tensor(inside)
    (folder / "k.bin").write_bytes(packed.tobytes())
    model = build("y = Mul(x, k)", inputs=(1, 8), constants={"k": VALUES})
    model.graph.initializer[0].CopyFrom(onnx.TensorProto(name="k", data_type=data_type, dims=[6]))
    refer(model.graph.initializer[0], "k.bin", packed.nbytes)
    np.testing.assert_array_equal(load(folder, model), packed.numpy())


def test_text_cannot_lie_in_a_file(folder: Path) -> None:
    (folder / "k.bin").write_bytes(VALUES.tobytes())
    model = with_external("k.bin")
    model.graph.initializer[0].data_type = onnx.TensorProto.STRING
    with pytest.raises(ModelError, match="element type 8, which cannot lie in a file"):
        load(folder, model)


def test_constants_of_subgraphs_and_attributes_are_read_too(folder: Path) -> None:
    (folder / "k.bin").write_bytes(VALUES.tobytes())
    outside = onnx.numpy_helper.from_array(VALUES, "c")
    refer(outside, "k.bin")
    branch = onnx.parser.parse_graph("g () => (float[8] z) { z = Mul(x, c) }")
    branch.initializer.add().CopyFrom(outside)
    model = build("y = Mul(x, k)", inputs=(1, 8), constants={"k": VALUES})
    del model.graph.node[:]
    truth = onnx.numpy_helper.from_array(np.array(True), "t")
    model.graph.initializer.add().CopyFrom(truth)
    model.graph.node.append(onnx.helper.make_node("Constant", [], ["d"], value=outside))
    model.graph.node.append(onnx.helper.make_node("If", ["t"], ["e"], then_branch=branch, else_branch=branch))
    model.graph.node.append(onnx.helper.make_node("Add", ["e", "d"], ["y"]))
    (folder / "m.onnx").write_bytes(model.SerializeToString())
    (got,) = zeroskip.InferenceSession(folder / "m.onnx").run(None, {"x": np.full((1, 8), 2.0, np.float32)})
    np.testing.assert_allclose(got.ravel(), 3.0 * VALUES)


def test_a_file_of_its_own_for_each_of_many_tensors(folder: Path) -> None:
    """More files than a process may have open."""
    count = 1200
    names = " ".join(f"v{index + 1} = Add(v{index}, k{index})" for index in range(count))
    model = build(
        names.replace("v0,", "x,").replace(f"v{count} ", "y "),
        inputs=(1, 8),
        constants={f"k{index}": VALUES for index in range(count)},
    )
    for index, tensor in enumerate(model.graph.initializer):
        (folder / f"{index}.bin").write_bytes(VALUES.tobytes())
        refer(tensor, f"{index}.bin")
    (folder / "m.onnx").write_bytes(model.SerializeToString())
    assert len(load_model(folder / "m.onnx").graph.initializers) == count
