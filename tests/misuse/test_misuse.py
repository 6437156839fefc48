"""Every mistake ends in words that say what is wrong, and the page tells the same."""

from __future__ import annotations

import pytest

from .cases import CASES, Case
from .misuse_table import PAGE, answer_to


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.mistake)
def test_a_mistake_is_told(case: Case) -> None:
    answer = answer_to(case)
    assert answer.code == case.code, answer.text
    assert case.says in answer.text
    assert "Traceback" not in answer.text


def test_the_page_tells_of_every_mistake() -> None:
    assert len(CASES) >= 30
    text = PAGE.read_text()
    assert all(f"| {case.mistake} | {case.code} |" in text for case in CASES)
