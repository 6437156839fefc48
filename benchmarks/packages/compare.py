"""Runs a program on both runtimes and compares what it returned."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .child import STAND_IN, version_of

REAL = "onnxruntime"
_ROOT = Path(__file__).resolve().parents[2]
_TOLERANCE = 1e-3
_SECONDS = 600


@dataclass(frozen=True)
class Comparison:
    """What one program gave on both.

    Args:
        name: Of the package.
        version: Of its distribution.
        difference: The largest, as a fraction of the largest value.
        sessions: For every session of the stand-in: ``"native"``, ``"in parts"`` or ``"island"``.
    """

    name: str
    version: str
    difference: float
    sessions: tuple[str, ...]


def is_installed(name: str) -> bool:
    """Tell whether a package is there, without importing it."""
    try:
        return importlib.util.find_spec(name if name != "optimum" else "optimum.onnxruntime") is not None
    except ModuleNotFoundError:  # not even what it is a part of
        return False


def compare(name: str, folder: Path) -> Comparison:
    """Run a program twice.

    Args:
        name: Of the program.
        folder: An empty folder.

    Raises:
        ImportError: If the package is installed without what it needs.
        RuntimeError: If it fails, with what it wrote.
        AssertionError: If the results differ.
    """
    for runtime in (REAL, STAND_IN):
        _run(name, runtime, folder)
    paths = (folder / f"{runtime}.npz" for runtime in (REAL, STAND_IN))
    expected, got = (np.load(path, allow_pickle=False) for path in paths)
    with expected, got:
        assert set(expected) == set(got)
        differences = [_difference(f"{name}: {key}", expected[key], got[key]) for key in expected]
    facts = json.loads((folder / f"{STAND_IN}.json").read_text())
    assert facts["sessions"], f"{name} made no session of the stand-in"
    return Comparison(name, version_of(name), max(differences), tuple(facts["sessions"]))


def _difference(what: str, expected: np.ndarray, got: np.ndarray) -> float:
    assert expected.shape == got.shape, f"{what}: shape {got.shape}, expected {expected.shape}"
    if expected.dtype.kind in "US":
        assert (expected == got).all(), f"{what}: {got}, expected {expected}"
        return 0.0
    assert expected.size, f"{what} is empty"
    if expected.dtype == np.uint8:  # a picture: rounding may cost one level
        assert np.abs(expected.astype(int) - got.astype(int)).max() <= 1, f"{what}: differs by more than one level"
        return float(np.abs(expected.astype(float) - got.astype(float)).max()) / 255
    scale = float(np.abs(expected).max()) or 1.0
    difference = float(np.abs(expected.astype(float) - got.astype(float)).max()) / scale
    assert difference <= _TOLERANCE, f"{what}: differs by {difference:.2g} of the largest value"
    return difference


def _run(name: str, runtime: str, folder: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.packages.child", name, runtime, str(folder)]
    paths = os.pathsep.join([str(_ROOT), *filter(None, sys.path)])
    environment = {**os.environ, "PYTHONPATH": paths, "ORT_DISABLE_TELEMETRY": "1", "HF_HUB_OFFLINE": "1"}
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=_SECONDS)
    if runtime == REAL and "ModuleNotFoundError" in result.stderr:
        raise ImportError(f"{name} is installed without what it needs: {result.stderr.strip().splitlines()[-1]}")
    if result.returncode != 0:
        raise RuntimeError(f"{name} fails on {runtime}:\n{result.stdout[-2000:]}\n{result.stderr[-4000:]}")
