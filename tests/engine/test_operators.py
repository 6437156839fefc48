"""The table of native operators agrees with the core's list, and answers every question for each."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from zeroskip.engine.cost.work import FAMILIES
from zeroskip.engine.native import core
from zeroskip.engine.operators import OPERATORS, Operator
from zeroskip.engine.plan.types import Step

LIST = Path(__file__).resolve().parents[2] / "cpp" / "ops" / "list.inc"


def core_rows() -> dict[str, str]:
    """Return the first input that each operator of the core may lie on, by name, as it is written."""
    return dict(re.findall(r"^ZS_OP\((\w+), (\w+)", LIST.read_text(), re.MULTILINE))


def test_the_core_has_the_same_operators() -> None:
    assert set(OPERATORS) == set(core_rows())


def test_the_core_allows_what_runs_in_place() -> None:
    first = {name: str(min(row.in_place)) if row.in_place else "kNever" for name, row in OPERATORS.items()}
    assert first == core_rows()


@pytest.mark.parametrize("name", OPERATORS)
def test_the_built_core_knows_the_operator(name: str) -> None:
    step = {"op": name, "name": "s", "inputs": [], "outputs": [], "attributes": {}, "arrays": {}}
    with pytest.raises(core().Error) as refusal:
        core().Program(tensors=[], steps=[step], inputs=[], outputs=[], arena_bytes=0)
    assert "no such operator" not in str(refusal.value)


def test_a_row_has_no_defaults() -> None:
    fields = dataclasses.fields(Operator)
    assert all(field.default is field.default_factory is dataclasses.MISSING for field in fields)


def test_every_family_has_operators() -> None:
    of_convolutions = {"point", "rows", "taps", "stem"}
    assert {row.family for row in OPERATORS.values()} == {None, *FAMILIES} - of_convolutions


@pytest.mark.parametrize(
    ("op", "attributes", "is_alone"),
    [
        ("concat", {"axis": 0}, False),
        ("concat", {"axis": 1}, True),
        ("softmax", {"axis": 0}, False),
        ("reduce", {"axes": (0, 2)}, False),
        ("reduce", {"axes": (2, 3)}, True),
        ("transpose", {"perm": (1, 0, 2)}, False),
        ("transpose", {"perm": (0, 2, 1)}, True),
        ("slice", {"starts": (1, 0), "ends": (4, 2), "steps": (1, 1)}, False),
        ("slice", {"starts": (0, 1), "ends": (4, 2), "steps": (1, 1)}, True),
        ("pad", {"pads": (0, 1, 1, 1)}, False),
        ("pad", {"pads": (0, 1, 0, 1)}, True),
        ("conv", {}, True),
    ],
)
def test_which_steps_treat_the_inputs_of_a_batch_alone(op: str, attributes: dict[str, object], is_alone: bool) -> None:
    step = Step(op, op, (0,), (1,), attributes)  # type: ignore[arg-type]
    assert OPERATORS[op].treats_inputs_alone(step, 4) is is_alone
