"""The package as a whole: its names, and what importing it costs."""

from __future__ import annotations

import subprocess
import sys

import pytest

import zeroskip.onnx


@pytest.mark.parametrize("name", zeroskip.onnx.__all__)
def test_every_public_name_resolves(name: str) -> None:
    assert getattr(zeroskip.onnx, name).__doc__
    assert name in dir(zeroskip.onnx)


def test_unknown_name() -> None:
    with pytest.raises(AttributeError, match=r"module 'zeroskip.onnx' has no attribute 'absent'"):
        zeroskip.onnx.absent  # noqa: B018


def test_importing_it_loads_no_onnx() -> None:
    code = "import zeroskip.onnx, sys; print([name for name in ('onnx', 'onnx_ir', 'google') if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
