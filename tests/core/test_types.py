"""Element types: one table in two languages, and no size of an element written out elsewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from zeroskip.engine.data_types import CHANNEL_BLOCK_BYTES, DATA_TYPES, FLOAT32
from zeroskip.engine.plan.types import TensorSpec

ROOT = Path(__file__).parents[2]
CPP, ENGINE = ROOT / "cpp", ROOT / "src" / "zeroskip" / "engine"

COMPUTES_IN_FLOAT32 = (
    "base/weight_store",  # AlignedFloats
    "ops/activation",
    "ops/arithmetic",
    "ops/broadcast",
    "ops/constant",
    "ops/conv/",
    "ops/epilogue",
    "ops/global_pool",
    "ops/arg_extreme",
    "ops/top_k",
    "ops/linear",
    "ops/lrn",
    "ops/matmul",
    "ops/normalize",
    "ops/packed_weights",
    "ops/pointwise",
    "ops/recurrence",
    "ops/reduce",
    "ops/softmax",
    "ops/move/gather_elements",
    "ops/move/resize",  # the positions; pixels are moved whole
)
"""Sources, outside the kernels, whose business are float32 values."""


def test_both_tables_have_the_same_rows() -> None:
    text = (CPP / "base" / "types.inc").read_text()
    rows = re.findall(r"^ZS_TYPE\(\w+, (\w+), (\d+), (\d+), (\d+), \w+\)", text, re.MULTILINE)
    expected = [(row.name, row.bytes, row.channel_block, row.mask_elements) for row in DATA_TYPES.values()]
    assert [(name, *map(int, numbers)) for name, *numbers in rows] == expected


@pytest.mark.parametrize("name", DATA_TYPES)
def test_a_row_is_consistent(name: str) -> None:
    row = DATA_TYPES[name]
    assert row.bytes == row.numpy_type.itemsize
    assert row.bytes * row.channel_block == CHANNEL_BLOCK_BYTES
    assert row.bytes * row.mask_elements == FLOAT32.bytes


@pytest.mark.parametrize(("name", "padded"), [("float32", 80), ("bf16", 96), ("u8", 128)])
def test_sizes_of_a_tensor(name: str, padded: int) -> None:
    spec = TensorSpec("x", (1, 70, 2, 3), "nhwc", dtype=name)
    assert spec.padded_channels == padded
    assert spec.logical_bytes == 420 * DATA_TYPES[name].bytes


def code_lines(path: Path, comment: str) -> list[tuple[int, str]]:
    """Return numbered lines without comments."""
    lines = path.read_text().splitlines()
    return [(number, line.split(comment)[0]) for number, line in enumerate(lines, start=1)]


def test_core_takes_sizes_from_the_type() -> None:
    """No ``sizeof(float)`` and no bare 4 outside of what computes in float32."""
    for path in sorted(CPP.rglob("*.cc")) + sorted(CPP.rglob("*.h")):
        name = str(path.relative_to(CPP))
        if name.split("/")[0] in ("kernels", "tests", "benchmarks") or name.startswith(COMPUTES_IN_FLOAT32):
            continue
        for number, line in code_lines(path, "//"):
            assert "sizeof(float)" not in line, f"{name}:{number} assumes float32: {line}"
            assert not re.search(r"(?<![\w.])4 \*|\* 4(?![\w.])", line), f"{name}:{number} has a literal 4: {line}"
            assert not re.search(r"reinterpret_cast<(const )?float", line) or "bindings" in name, f"{name}:{number}"


def test_engine_takes_sizes_from_the_type() -> None:
    for path in sorted(ENGINE.rglob("*.py")):
        for number, line in code_lines(path, "#"):
            where = f"{path.name}:{number}: {line}"
            assert not re.search(r"BYTES\w* = 4\b|BYTES_PER_ELEMENT", line), where
            is_fitted = "traffic = 2 * (128 * nr" in line or "(_pad(kernel),) * 4" in line
            assert is_fitted or not re.search(r"(?<![\w.*])4(\.0)? \*(?!\*)|(?<!\*)\* 4(\.0)?\b", line), where
