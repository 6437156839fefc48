"""The folder of results: whole files, names that follow from their content, keys that are read again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="needs the extra 'ray'")

import pyarrow.parquet as pq

from zeroskip.errors import DataError
from zeroskip.ray.parts import read_keys, write_part


def test_a_part_holds_keys_and_outputs_with_their_shapes(tmp_path: Path) -> None:
    maps = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    path = write_part(tmp_path, "path", ["a", "b"], {"maps": maps, "label": np.array([7, 8])})
    table = pq.read_table(path)
    assert table.column("path").to_pylist() == ["a", "b"]
    assert table.column("label").to_pylist() == [7, 8]
    shape = table.schema.field("maps").metadata[b"shape"].decode()
    np.testing.assert_array_equal(
        np.array(table.column("maps").to_pylist()).reshape(2, *map(int, shape.split("x"))), maps
    )


def test_the_same_share_replaces_its_own_file(tmp_path: Path) -> None:
    for value in (1.0, 2.0):
        write_part(tmp_path, "path", ["a", "b"], {"y": np.full(2, value)})
    (file,) = tmp_path.glob("*.parquet")
    assert pq.read_table(file).column("y").to_pylist() == [2.0, 2.0]


def test_keys_are_read_and_leftovers_removed(tmp_path: Path) -> None:
    write_part(tmp_path, "path", ["a"], {"y": np.zeros(1)})
    write_part(tmp_path, "path", ["b", "c"], {"y": np.zeros(2)})
    (tmp_path / ".part-1.abc.parquet").write_bytes(b"PAR1 half")
    assert read_keys(tmp_path, "path") == {"a", "b", "c"}
    assert not list(tmp_path.glob(".part*"))


def test_another_ones_parquet_is_named(tmp_path: Path) -> None:
    (tmp_path / "part-x.parquet").write_bytes(b"no parquet")
    with pytest.raises(DataError, match=r"part-x\.parquet"):
        read_keys(tmp_path, "path")
