"""Recurrence becomes the standard layer that it was made from."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from onnx_graphs import node_of, op_types
from recurrent_networks import GATES, answers, feeds_of, recurrent
from zeroskip.onnx import load_model, prepare, to_bytes, to_standard


@pytest.mark.parametrize("op_type", GATES)
@pytest.mark.parametrize("direction", ["forward", "bidirectional"])
@pytest.mark.parametrize("resets", [0, 1])
def test_the_standard_form_is_the_layer_again(op_type: str, direction: str, resets: int) -> None:
    attributes = {"linear_before_reset": resets} if op_type == "GRU" else {"activations": ["Relu"] * 2}
    if op_type == "LSTM" or direction == "forward":
        attributes.pop("activations", None)
    model = recurrent(op_type, direction=direction, states="computed", **attributes)
    standard = to_standard(prepare(load_model(model)))
    assert op_types(standard) == [op_type]
    feeds = feeds_of(model)
    for result, expected in zip(answers(to_bytes(standard), feeds), answers(model, feeds), strict=True):
        np.testing.assert_allclose(result, expected, rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("op_type", GATES)
def test_products_that_others_read_too_are_taken_as_they_are(op_type: str) -> None:
    model = recurrent(op_type, direction="bidirectional")
    prepared = prepare(load_model(model))
    linear = node_of(prepared, "Linear")
    again = ir.Node("", "Abs", linear.outputs, outputs=[ir.Value(name="abs", type=linear.outputs[0].type)], name="abs")
    prepared.graph.insert_after(linear, again)
    prepared.graph.outputs.append(again.outputs[0])
    standard = to_bytes(to_standard(prepared))
    feeds = feeds_of(model)
    y, *_ = answers(standard, feeds)
    np.testing.assert_allclose(y, answers(model, feeds)[0], rtol=1e-5, atol=2e-6)
