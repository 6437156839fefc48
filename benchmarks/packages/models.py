"""Small models and inputs for packages that bring none of their own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from PIL import Image, ImageDraw, ImageFont


def conv_network(
    path: Path, shape: Sequence[int | str], outputs: Sequence[Sequence[int]] = (), *, is_map: bool = False
) -> Path:
    """Write a network of two convolutions with rectifiers.

    Args:
        path: Where to.
        shape: Of the input, (N, 3, H, W).
        outputs: Shapes of the outputs without the batch, each by a linear layer from the pooled features.
        is_map: Have one output instead, a map (N, 1, H / 4, W / 4) of values in (0, 1).
    """
    random = np.random.default_rng(3)
    weights: dict[str, NDArray[Any]] = {
        "w1": random.standard_normal((16, 3, 3, 3)) * 0.3,
        "w2": random.standard_normal((32, 16, 3, 3)) * 0.15,
    }
    attributes: dict[str, Any] = {"kernel_shape": [3, 3], "pads": [1] * 4, "strides": [2, 2]}
    nodes = [
        helper.make_node("Conv", ["input", "w1"], ["c1"], **attributes),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("Conv", ["r1", "w2"], ["c2"], **attributes),
        helper.make_node("Relu", ["c2"], ["r2"]),
    ]
    ends: list[Any] = []
    if is_map:
        weights["w3"] = random.standard_normal((1, 32, 1, 1)) * 0.2
        nodes += [
            helper.make_node("Conv", ["r2", "w3"], ["c3"], kernel_shape=[1, 1]),
            helper.make_node("Sigmoid", ["c3"], ["map"]),
        ]
        ends.append(helper.make_tensor_value_info("map", TensorProto.FLOAT, [shape[0], 1, "h", "w"]))
    else:
        nodes += [helper.make_node("GlobalAveragePool", ["r2"], ["g"]), helper.make_node("Flatten", ["g"], ["f"])]
    for number, extents in enumerate(outputs):
        weights[f"v{number}"] = random.standard_normal((32, int(np.prod(extents))))
        weights[f"s{number}"] = np.array([-1, *extents])
        nodes += [
            helper.make_node("MatMul", ["f", f"v{number}"], [f"l{number}"]),
            helper.make_node("Reshape", [f"l{number}", f"s{number}"], [f"output{number}"]),
        ]
        ends.append(helper.make_tensor_value_info(f"output{number}", TensorProto.FLOAT, [shape[0], *extents]))
    constants = [
        numpy_helper.from_array(value if value.dtype == np.int64 else value.astype(np.float32), name)
        for name, value in weights.items()
    ]
    start = [helper.make_tensor_value_info("input", TensorProto.FLOAT, list(shape))]
    graph = helper.make_graph(nodes, "network", start, ends, constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def text_encoder(path: Path, words: int, width: int = 16) -> Path:
    """Write an encoder of token numbers with a rectified feed-forward block; mean pooling is the caller's."""
    random = np.random.default_rng(4)
    weights = {
        "table": random.standard_normal((words, width)),
        "up": random.standard_normal((width, 4 * width)) * 0.2,
        "down": random.standard_normal((4 * width, width)) * 0.2,
    }
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["e"]),
        helper.make_node("MatMul", ["e", "up"], ["u"]),
        helper.make_node("Relu", ["u"], ["r"]),
        helper.make_node("MatMul", ["r", "down"], ["d"]),
        helper.make_node("Add", ["e", "d"], ["last_hidden_state"]),
    ]
    graph = helper.make_graph(
        nodes,
        "encoder",
        [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "length"])],
        [helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, ["batch", "length", width])],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def picture_of_text(text: str = "Sparse 2026") -> NDArray[np.uint8]:
    """Return black letters on white, uint8 (120, 400, 3)."""
    image = Image.new("RGB", (400, 120), "white")
    ImageDraw.Draw(image).text((20, 30), text, fill="black", font=ImageFont.load_default(50))
    return np.asarray(image)


def noise_picture(height: int = 120, width: int = 160) -> NDArray[np.uint8]:
    """Return smooth colour noise, uint8 (height, width, 3)."""
    coarse = np.random.default_rng(5).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def sound(seconds: float = 1.6, rate: int = 16000) -> NDArray[np.float32]:
    """Return a voice-like sound: harmonics of a gliding pitch, then silence, in [-1, 1]."""
    time = np.arange(int(seconds * rate)) / rate
    pitch = np.cumsum(120 + 40 * np.sin(2 * np.pi * 2 * time)) / rate
    voice = sum(np.sin(2 * np.pi * order * pitch) / order for order in range(1, 20))
    return np.asarray(0.2 * voice * (time < seconds * 0.7), np.float32)
