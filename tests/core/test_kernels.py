"""Runs the C++ tests of the microkernels: each against the scalar reference, once per instruction set."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

BUILDS = Path(__file__).parents[2] / "build"


@pytest.mark.parametrize("family", ["conv", "winograd"])
def test_kernels_match_the_reference(family: str) -> None:
    name = f"{family}_kernels_test"
    programs = sorted(BUILDS.glob(f"*/{name}"), key=lambda path: path.stat().st_mtime)
    if not programs:
        pytest.skip(f"build with -DZEROSKIP_BUILD_TESTS=ON (make test does) to get {name}")
    run = subprocess.run([programs[-1]], capture_output=True, text=True, check=False, timeout=600)
    assert run.returncode == 0, run.stdout + run.stderr
    assert " 0 failures" in run.stdout
