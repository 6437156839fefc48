"""Ways to hold the command line wrong, each with what makes it and what it is called."""

from __future__ import annotations

import csv
import os
import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper
from PIL import Image

import zeroskip as zs
from tiny_network import CLASSES, pictures, save_pictures, tiny_network

COUNT = 60


@dataclass(frozen=True)
class Case:
    """One mistake.

    Attributes:
        mistake: What somebody does, in words.
        command: Makes the files in an empty folder, and returns the arguments of ``zeroskip``.
        code: Exit code that it ends with; 0 where the command goes on and says something.
        says: What the answer must hold.
    """

    mistake: str
    command: Callable[[Path], Sequence[str]]
    code: int
    says: str


def model(folder: Path) -> str:
    (folder / "model.onnx").write_bytes(tiny_network())
    return "model.onnx"


def photos(folder: Path, labels: Callable[[np.ndarray], np.ndarray] | None = None, count: int = COUNT) -> str:
    """Write pictures, with a labels.csv made of the network's own answers where ``labels`` says how."""
    save_pictures(folder / "photos", count)
    if labels is not None:
        x = np.ascontiguousarray((pictures(count) / np.float32(255)).transpose(0, 3, 1, 2), np.float32)
        answers = zs.InferenceSession(tiny_network()).run(None, {"image": x})[0].argmax(axis=1)
        with open(folder / "photos" / "labels.csv", "w", newline="") as stream:
            rows = [(f"blob{n:02d}.png", int(label)) for n, label in enumerate(labels(answers))]
            csv.writer(stream).writerows([("file", "class_index"), *rows])
    return "photos"


def calibrate(*options: str, data: Callable[[Path], str] = photos, unit: bool = True) -> Callable[[Path], list[str]]:
    """Return what makes a model and data and calibrates on them."""

    def command(folder: Path) -> list[str]:
        preprocess = ["--preprocess", "unit"] if unit else []
        return ["calibrate", model(folder), "--data", data(folder), *preprocess, *_QUICK, *options]

    return command


_QUICK = ("--output", "t.json", "--threads", "1", "--time", "0")


def labelled(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], str]:
    return lambda folder: photos(folder, change)


def archive(**arrays: np.ndarray) -> Callable[[Path], str]:
    def write(folder: Path) -> str:
        np.savez(folder / "data.npz", **arrays)
        return "data.npz"

    return write


def broken_archive(folder: Path) -> str:
    name = archive(x=pictures(8))(folder)
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: len(content) // 2])
    return name


def strip(folder: Path) -> str:
    """A picture of 12000 x 1 pixels in some ninety bytes."""
    (folder / "photos").mkdir()
    row = zlib.compress(b"\0" * (1 + 12000 // 8))
    header = struct.pack(">IIBBBBB", 12000, 1, 1, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", row), (b"IEND", b"")]
    png = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    )
    for number in range(8):
        (folder / "photos" / f"strip{number}.png").write_bytes(png)
    return "photos"


def with_files(**files: bytes) -> Callable[[Path], str]:
    def write(folder: Path) -> str:
        name = photos(folder, count=8)
        for file, content in files.items():
            (folder / name / file.replace("__", ".")).write_bytes(content)
        return name

    return write


def parts_of_a_data_set(folder: Path) -> str:
    for part in ("train", "val"):
        for kind in ("cat", "dog"):
            save_pictures(folder / "photos" / part / kind, 4)
    return "photos"


def painted(value: int) -> Callable[[Path], str]:
    def write(folder: Path) -> str:
        (folder / "photos").mkdir()
        for number in range(12):
            Image.new("RGB", (32, 32), (value, value, value)).save(folder / "photos" / f"{number}.png")
        return "photos"

    return write


def labels_csv(text: str) -> Callable[[Path], str]:
    return with_files(labels__csv=text.encode())


def pipe(folder: Path) -> str:
    os.mkfifo(folder / "data.npz")
    return "data.npz"


def of_model(content: bytes, *arguments: str) -> Callable[[Path], list[str]]:
    def command(folder: Path) -> list[str]:
        (folder / "other.onnx").write_bytes(content)
        photos(folder, count=8)
        return [argument.replace("MODEL", "other.onnx") for argument in arguments]

    return command


_ANALYZE = ("analyze", "MODEL", "--data", "photos", "--preprocess", "unit", "--threads", "1")


def changed(change: Callable[[onnx.ModelProto], None]) -> bytes:
    proto = onnx.load_model_from_string(tiny_network())
    change(proto)
    return proto.SerializeToString()


def _poison(proto: onnx.ModelProto) -> None:
    weight = numpy_helper.to_array(proto.graph.initializer[0]).copy()
    weight.flat[0] = np.nan
    proto.graph.initializer[0].CopyFrom(numpy_helper.from_array(weight, proto.graph.initializer[0].name))


def _send_away(proto: onnx.ModelProto) -> None:
    tensor = proto.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="weights.bin")


def _without_rectifiers(proto: onnx.ModelProto) -> None:
    for node in proto.graph.node:
        if node.op_type == "Relu":
            node.op_type = "Sigmoid"


def _unknown(proto: onnx.ModelProto) -> None:
    proto.graph.node[0].CopyFrom(helper.make_node("Cnov", list(proto.graph.node[0].input), ["conv1"], "conv1"))


def apply_other(folder: Path) -> list[str]:
    zs.ThresholdSet({"relu9": 0.5}).save(folder / "t.json")
    return ["apply", model(folder), "t.json", "--output", "out.onnx"]


def another_preprocessing(folder: Path) -> list[str]:
    """A model that states how it is fed, and a flag that says otherwise."""
    from zeroskip.data import Preprocess
    from zeroskip.onnx import load_model, save_model
    from zeroskip.onnx.metadata import state_preprocess

    made = load_model(tiny_network())
    state_preprocess(made, Preprocess.preset("unit", crop=32, resize=32).to_dict())
    save_model(made, folder / "model.onnx")
    photos(folder, count=8)
    picture = "photos/blob00.png"
    return ["run", "model.onnx", picture, "--preprocess", "imagenet", "--threads", "1"]


def report_of_nothing(folder: Path) -> list[str]:
    (folder / "out").mkdir()
    return ["report", "out"]


def file_as_folder(folder: Path) -> list[str]:
    (folder / "out").write_text("")
    name = photos(folder, count=8)
    return ["optimize", model(folder), "--data", name, "--preprocess", "unit", "--output", "out", "--threads", "1"]


def bench(*engines: str) -> Callable[[Path], list[str]]:
    return lambda folder: ["bench", model(folder), "--data", photos(folder, count=8), "--engine", ",".join(engines)]


def another_order(answers: np.ndarray) -> np.ndarray:
    return (7 * np.arange(len(answers))) % CLASSES


def constant_pictures() -> np.ndarray:
    """float32 ``[8, 3, 32, 32]``, every one of another brightness."""
    return np.broadcast_to(np.arange(8, dtype=np.float32)[:, None, None, None], (8, 3, 32, 32)).copy()


def last_class(answers: np.ndarray) -> np.ndarray:
    return np.full_like(answers, CLASSES + 2)


CASES = (
    Case("class indices in labels.csv start at one", calibrate(data=labelled(lambda a: a + 1)), 1, "label - 1"),
    Case("labels of another data set", calibrate(data=labelled(another_order)), 1, "Likely causes"),
    Case("labels the model has no classes for", calibrate(data=labelled(last_class)), 1, "class"),
    Case("--preprocess forgotten", calibrate(data=labelled(lambda a: a), unit=False), 1, "unit"),
    Case("a budget in per cent: --max-drop 5", calibrate("--max-drop", "5"), 1, "per cent"),
    Case("a budget of half of everything: --max-drop 0.5", calibrate("--max-drop", "0.5"), 1, "per cent"),
    Case("a negative budget", calibrate("--max-drop", "-0.01"), 1, "max-drop"),
    Case(
        "a budget and a target",
        calibrate("--max-drop", "0.01", "--target-sparsity", "0.8"),
        1,
        "give one",
    ),
    Case("a speed-up out of reach", calibrate("--target-speedup", "50"), 1, "the most that thresholds reach"),
    Case("an unknown strategy", calibrate("--strategy", "magic"), 2, "magic"),
    Case("a folder that is not there", calibrate(data=lambda folder: "nowhere"), 1, "nowhere"),
    Case("an empty folder", calibrate(data=lambda folder: (folder / "empty").mkdir() or "empty"), 1, "empty"),
    Case("train/ and val/ taken for classes", calibrate(data=parts_of_a_data_set), 1, "train"),
    Case("a picture that is no picture", calibrate(data=with_files(x__jpg=b"not a jpeg")), 1, "x.jpg"),
    Case("a truncated picture", calibrate(data=with_files(x__png=b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")), 1, "x.png"),
    Case("a strip of 12000 x 1 pixels", calibrate("--resize", "256", data=strip, unit=False), 1, "strip0.png"),
    Case("pictures that are all black", calibrate(data=painted(0)), 1, "blank"),
    Case("pictures that are all the same", calibrate(data=painted(90)), 1, "blank"),
    Case("three pictures", calibrate(data=lambda folder: photos(folder, count=3)), 1, "at least"),
    Case(
        "labels.csv with a file that is missing",
        calibrate(data=labels_csv("file,class_index\nno.png,1\n")),
        1,
        "no.png",
    ),
    Case(
        "labels.csv with names for numbers",
        calibrate(data=labels_csv("file,class_index\nblob00.png,cat\n")),
        1,
        "line 2: class_index is 'cat'",
    ),
    Case(
        "--mean with values that are no pixels",
        calibrate("--mean", "0.5", data=archive(x=constant_pictures()), unit=False),
        1,
        "--mean",
    ),
    Case("arrays of another shape", calibrate(data=archive(x=np.ones((8, 7), np.float32)), unit=False), 1, "shape"),
    Case("a truncated .npz", calibrate(data=broken_archive, unit=False), 1, "data.npz"),
    Case(
        "an .npz of Python objects",
        calibrate(data=archive(x=np.array([{}, []] * 4, dtype=object)), unit=False),
        1,
        "Python objects",
    ),
    Case("a pipe in place of a file", calibrate(data=pipe, unit=False), 1, "data.npz"),
    Case("a missing model", lambda folder: ["analyze", "none.onnx", "--data", photos(folder)], 1, "none.onnx"),
    Case("a truncated model", of_model(tiny_network()[:2000], *_ANALYZE), 1, "truncated"),
    Case("a model with NaN weights", of_model(changed(_poison), *_ANALYZE), 1, "NaN"),
    Case("weights left behind in another folder", of_model(changed(_send_away), *_ANALYZE), 1, "weights.bin"),
    Case("a model without rectifiers", of_model(changed(_without_rectifiers), *_ANALYZE), 0, "nothing"),
    Case("an operator that does not exist", of_model(changed(_unknown), *_ANALYZE), 1, "Cnov"),
    Case("thresholds of another model", apply_other, 1, "relu9"),
    Case("a flag that contradicts the model's own preprocessing", another_preprocessing, 0, "preprocess"),
    Case("an output folder that is a file", file_as_folder, 1, "out"),
    Case("report of a folder without results", report_of_nothing, 1, "out"),
    Case("an unknown engine", bench("tensorflow"), 1, "tensorflow"),
)
