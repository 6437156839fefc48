"""zeroskip as a backend of the onnx package."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from onnx_graphs import build, random_array
from zeroskip.conformance import backend


def test_a_model_is_prepared_once_and_run_with_positional_or_named_inputs() -> None:
    model, x = build("y = Relu (x)"), random_array(2, 3, 8, 8)
    ready = backend.prepare(model, "CPU", intra_op_num_threads=1)
    for inputs in ([x], x, {"x": x}):
        results = ready.run(inputs)
        np.testing.assert_array_equal(results.y, np.maximum(x, 0))
    np.testing.assert_array_equal(backend.run_model(model, [x])[0], np.maximum(x, 0))


@pytest.mark.parametrize("opset", [None, 13])
def test_a_node_is_run(opset: int | None) -> None:
    node = onnx.helper.make_node("Split", ["x"], ["a", "b"], axis=1, **({} if opset else {"num_outputs": 2}))
    x = random_array(2, 4)
    a, b = backend.run_node(node, [x], **({"opset_version": opset} if opset else {}))
    np.testing.assert_array_equal(np.concatenate([a, b], 1), x)


def test_a_node_of_another_type_needs_to_say_so() -> None:
    node = onnx.helper.make_node("ArgMax", ["x"], ["y"], axis=1, keepdims=0)
    x = random_array(2, 4)
    (result,) = backend.run_node(node, [x], outputs_info=[(np.dtype(np.int64), (2,))])
    np.testing.assert_array_equal(result, x.argmax(1))


def test_compatible_is_what_runs_natively() -> None:
    assert backend.is_compatible(build("y = Relu (x)"))
    assert not backend.is_compatible(build("y = Atan (x)"))


def test_only_the_cpu_is_a_device() -> None:
    assert backend.supports_device("CPU")
    assert not backend.supports_device("CUDA:1")
    with pytest.raises(ValueError, match="'CUDA' is not supported"):
        backend.prepare(build("y = Relu (x)"), "CUDA")
