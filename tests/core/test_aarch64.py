"""The kernels on another architecture: cross-compiled and run by an emulator."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = ("cmake", "aarch64-linux-gnu-g++", "qemu-aarch64")


def test_kernels_match_the_reference_on_aarch64() -> None:
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    build = ROOT / "build" / "aarch64"
    if not (build / "CMakeCache.txt").exists():  # compiling takes minutes, which this suite does not have
        pytest.skip(".ci/aarch64 has not been run here: it makes build/aarch64, which this test renews")
    launcher = {"CMAKE_CXX_COMPILER_LAUNCHER": "ccache"} if shutil.which("ccache") else {}
    run = subprocess.run(
        [ROOT / ".ci" / "aarch64", build],
        env={**os.environ, **launcher},
        capture_output=True,
        text=True,
        check=False,
        timeout=1800,
    )
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-4000:]
    for isa in ("generic", "neon", "neondot", "neoni8mm"):
        assert f"{isa}: " in run.stdout
    assert "100% tests passed" in run.stdout
