"""Every listed kernel has an oracle; those in C++ are run here: against plain loops, once per instruction set."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LISTS = ROOT / "cpp" / "kernels" / "list"
FAMILIES = ("conv", "gemm", "winograd")
# Families whose kernels a C++ test takes from the list file itself, kernel by kernel.
LISTED = {"spconv": "conv", "dconv": "conv", "gemm": "gemm"}
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
        "f32_mask",
    ],
    "test_layout.py": ["f32_planar_to_nhwc", "f32_nhwc_to_planar"],
    "test_normalization.py": ["f32_softmax", "f32_lrn"],
    "test_pool.py": ["f32_max_pool", "f32_avg_pool", "f32_global_max_pool", "f32_global_avg_pool"],
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


def listed_kernels() -> dict[str, tuple[str, str]]:
    """Return family and function type of every kernel of the list files, by name."""
    kernels = {}
    for path in LISTS.glob("*.inc"):
        if path.stem == "probe":  # computes nothing, only takes time
            continue
        for function, name in re.findall(r"^ZS_KERNEL\((\w+), (\w+)\)", path.read_text(), re.MULTILINE):
            kernels[name] = (path.stem, function)
    return kernels


def checked_types(program: str) -> set[str]:
    """Return the function types for which a C++ test has a check; a type without one does not compile."""
    source = (ROOT / "cpp" / "tests" / f"{program}_kernels_test.cc").read_text()
    return set(re.findall(r"operator\(\)\(const char\* name, (\w+) kernel\)", source))


def test_every_listed_kernel_has_an_oracle() -> None:
    kernels = listed_kernels()
    assert len(kernels) > 50
    by_operator = {name for names in BY_OPERATOR.values() for name in names}
    for name, (family, function) in kernels.items():
        in_cpp = family in LISTED and function in checked_types(LISTED[family])
        assert in_cpp or name in by_operator, f"{name} ({family}.inc) has no oracle test: see LISTED and BY_OPERATOR"
    assert by_operator <= set(kernels), "a kernel is named here that no list file has"


@pytest.mark.parametrize("file", BY_OPERATOR)
def test_the_tests_of_operators_run_on_every_instruction_set(file: str) -> None:
    assert "isa: str" in (Path(__file__).parent / file).read_text()


@pytest.mark.parametrize("family", FAMILIES)
def test_kernels_match_the_reference(family: str) -> None:
    program = f"{family}_kernels_test"
    programs = [path for path in (ROOT / "build").glob(f"*/{program}") if path.parent.name != "aarch64"]
    if not programs:
        pytest.skip(f"build with -DZEROSKIP_BUILD_TESTS=ON (make test does) to get {program}")
    newest = max(programs, key=lambda path: path.stat().st_mtime)
    run = subprocess.run([newest], capture_output=True, text=True, check=False, timeout=1200)
    assert run.returncode == 0, run.stdout + run.stderr
    assert " 0 failures" in run.stdout
