"""Every listed kernel has an oracle; those in C++ are run here: against plain loops, once per instruction set."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from zeroskip import _core
from zeroskip.engine.data_types import DATA_TYPES
from zeroskip.engine.options import ISAS

ROOT = Path(__file__).parents[2]
LISTS = ROOT / "cpp" / "kernels" / "list"
FAMILIES = ("bconv", "conv", "gemm", "qconv", "winograd")
# Families whose kernels a C++ test takes from the list file itself, kernel by kernel.
LISTED = {"spconv": "conv", "dconv": "conv", "gemm": "gemm", "qconv": "qconv", "bconv": "bconv"}
# Kernels that no C++ test takes from the list, and the test of their operator, against numpy on every instruction set.
BY_OPERATOR = {
    "test_conv.py": ["f32_conv_init", "f32_conv_epilogue", "f32_mask_popcount"],
    "test_depthwise.py": [
        "f32_dwconv_ukernel_8x16",
        "f32_dwconv_ukernel_8x16_3s1",
        "f32_dwconv_ukernel_8x16_3s2",
        "f32_dwconv_ukernel_8x16_5s1",
        "f32_dwconv_ukernel_8x16_5s2",
    ],
    "test_pointwise.py": [
        "f32_add",
        "f32_mul",
        "f32_affine",
        "f32_fatrelu",
        "f32_clip",
        "f32_sigmoid",
        "f32_hardsigmoid",
        "f32_hardswish",
        "f32_tanh",
        *(
            f"f32_{kind}"
            for kind in (
                *("exp", "log", "sqrt", "abs", "reciprocal", "erf", "gelu", "gelu_tanh", "softplus", "softsign"),
                *("elu", "celu", "mish", "floor", "ceil", "round", "sign", "sin", "cos", "prelu"),
            )
        ),
        "f32_mask",
    ],
    "test_layout.py": ["f32_planar_to_nhwc", "f32_nhwc_to_planar"],
    "test_normalization.py": [
        *("f32_softmax", "f32_lrn", "f32_reduce_row", "f32_reduce_columns", "f32_normalize_row", "f32_moments"),
    ],
    "test_recurrence.py": [
        *("f32_lstm_cell", "f32_gru_cell", "f32_gru_reset", "f32_gru_update", "f32_rnn_tanh", "f32_rnn_relu"),
    ],
    "test_broadcast.py": [
        *(f"f32_broadcast_{kind}" for kind in ("add", "sub", "mul", "div", "max", "min", "pow", "prelu")),
        *(f"f32_broadcast_{kind}" for kind in ("greater", "greater_equal", "equal", "quotient", "select")),
    ],
    "test_pool.py": ["f32_max_pool", "f32_avg_pool", "f32_global_max_pool", "f32_global_avg_pool"],
    "test_moved_types.py": [
        *(f"{dtype}_{kind}" for dtype in ("bf16", "u8") for kind in ("mask", "planar_to_nhwc", "nhwc_to_planar")),
        "bf16_max_pool",
        "u8_max_pool",
    ],
    "test_quantize.py": ["f32_quantize", "u8_dequantize"],
    "test_quantized_pointwise.py": ["u8_s8w_qdwconv", "u8_qadd", "u8_qsum"],
    "test_resize.py": ["f32_resize_linear"],
    # Besides winograd_kernels_test, which calls all four together.
    "test_winograd.py": [
        "f32_winograd_input",
        "f32_winograd4_output",
        "f32_winograd4_weights",
        "f32_winograd_gemm_ukernel",
    ],
    "test_first_layers.py": ["f32_winograd3_output", "f32_winograd3_weights"],
}


@dataclass(frozen=True)
class Row:
    """A row of a list file; the columns are explained in cpp/kernels/kernel_types.h."""

    family: str
    kind: str
    input: str
    weight: str
    accumulator: str
    output: str
    rows: str
    columns: str
    isa: str
    function: str
    name: str


def listed_kernels() -> dict[str, Row]:
    """Return the rows of the list files by the kernel's name."""
    kernels = {}
    for path in LISTS.glob("*.inc"):
        for columns in re.findall(r"^ZS_KERNEL\((.+)\)$", path.read_text(), re.MULTILINE):
            row = Row(path.stem, *columns.split(", "))
            kernels[row.name] = row
    return kernels


def listed_isas() -> list[str]:
    """Return the instruction sets of isa.inc, weakest first."""
    return re.findall(r"^ZS_ISA_ROW\(\w+, (\w+),", (LISTS / "isa.inc").read_text(), re.MULTILINE)


def checked_types(program: str) -> set[str]:
    """Return the function types for which a C++ test has a check; a type without one does not compile."""
    source = (ROOT / "cpp" / "tests" / f"{program}_kernels_test.cc").read_text()
    return set(re.findall(r"operator\(\)\(const char\* name, (\w+) kernel\)", source))


def test_every_listed_kernel_has_an_oracle() -> None:
    kernels = listed_kernels()
    assert len(kernels) > 50
    by_operator = {name for names in BY_OPERATOR.values() for name in names}
    for name, row in kernels.items():
        if row.family == "probe":  # computes nothing, only takes time
            continue
        in_cpp = row.family in LISTED and row.function in checked_types(LISTED[row.family])
        where = f"{name} ({row.family}.inc)"
        assert in_cpp or name in by_operator, f"{where} has no oracle test: see LISTED and BY_OPERATOR"
    assert by_operator <= set(kernels), "a kernel is named here that no list file has"


def test_the_columns_are_words_that_exist() -> None:
    types = {*DATA_TYPES, "none"}
    for row in listed_kernels().values():
        assert {row.input, row.weight, row.accumulator, row.output} <= types, row
        assert row.isa in ("all", *listed_isas()), row
        assert row.rows.isdigit(), row
        assert row.columns.isdigit(), row


def test_no_two_kernels_have_the_same_columns() -> None:
    """Or a lookup would find either."""
    rows = listed_kernels().values()
    columns = [replace(row, family="", function="", name="") for row in rows]
    assert len(set(columns)) == len(columns)
    functions = {row.kind: row.function for row in rows}
    assert all(functions[row.kind] == row.function for row in rows), "a kind has one function type"


def test_a_name_says_what_the_columns_say() -> None:
    for row in listed_kernels().values():
        types = {"float32": "f32"}
        elements = types.get(row.input, row.input if row.input != "none" else "f32")
        weights = "" if row.weight in ("none", row.input, "float32") else f"{row.weight}w_"
        kind, _, form = row.kind.partition("_") if row.kind.startswith("dwconv") else (row.kind, "", "")
        tile = row.rows if row.columns == "0" else f"{row.rows}x{row.columns}"
        kernel = f"_ukernel_{tile}" if row.rows != "0" else ""
        name = f"{elements}_{weights}{kind}{kernel}" + (f"_{form}" if form else "")
        assert row.name in (name, f"{name}_ukernel"), f"{row.name}: the columns say {name}"


def test_only_the_list_knows_what_an_instruction_set_is() -> None:
    """Names, CPU features, lanes: cmake and the core read them from isa.inc."""
    assert set(_core.isas_compiled()) <= set(listed_isas())
    assert set(listed_isas()) == set(ISAS)
    known = re.compile(r"avx|neon|kGeneric|lzcnt|bmi2", re.IGNORECASE)
    folders = [ROOT / "cpp", ROOT / "cmake"]
    files = [path for suffix in ("cc", "h", "cmake") for folder in folders for path in folder.rglob(f"*.{suffix}")]
    for path in files:
        if path.parent.name == "tests":
            continue
        for line in path.read_text().splitlines():
            code = line.split("//")[0].split("#  ")[0]
            is_header = "arm_neon.h" in code  # the intrinsics of an architecture
            is_comment = path.suffix == ".cmake" and code.lstrip().startswith("#")
            assert is_header or is_comment or not known.search(code), f"{path.name}: {line}"


@pytest.mark.parametrize("file", BY_OPERATOR)
def test_the_tests_of_operators_run_on_every_instruction_set(file: str) -> None:
    assert "isa: str" in (Path(__file__).parent / file).read_text()


def test_an_instruction_set_with_a_parent_differs_in_one_family_only() -> None:
    pattern = r"^ZS_ISA_ROW\(\w+, (\w+), (\w+), (\w+), (\w+), (\d+), (\d+), (ZS_TILES\([\d, ]+\)), "
    rows = {row[0]: row[1:] for row in re.findall(pattern, (LISTS / "isa.inc").read_text(), re.MULTILINE)}
    assert list(rows) == listed_isas()
    for isa, (architecture, parent, family, *widths) in rows.items():
        if parent == "none":
            assert family == "all", isa
            continue
        assert list(rows).index(parent) < list(rows).index(isa), "weakest first"
        assert rows[parent][0] == architecture, isa
        assert rows[parent][3:] == tuple(widths), f"{isa} reads what {parent} packs"
        assert (LISTS / f"{family}.inc").exists(), isa


def run_built(program: str) -> str:
    """Run a C++ test where the package has been built, not for other compilers or sanitizers; return what it prints."""
    programs = list((ROOT / "build").glob(f"cp*/{program}"))
    if not programs:
        pytest.skip(f"build with -DZEROSKIP_BUILD_TESTS=ON (make test does) to get {program}")
    newest = max(programs, key=lambda path: path.stat().st_mtime)
    run = subprocess.run([newest], capture_output=True, text=True, check=False, timeout=1200)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


@pytest.mark.parametrize("family", FAMILIES)
def test_kernels_match_the_reference(family: str) -> None:
    assert " 0 failures" in run_built(f"{family}_kernels_test")


def test_every_instruction_set_has_every_kernel() -> None:
    """Its own or its parent's; and only those that the CPU lacks are refused."""
    assert "; 0 failures" in run_built("registry_test")
