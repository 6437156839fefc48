"""The node tests of the onnx package: what the canonical form supports computes what the standard says.

All inputs but the first become constants, as they are in networks. Cases that are not supported are left out;
how many are supported at least is pinned, so that none is lost unnoticed.
"""

from __future__ import annotations

import importlib
import warnings
from typing import Any

import numpy as np
import onnx
import pytest

from onnx_graphs import run
from zeroskip.onnx import canonicalize, load_model, to_bytes, to_standard, unsupported_nodes

SUPPORTED_AT_LEAST = {
    "batch_normalization": 2, "clip": 2, "conv": 6, "depthtospace": 4, "dropout": 3, "flatten": 9,
    "gemm": 8, "globalaveragepool": 2, "globalmaxpool": 2, "hardsigmoid": 3, "hardswish": 1, "identity": 1, "lrn": 2,
    "maxpool": 12, "reducemean": 8, "relu": 1, "reshape": 9, "resize": 15, "sigmoid": 2, "slice": 6, "softmax": 7,
    "spacetodepth": 4, "split": 10, "squeeze": 2, "tanh": 2, "thresholdedrelu": 3, "transpose": 7, "unsqueeze": 7,
}  # fmt: skip
"""Modules of ``onnx.backend.test.case.node``, and the number of their cases that are supported."""

NOT_AS_ONNX_RUNTIME = {"test_resize_downsample_scales_linear_align_corners"}
"""Where ONNX Runtime, whose results are the reference of this project, differs from the standard."""


def cases_of(module: str) -> list[Any]:
    """Return the float32 cases of a module's operator, its expansion into others among them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        node_cases = importlib.import_module("onnx.backend.test.case.node")
        importlib.import_module(f"onnx.backend.test.case.node.{module}")  # makes the cases, if no test has before
    cases = node_cases._NodeTestCases
    operator = module.replace("_", "")
    names = {case.name for case in cases if case.model.graph.node[0].op_type.lower() == operator}
    return [case for case in cases if case.name.removesuffix("_expanded") in names and _is_wanted(case)]


def _is_wanted(case: Any) -> bool:
    inputs, outputs = case.data_sets[0]
    if not inputs or not all(isinstance(array, np.ndarray) for array in inputs) or case.name in NOT_AS_ONNX_RUNTIME:
        return False
    return inputs[0].dtype == np.float32 and all(array.size > 0 for array in (inputs[0], *outputs))


def with_constants(case: Any) -> tuple[onnx.ModelProto, str, np.ndarray]:
    """Return the model with all inputs but the first as constants, and the first with its name."""
    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    inputs, _ = case.data_sets[0]
    first, *others = [value.name for value in model.graph.input]
    for name, array in zip(others, inputs[1:], strict=False):
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(array), name))
    del model.graph.input[1:]
    return model, first, inputs[0]


def is_supported(case: Any) -> bool:
    """Return whether a case is supported; fail if it is and computes something else."""
    model, name, x = with_constants(case)
    canonical = canonicalize(load_model(model), {name: x.shape})
    if unsupported_nodes(canonical):
        return False
    got = run(to_bytes(to_standard(canonical)), {name: x})
    for want, have in zip(case.data_sets[0][1], got, strict=True):
        assert have.shape == want.shape, case.name
        np.testing.assert_allclose(have, want, rtol=1e-3, atol=1e-4, err_msg=case.name)
    return True


@pytest.mark.parametrize("module", SUPPORTED_AT_LEAST)
def test_node_tests(module: str) -> None:
    cases = cases_of(module)
    supported = [case.name for case in cases if is_supported(case)]
    assert len(supported) >= SUPPORTED_AT_LEAST[module], f"of {len(cases)} cases: {supported}"
