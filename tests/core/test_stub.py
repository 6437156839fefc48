"""The type stub in the package describes the compiled module: same names, same signatures."""

from __future__ import annotations

import ast
from pathlib import Path

import zeroskip
from zeroskip import _core

STUB = Path(zeroskip.__file__).with_name("_core.pyi")


def public(names: object) -> set[str]:
    return {name for name in dir(names) if not name.startswith("_")}


def stub_classes() -> dict[str, set[str]]:
    """Names in the stub: at top level under "", and inside every class."""
    tree = ast.parse(STUB.read_text())
    classes = {node.name: node.body for node in tree.body if isinstance(node, ast.ClassDef)}
    names = {"": {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}}
    for name, body in classes.items():
        functions = {node.name for node in body if isinstance(node, ast.FunctionDef)}
        names[name] = {function for function in functions if not function.startswith("_")}
    return names


def test_the_stub_names_everything_public() -> None:
    names = stub_classes()
    assert names[""] == public(_core)
    assert names["Program"] == public(_core.Program)
    assert names["WeightStore"] == public(_core.WeightStore)


def test_program_takes_what_the_stub_says() -> None:
    (signature,) = [
        [argument.arg for argument in node.args.args]
        for group in ast.parse(STUB.read_text()).body
        if isinstance(group, ast.ClassDef) and group.name == "Program"
        for node in group.body
        if isinstance(node, ast.FunctionDef) and node.name == "__init__"
    ]
    documented = _core.Program.__init__.__doc__ or ""
    assert documented.startswith("__init__(self, ")
    assert all(f"{argument}: " in documented for argument in signature[1:])
