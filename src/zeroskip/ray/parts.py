"""The folder of results: Parquet files that appear whole, and what is in them already."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..files import atomic_path

_PATTERN = "part-*.parquet"


def write_part(folder: Path, key: str, keys: Sequence[str], outputs: Mapping[str, NDArray[Any]]) -> Path:
    """Write the results of some inputs as one file, whose name follows from their keys.

    So a share that is scored twice, because a worker died after it had written, replaces its own file.

    Args:
        folder: Where to.
        key: Name of the column of keys.
        keys: One for each row.
        outputs: Output name to array ``[N, ...]``; a column holds each row flat, the shape stands in its metadata.

    Returns:
        The file.

    Raises:
        OutputError: If it cannot be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns, fields = [pa.array(keys, pa.string())], [pa.field(key, pa.string())]
    for name, array in outputs.items():
        flat = np.ascontiguousarray(array).reshape(len(keys), -1)
        values = pa.array(flat.reshape(-1))
        is_scalar = array.ndim == 1
        column = values if is_scalar else pa.FixedSizeListArray.from_arrays(values, flat.shape[1])
        columns.append(column)
        fields.append(pa.field(name, column.type, metadata={"shape": "x".join(map(str, array.shape[1:]))}))
    digest = hashlib.sha256("\n".join(keys).encode()).hexdigest()[:24]
    path = folder / f"part-{digest}.parquet"
    with atomic_path(path) as temporary:
        pq.write_table(pa.Table.from_arrays(columns, schema=pa.schema(fields)), temporary)
    return path


def read_keys(folder: Path, key: str) -> set[str]:
    """Return the keys of everything that has results in a folder; what a killed worker left half-written is removed.

    Args:
        folder: The folder of results; it may be missing.
        key: Name of the column of keys.

    Raises:
        DataError: If a file there is no such part.
    """
    import pyarrow.parquet as pq

    for leftover in folder.glob("." + _PATTERN):
        leftover.unlink()
    done: set[str] = set()
    for path in sorted(folder.glob(_PATTERN)):
        try:
            done.update(pq.read_table(path, columns=[key]).column(key).to_pylist())
        except Exception as error:  # pyarrow's errors have no common base
            raise DataError(f"'{path}' holds no results by '{key}': {error}") from error
    return done
