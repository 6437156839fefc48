"""Models and results that the tests of the face share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper


def relu_model(
    shape: tuple[int | str | None, ...] | None = ("n", 3), element: int = TensorProto.FLOAT, op: str = "Relu"
) -> onnx.ModelProto:
    """Return a model of one node, ``x`` to ``y``, with metadata."""
    graph = helper.make_graph(
        [helper.make_node(op, ["x"], ["y"])],
        "graph",
        [helper.make_tensor_value_info("x", element, shape)],
        [helper.make_tensor_value_info("y", element, shape)],
        doc_string="of the graph",
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9, producer_name="tests", doc_string="text"
    )
    helper.set_model_props(model, {"names": "{0: 'cat'}", "stride": "32"})
    return model


def data(**changes: Any) -> bytes:
    """Return the same as bytes."""
    return bytes(relu_model(**changes).SerializeToString())


def random_rows(rows: int = 2) -> np.ndarray:
    """Return float32 rows of three."""
    return np.random.default_rng(rows).standard_normal((rows, 3)).astype(np.float32)


def error_of(call: Callable[[], object]) -> BaseException:
    """Return what a call raises."""
    try:
        call()
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")
