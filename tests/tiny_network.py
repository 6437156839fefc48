"""A tiny convolutional network and pictures for it: every stage of the whole way in a second."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from zeroskip import data

SIDE = 32
CLASSES = 5
WIDTHS = (3, 16, 32, 32)
SKIPPABLE = ("relu1", "relu2")
"""Activations that a convolution reads; the last one, relu3, is only pooled."""


def tiny_network(*, activation: str = "Relu", gain: float = 1.0, batch: int | str = "N") -> bytes:
    """Return an ONNX file: three convolutions with activations, pooling, a linear layer, five logits.

    Args:
        activation: Operator after each convolution.
        gain: Factor on the first weights; a huge one makes outputs overflow.
        batch: First dimension of the input.
    """
    random = np.random.default_rng(7)
    nodes, constants, x = [], [], "image"
    for number, (inputs, outputs) in enumerate(itertools.pairwise(WIDTHS), start=1):
        weight = random.standard_normal((outputs, inputs, 3, 3)) * np.sqrt(2 / (9 * inputs))
        constants.append(_constant(f"weight{number}", weight * (gain if number == 1 else 1.0)))
        constants.append(_constant(f"bias{number}", random.standard_normal(outputs) * 0.1))
        operands = [x, f"weight{number}", f"bias{number}"]
        strides = [1, 1] if number == 1 else [2, 2]
        nodes.append(
            helper.make_node("Conv", operands, [f"conv{number}"], f"conv{number}", strides=strides, pads=[1, 1, 1, 1])
        )
        x = f"{activation.lower()}{number}"
        nodes.append(helper.make_node(activation, [f"conv{number}"], [x], x))
    constants.append(_constant("head", random.standard_normal((WIDTHS[-1], CLASSES))))
    nodes.append(helper.make_node("GlobalAveragePool", [x], ["pooled"], "pool"))
    nodes.append(helper.make_node("Flatten", ["pooled"], ["flat"], "flatten"))
    nodes.append(helper.make_node("MatMul", ["flat", "head"], ["logits"], "head"))
    return _model(nodes, constants, ["image"], batch)


def residual_network() -> bytes:
    """Return an ONNX file whose output is a convolution of a rectified map plus that map, ``[N, 16, SIDE, SIDE]``."""
    random = np.random.default_rng(3)
    constants = [
        _constant("weight1", random.standard_normal((16, 3, 3, 3)) * 0.3),
        _constant("weight2", random.standard_normal((16, 16, 3, 3)) * 0.1),
    ]
    same = {"pads": [1, 1, 1, 1]}
    nodes = [
        helper.make_node("Conv", ["image", "weight1"], ["conv1"], "conv1", **same),
        helper.make_node("Relu", ["conv1"], ["relu1"], "relu1"),
        helper.make_node("Conv", ["relu1", "weight2"], ["conv2"], "conv2", **same),
        helper.make_node("Add", ["conv2", "relu1"], ["logits"], "add"),
    ]
    return _model(nodes, constants, ["image"], "N", [16, SIDE, SIDE])


def two_input_network() -> bytes:
    """Return an ONNX file that adds its two inputs."""
    nodes = [helper.make_node("Add", ["image", "other"], ["logits"], "add")]
    return _model(nodes, [], ["image", "other"], "N", [3, SIDE, SIDE])


def pictures(count: int = 24, seed: int = 0) -> np.ndarray:
    """Return uint8 ``[count, SIDE, SIDE, 3]``: blobs and gradients of different colours and places."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    result = np.empty((count, SIDE, SIDE, 3), np.uint8)
    for picture in result:
        row, column, size = random.uniform(0.2, 0.8, 3)
        blob = np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / (0.1 * size))
        slope = np.cos(2 * np.pi * (random.uniform(0, 3) * rows + random.uniform(0, 3) * columns))
        colours = random.uniform(0, 1, (2, 3))
        picture[...] = (127 * (blob[..., None] * colours[0] + (slope[..., None] + 1) / 2 * colours[1])).astype(np.uint8)
    return result


def tiny_data(count: int = 24, labels: Sequence[int] | None = None) -> data.Dataset:
    """Return the pictures as a data set for the network."""
    return data.arrays(pictures(count), labels, "unit", description="blobs")


def save_pictures(folder: Path, count: int = 8) -> Path:
    """Write pictures as PNG files and return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, picture in enumerate(pictures(count)):
        Image.fromarray(picture).save(folder / f"blob{number:02d}.png")
    return folder


def _constant(name: str, values: np.ndarray) -> TensorProto:
    return numpy_helper.from_array(values.astype(np.float32), name)


def _model(
    nodes: list[onnx.NodeProto],
    constants: list[TensorProto],
    inputs: list[str],
    batch: int | str,
    output: list[int] | None = None,
) -> bytes:
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, 3, SIDE, SIDE]) for name in inputs],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [batch, *(output or [CLASSES])])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    return model.SerializeToString()
