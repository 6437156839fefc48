"""Tiny networks of other tasks than one picture in, one row of class scores out."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tiny_network import SIDE


def _build(nodes: list[Any], constants: dict[str, Any], inputs: dict[str, Any], outputs: dict[str, Any]) -> bytes:
    def values(described: dict[str, Any]) -> list[Any]:
        return [helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in described.items()]

    arrays = [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()]
    graph = helper.make_graph(nodes, "task", values(inputs), values(outputs), arrays)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def _trunk(x: str = "image") -> tuple[list[Any], dict[str, Any], np.random.Generator]:
    """Return three convolutions with rectifiers, ``relu3`` being ``[N, 32, 8, 8]`` of pictures of the usual side."""
    random = np.random.default_rng(5)
    nodes, constants = [], {}
    for number, (read, made) in enumerate(((3, 16), (16, 32), (32, 32)), start=1):
        weight = random.standard_normal((made, read, 3, 3)) * np.sqrt(2 / (9 * read))
        constants[f"weight{number}"] = weight.astype(np.float32)
        strides = [1, 1] if number == 1 else [2, 2]
        operands, conv = [x, f"weight{number}"], f"conv{number}"
        nodes.append(helper.make_node("Conv", operands, [conv], conv, strides=strides, pads=[1, 1, 1, 1]))
        x = f"relu{number}"
        nodes.append(helper.make_node("Relu", [f"conv{number}"], [x], x))
    return nodes, constants, random


def _pooled(nodes: list[Any]) -> None:
    nodes += [
        helper.make_node("GlobalAveragePool", ["relu3"], ["pooled"], "pool"),
        helper.make_node("Flatten", ["pooled"], ["flat"], "flatten"),
    ]


def embedding_network(*, width: int = 64, normalized: bool = True) -> bytes:
    """Return a network whose output is an embedding, one coordinate of which is the largest for every picture."""
    nodes, constants, random = _trunk()
    _pooled(nodes)
    constants["head"] = (random.standard_normal((32, width)) * 0.3).astype(np.float32)
    constants["bias"] = (4.0 * np.eye(1, width, 7)[0]).astype(np.float32)
    last = "raw" if normalized else "vector_out"
    nodes.append(helper.make_node("Gemm", ["flat", "head", "bias"], [last], "head"))
    if normalized:
        nodes.append(helper.make_node("LpNormalization", ["raw"], ["vector_out"], "unit", axis=1, p=2))
    image = {"image": (TensorProto.FLOAT, ["N", 3, SIDE, SIDE])}
    return _build(nodes, constants, image, {"vector_out": (TensorProto.FLOAT, ["N", width])})


def two_input_network() -> bytes:
    """Return a network of a uint8 picture and two integers beside it, with logits and a map as outputs."""
    nodes, constants, random = _trunk("real")
    nodes.insert(0, helper.make_node("Cast", ["image"], ["whole"], "cast", to=TensorProto.FLOAT))
    nodes.insert(1, helper.make_node("Mul", ["whole", "scale"], ["real"], "scale"))
    _pooled(nodes)
    constants |= {"scale": np.float32(1 / 255), "head": random.standard_normal((34, 5)).astype(np.float32)}
    constants["mapping"] = (random.standard_normal((3, 32, 1, 1)) * 0.3).astype(np.float32)
    nodes += [
        helper.make_node("Cast", ["size"], ["real_size"], "cast_size", to=TensorProto.FLOAT),
        helper.make_node("Concat", ["flat", "real_size"], ["joined"], "join", axis=1),
        helper.make_node("MatMul", ["joined", "head"], ["logits"], "head"),
        helper.make_node("Conv", ["relu3", "mapping"], ["map"], "mapping"),
    ]
    inputs = {"image": (TensorProto.UINT8, ["N", 3, SIDE, SIDE]), "size": (TensorProto.INT64, ["N", 2])}
    outputs = {"logits": (TensorProto.FLOAT, ["N", 5]), "map": (TensorProto.FLOAT, ["N", 3, 8, 8])}
    return _build(nodes, constants, inputs, outputs)


def detector_network() -> bytes:
    """Return a network that ends in NonMaxSuppression: indices of as many boxes as there happen to be."""
    nodes, constants, random = _trunk()
    constants |= {
        "to_boxes": (random.standard_normal((4, 32, 1, 1)) * 0.3).astype(np.float32),
        "to_scores": (random.standard_normal((3, 32, 1, 1)) * 0.5).astype(np.float32),
        "four": np.array([0, 4, -1]),
        "three": np.array([0, 3, -1]),
        "most": np.array([20]),
        "iou": np.array([0.5], np.float32),
        "least": np.array([0.55], np.float32),
    }
    nodes += [
        helper.make_node("Conv", ["relu3", "to_boxes"], ["box_map"], "to_boxes"),
        helper.make_node("Conv", ["relu3", "to_scores"], ["score_map"], "to_scores"),
        helper.make_node("Reshape", ["box_map", "four"], ["rows"], "rows"),
        helper.make_node("Transpose", ["rows"], ["boxes"], "boxes", perm=[0, 2, 1]),
        helper.make_node("Reshape", ["score_map", "three"], ["raw_scores"], "raw_scores"),
        helper.make_node("Sigmoid", ["raw_scores"], ["scores"], "scores"),
        helper.make_node("NonMaxSuppression", ["boxes", "scores", "most", "iou", "least"], ["selected"], "nms"),
    ]
    image = {"image": (TensorProto.FLOAT, ["N", 3, SIDE, SIDE])}
    return _build(nodes, constants, image, {"selected": (TensorProto.INT64, ["K", 3])})


def reader_network() -> bytes:
    """Return a recogniser of pictures of any width: convolutions, an LSTM, and CTC scores ``[T, N, 11]``.

    The state of the LSTM is clipped, which is not native: it is an island.
    """
    nodes, constants, random = _trunk()
    hidden = 12
    constants |= {
        "sequence": np.array([0, 0, -1]),
        "w": (random.standard_normal((1, 4 * hidden, 256)) * 0.1).astype(np.float32),
        "r": (random.standard_normal((1, 4 * hidden, hidden)) * 0.1).astype(np.float32),
        "head": (random.standard_normal((hidden, 11)) * 3.0).astype(np.float32),
        "axis": np.array([1]),
    }
    nodes += [
        helper.make_node("Transpose", ["relu3"], ["columns"], "columns", perm=[3, 0, 1, 2]),
        helper.make_node("Reshape", ["columns", "sequence"], ["steps"], "steps"),
        helper.make_node("LSTM", ["steps", "w", "r"], ["states"], "lstm", hidden_size=hidden, clip=50.0),
        helper.make_node("Squeeze", ["states", "axis"], ["flat"], "squeeze"),
        helper.make_node("MatMul", ["flat", "head"], ["scores"], "head"),
    ]
    image = {"image": (TensorProto.FLOAT, ["N", 3, SIDE, "W"])}
    return _build(nodes, constants, image, {"scores": (TensorProto.FLOAT, ["T", "N", 11])})


def pictures(count: int, width: int = SIDE, seed: int = 3) -> np.ndarray:
    """Return smooth pictures, float32 ``[count, 3, SIDE, width]``."""
    random = np.random.default_rng(seed)
    small = random.random((count, 3, 4, 4))
    rows = np.arange(SIDE) * 4 // SIDE
    columns = np.arange(width) * 4 // width
    smooth = small[:, :, rows[:, None], columns[None, :]]
    return (smooth + 0.1 * random.random((count, 3, SIDE, width))).astype(np.float32)


def segmenting_network() -> bytes:
    """Return a network whose output are scores of three classes for each of 8x8 places."""
    nodes, constants, random = _trunk()
    constants["classes"] = random.standard_normal((3, 32, 1, 1)).astype(np.float32)
    nodes.append(helper.make_node("Conv", ["relu3", "classes"], ["maps"], "classes"))
    image = {"image": (TensorProto.FLOAT, ["N", 3, SIDE, SIDE])}
    return _build(nodes, constants, image, {"maps": (TensorProto.FLOAT, ["N", 3, 8, 8])})


def choosing_network(head: str) -> bytes:
    """Return a network whose answer are class indices: of ``"TopK"`` with their values, of ``"ArgMax"`` beside a mask.

    The mask says for each of 8x8 places whether it is bright.
    """
    nodes, constants, random = _trunk()
    _pooled(nodes)
    constants["head"] = random.standard_normal((32, 10)).astype(np.float32)
    nodes.append(helper.make_node("MatMul", ["flat", "head"], ["logits"], "head"))
    image = {"image": (TensorProto.FLOAT, ["N", 3, SIDE, SIDE])}
    if head == "TopK":
        constants["k"] = np.array([3], np.int64)
        nodes.append(helper.make_node("TopK", ["logits", "k"], ["best", "out"], "top", axis=1))
        outputs = {"best": (TensorProto.FLOAT, ["N", 3]), "out": (TensorProto.INT64, ["N", 3])}
        return _build(nodes, constants, image, outputs)
    constants["bright"] = np.float32(0.5)
    nodes += [
        helper.make_node("ArgMax", ["logits"], ["out"], "choice", axis=1, keepdims=0),
        helper.make_node("ReduceMean", ["relu3"], ["mean"], "mean", axes=[1], keepdims=0),
        helper.make_node("Greater", ["mean", "bright"], ["mask"], "mask"),
    ]
    outputs = {"out": (TensorProto.INT64, ["N"]), "mask": (TensorProto.BOOL, ["N", 8, 8])}
    return _build(nodes, constants, image, outputs)


def yolo_network() -> bytes:
    """Return a detector of two classes, raw as YOLOv8 exports it: a box of 8x8 pixels about each of 64 places."""
    nodes, constants, random = _trunk()
    centres = np.stack(np.meshgrid(np.arange(8) * 4 + 2, np.arange(8) * 4 + 2)).reshape(1, 2, 64)
    constants |= {
        "to_scores": random.standard_normal((2, 32, 1, 1)).astype(np.float32),
        "rows": np.array([0, 2, -1]),
        "anchors": np.concatenate([centres, np.full((1, 2, 64), 8)], axis=1).astype(np.float32),
        "nothing": np.zeros((1, 1, 1), np.float32),
    }
    nodes += [
        helper.make_node("Conv", ["relu3", "to_scores"], ["score_map"], "to_scores"),
        helper.make_node("Reshape", ["score_map", "rows"], ["raw_scores"], "raw_scores"),
        helper.make_node("Sigmoid", ["raw_scores"], ["scores"], "scores"),
        helper.make_node("ReduceMax", ["scores"], ["best"], "best", axes=[1], keepdims=1),
        helper.make_node("Mul", ["best", "nothing"], ["zeros"], "zeros"),
        helper.make_node("Add", ["anchors", "zeros"], ["boxes"], "boxes"),
        helper.make_node("Concat", ["boxes", "scores"], ["found"], "found", axis=1),
    ]
    image = {"image": (TensorProto.FLOAT, ["N", 3, SIDE, SIDE])}
    return _build(nodes, constants, image, {"found": (TensorProto.FLOAT, ["N", 6, 64])})
