"""Packages run unmodified on the stand-in, and compute what they compute on ONNX Runtime."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytest.importorskip("onnxruntime")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the programs are not part of the package

from benchmarks.packages.compare import compare, is_installed
from benchmarks.packages.programs import PROGRAMS


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_package_computes_the_same(name: str, tmp_path: Path) -> None:
    if not is_installed(name):
        pytest.skip(f"the package of '{name}' is not installed: pip install 'zeroskip[packages]' has the light ones")
    try:
        found = compare(name, tmp_path)
    except ImportError as error:
        pytest.skip(str(error))
    assert found.sessions
