"""Imports go one way, and importing the package stays cheap."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

import zeroskip

PACKAGE = Path(zeroskip.__file__).parent

LAYERS: tuple[tuple[str, ...], ...] = (
    (
        "_core",
        "errors",
        "extras",
        "files",
        "intervals",
        "fitted_table",
        "gain",
        "isotonic",
        "journal",
        "metrics",
        "progress",
        "saved_value",
        "short_repr",
        "staging",
        "system",
        "tabular",
        "text",
    ),
    ("thresholds",),
    ("data", "onnx"),
    ("engine",),
    ("learning", "onnxruntime"),
    ("analysis", "calibration", "conformance"),
    ("baselines", "bench", "verification"),
    ("optimize_result", "pipeline", "precisions", "ray", "report", "serve", "summary", "torch"),
    ("cli",),
)
"""A module may import from its own layer and from those above it in this list."""

HEAVY = ("torch", "onnxruntime", "matplotlib", "onnx", "onnx_ir", "onnxscript", "openvino", "ncnn", "PIL")


def layer_of(module: str) -> int:
    return next(index for index, layer in enumerate(LAYERS) if module in layer)


def top_level_modules() -> list[str]:
    files = [path.stem for path in PACKAGE.glob("*.py") if not path.stem.startswith("__")]
    return sorted(files + [path.parent.name for path in PACKAGE.glob("*/__init__.py")])


def imports_of(path: Path) -> set[str]:
    """Return the top-level modules of the package that a file imports, also inside functions."""
    package = ["zeroskip", *path.relative_to(PACKAGE).parent.parts]
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1]
            target = [*base, *(node.module.split(".") if node.module else ())]
            found |= {".".join([*target, alias.name]) for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name.split(".")[1] for name in found if name.startswith("zeroskip.")}


def test_every_module_has_a_layer() -> None:
    known = {module for layer in LAYERS for module in layer}
    assert set(top_level_modules()) <= known, "give the new module its place in LAYERS"


@pytest.mark.parametrize("module", top_level_modules())
def test_imports_go_one_way(module: str) -> None:
    path = PACKAGE / f"{module}.py"
    files = [path] if path.exists() else sorted((PACKAGE / module).rglob("*.py"))
    for file in files:
        for imported in imports_of(file) & {name for layer in LAYERS for name in layer}:
            assert layer_of(imported) <= layer_of(module), f"{file.name} imports {imported}, which is above it"


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = f"import sys, zeroskip; print([name for name in {HEAVY!r} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_importing_the_package_is_quick() -> None:
    """Quicker than importing NumPy, which it puts off: processor time, the best of several, on the same machine."""

    def seconds(module: str) -> float:
        code = f"import time; start = time.process_time(); import {module}; print(time.process_time() - start)"
        run = partial(subprocess.run, [sys.executable, "-c", code], capture_output=True, text=True, check=True)
        return min(float(run().stdout) for _ in range(5))

    assert seconds("zeroskip") < seconds("numpy")


TESTS = Path(__file__).parent
ELSEWHERE = {
    "benchmarks": "the scripts beside the package",
    "core": "the C++ core, by what it computes",
    "fuzz": "campaigns",
    "misuse": "the command line as careless hands use it",
    "parity": "whole networks against ONNX Runtime",
    "soak": "long life",
}
"""Folders of tests that mirror no folder of the package."""
WHOLE_WAY = frozenset(
    {
        "baselines/test_engines.py",
        "calibration/test_resume.py",
        "cli/test_commands.py",
        "cli/test_errors.py",
        "cli/test_external_data.py",
        "cli/test_output.py",
        "conformance/test_node_suite.py",
        "engine/mixed/test_islands.py",
        "engine/plan/lowering/test_odd_geometry.py",
        "engine/test_exit.py",
        "engine/test_fork.py",
        "engine/test_large_models.py",
        "engine/test_properties.py",
        "engine/test_session_memory.py",
        "engine/test_session_threads.py",
        "engine/test_wrong_input.py",
        "onnx/test_conformance.py",
        "onnx/test_front_end.py",
        "onnx/test_models.py",
        "onnx/test_random_networks.py",
        "onnxruntime/test_packages.py",
        "test_dependencies.py",
        "test_deploy.py",
        "test_docs.py",
        "test_documents.py",
        "test_examples.py",
        "test_layering.py",
        "test_methods_with_islands.py",
        "test_no_pickle.py",
        "test_public_names.py",
        "test_sizes.py",
        "test_smoke.py",
    }
)
"""Tests of a whole room, or of what several modules do together."""


def test_tests_mirror_the_package() -> None:
    """A test of a module stands where the module does, under its name."""
    lost = []
    for file in sorted(TESTS.rglob("test_*.py")):
        path = file.relative_to(TESTS)
        subject = PACKAGE / path.parent / path.stem.removeprefix("test_")
        is_there = subject.is_dir() or subject.with_suffix(".py").exists()
        if not is_there and path.parts[0] not in ELSEWHERE and path.as_posix() not in WHOLE_WAY:
            lost.append(path.as_posix())
    assert lost == [], "move them beside their modules' names, or say that they are of the whole way"
    assert all((TESTS / path).exists() for path in WHOLE_WAY)
