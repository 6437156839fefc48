"""Tables line up."""

from __future__ import annotations

from zeroskip.engine.show.table import format_table, shape_text


def test_numbers_align_right_and_text_left() -> None:
    table = format_table(["op", "ms"], [["conv", "1.25"], ["add", "0.5"]], right_aligned=["ms"])
    assert table.splitlines() == ["op      ms", "conv  1.25", "add    0.5"]


def test_an_empty_table_is_its_header() -> None:
    assert format_table(["a", "b"], []) == "a  b"


def test_shapes_read_as_products() -> None:
    assert shape_text((1, 64, 56, 56)) == "1x64x56x56"
