"""No pickle is ever loaded from a file of the user's: unpickling runs whatever code the file asks for."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]

_MODULES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
_DEMANDED = {"numpy.load": ("allow_pickle", False), "torch.load": ("weights_only", True)}
_FORBIDDEN = {"numpy.fromfile", "pandas.read_pickle"}


def files() -> list[Path]:
    folders = ("src", "benchmarks", "examples")
    return sorted(file for folder in folders for file in (REPOSITORY / folder).rglob("*.py"))


def names(tree: ast.Module) -> dict[str, str]:
    """Return what every imported name stands for, in full."""
    known = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for item in node.names:
                known[item.asname or item.name.partition(".")[0]] = (
                    item.name if item.asname else item.name.partition(".")[0]
                )
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for item in node.names:
                known[item.asname or item.name] = f"{node.module}.{item.name}"
    return known


def full_name(node: ast.expr, known: dict[str, str]) -> str:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([known.get(node.id, node.id), *reversed(parts)]) if isinstance(node, ast.Name) else ""


def problems(source: str) -> Iterator[str]:
    """Yield what a source does that could load a pickle."""
    tree = ast.parse(source)
    known = names(tree)
    for name in known.values():
        if name.partition(".")[0] in _MODULES:
            yield f"imports {name}"
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = full_name(node.func, known)
        if name in _FORBIDDEN:
            yield f"line {node.lineno} calls {name}"
        if name in _DEMANDED:
            keyword, value = _DEMANDED[name]
            given = [item.value for item in node.keywords if item.arg == keyword]
            if not (len(given) == 1 and isinstance(given[0], ast.Constant) and given[0].value is value):
                yield f"line {node.lineno} calls {name} without {keyword}={value}"


def test_no_source_loads_pickles() -> None:
    assert len(files()) > 100
    found = {str(path.relative_to(REPOSITORY)): list(problems(path.read_text())) for path in files()}
    assert {path: what for path, what in found.items() if what} == {}


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from pickle import loads",
        "import numpy as np\nnp.load('x.npy')",
        "import numpy as np\nnp.load('x.npy', allow_pickle=True)",
        "from numpy import load as read\nread('x.npz')",
        "import numpy as np\nnp.load('x.npy', allow_pickle=flag)",
        "import torch\ntorch.load('x.pt')",
        "import torch\ntorch.load('x.pt', weights_only=False)",
        "def f():\n    import joblib",
    ],
)
def test_the_test_finds_them(source: str) -> None:
    assert len(list(problems(source))) == 1


def test_what_is_safe_passes() -> None:
    safe = (
        "import numpy as np, torch\nnp.load('x', allow_pickle=False)\ntorch.load('x', weights_only=True)\njson.load(x)"
    )
    assert list(problems(safe)) == []
