"""The whole node test suite of onnx, natively or in islands."""

from __future__ import annotations

import re
from typing import Any

import pytest

from zeroskip.onnx.support import native_operators

from .node_suite import FAILED, NATIVE, Outcome, claims, node_cases, outcome_of
from .operator_table import PAGE, page

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cases() -> list[Any]:
    return node_cases()


@pytest.fixture(scope="module")
def outcomes(cases: list[Any]) -> list[Outcome]:
    return [outcome_of(case) for case in cases]


def test_every_case_that_onnxruntime_passes_passes(outcomes: list[Outcome]) -> None:
    assert len(outcomes) > 1500
    assert not [outcome for outcome in outcomes if outcome.kind == FAILED]


def test_every_case_that_is_claimed_is_native(cases: list[Any], outcomes: list[Outcome]) -> None:
    native = {outcome.name for outcome in outcomes if outcome.kind == NATIVE}
    assert len(native) > 150
    others = [case for case in cases if case.name not in native]
    known = [case for case in others if {node.op_type for node in case.model.graph.node} <= native_operators()]
    assert not [case.name for case in known if claims(case)]


def test_the_table_of_operators_is_current(outcomes: list[Outcome]) -> None:
    """But for the versions of onnx and onnxruntime, which it names, and which decide the numbers."""
    made = page(outcomes)
    written = PAGE.read_text()
    versions = re.compile(r"of onnx ([\d.]+).*ONNX Runtime ([\d.]+)", re.DOTALL)
    if versions.findall(made) != versions.findall(written):
        pytest.skip("the table was made with other versions of onnx and onnxruntime")
    assert made == written, "run: PYTHONPATH=tests python -m conformance.operator_table"
