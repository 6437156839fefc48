"""The node tests of the onnx package, run through the backend.

A case counts as native when the engine runs it without ONNX Runtime, as it is or with all inputs but the first as
constants, which is how networks have their weights. What neither runs nor computes as the standard says in ONNX
Runtime itself is left out, whatever the engine made of it: its results are the reference of this project.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort

import zeroskip as zs
from zeroskip.conformance import backend
from zeroskip.onnx import unsupported_nodes
from zeroskip.onnx.support import native_operators

NATIVE, ISLAND, REFERENCE_FAILS, FAILED = "native", "island", "reference fails", "failed"
_OPTIONS = {"intra_op_num_threads": 1}


@dataclass(frozen=True)
class Outcome:
    """What became of one case.

    Args:
        name: Of the case.
        operator: The only operator of the case, empty for a case of several nodes.
        domain: Its domain.
        kind: One of the constants above.
        message: What went wrong, if it did.
    """

    name: str
    operator: str
    domain: str
    kind: str
    message: str = ""


def node_cases() -> list[Any]:
    """Return all cases. Making them takes about half a minute."""
    from onnx.backend.test.loader import load_model_tests

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return list(load_model_tests(kind="node"))


def outcome_of(case: Any) -> Outcome:
    """Run one case."""
    nodes = case.model.graph.node
    operator, domain = (nodes[0].op_type, nodes[0].domain) if len(nodes) == 1 else ("", "")
    message = ""
    try:
        kind = _run(case)
    except (zs.ZeroskipError, AssertionError) as error:
        kind = FAILED if _reference_passes(case) else REFERENCE_FAILS
        message = str(error)
    return Outcome(case.name, operator, "" if domain == "ai.onnx" else domain, kind, message)


def _run(case: Any) -> str:
    session = backend.prepare(case.model, **_OPTIONS)
    _compare_all(case, session.run)
    if not session.session.explain_islands():
        return NATIVE
    return NATIVE if _is_native_with_constants(case) else ISLAND


def _is_native_with_constants(case: Any) -> bool:
    """Tell whether the engine runs the case with constants; fails if it does and computes something else."""
    inputs = case.data_sets[0][0]
    operators = {node.op_type for node in case.model.graph.node}
    if len(inputs) < 2 or len(case.data_sets) != 1 or not operators <= native_operators():
        return False
    if not all(isinstance(array, np.ndarray | np.generic) for array in inputs):
        return False
    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    for value, array in zip(model.graph.input[1:], inputs[1:], strict=False):
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(array), value.name))
    del model.graph.input[1:]
    try:
        ready = backend.prepare(model, fallback="error", **_OPTIONS)
        results = ready.run([inputs[0]])
    except zs.ZeroskipError:
        return False
    _compare(case.data_sets[0][1], results, case)
    return True


def _reference_passes(case: Any) -> bool:
    options = ort.SessionOptions()
    options.log_severity_level = 4
    try:
        session = ort.InferenceSession(case.model.SerializeToString(), options)
        names = [value.name for value in session.get_inputs()]
        _compare_all(case, lambda inputs: session.run(None, dict(zip(names, inputs, strict=False))))
    except Exception:  # a class per status code, and assertions
        return False
    return True


def _compare_all(case: Any, run: Any) -> None:
    for inputs, outputs in case.data_sets:
        _compare(outputs, run(list(inputs)), case)


def _compare(expected: Any, results: Any, case: Any) -> None:
    for reference, result in zip(expected, results, strict=True):
        if isinstance(reference, list | tuple):
            assert isinstance(result, list | tuple)
            _compare(reference, result, case)
        elif reference is None:
            assert result is None
        else:
            _compare_arrays(np.asarray(reference), result, case)


def _compare_arrays(reference: np.ndarray, result: Any, case: Any) -> None:
    assert isinstance(result, np.ndarray), type(result)
    assert result.shape == reference.shape
    if reference.dtype.kind in "OUS":
        assert result.tolist() == reference.tolist()
        return
    assert result.dtype == reference.dtype
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(
            result.astype(np.complex128), reference.astype(np.complex128), rtol=case.rtol, atol=case.atol
        )


def claims(case: Any) -> bool:
    """Tell whether the engine claims a case as it is: none of its nodes is unsupported."""
    from zeroskip.onnx import canonicalize, load_model

    try:
        return not unsupported_nodes(canonicalize(load_model(case.model)))
    except zs.ZeroskipError:
        return False
