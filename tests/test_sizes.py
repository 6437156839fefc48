"""No file, function or class grows beyond what one can take in: the limits that CONTRIBUTING.md names."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("src", "tests", "benchmarks", "examples", "tools", "cpp")
FILE_LINES = 400
FUNCTION_LINES = 60
"""Of its body: a signature that spells out options, and the docstring that explains them, are read otherwise."""
PRIVATE_METHODS = 15

PYTHON = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
CPP = sorted(path for suffix in ("*.cc", "*.h") for path in (ROOT / "cpp").rglob(suffix))
_HIDDEN = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|\\\n', re.DOTALL)
_SCOPE = re.compile(r"\b(namespace|class|struct|enum|union|extern)\b")


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def python_functions(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Yield each function's name and the lines of its body without the docstring."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body
            yield node.name, body[-1].end_lineno - body[0].lineno + 1 if body else 0


def cpp_functions(source: str) -> Iterator[tuple[str, int]]:
    """Yield each function's head and the lines between its braces; lambdas are part of the function around them."""
    text = _HIDDEN.sub(lambda found: "\n" * found.group().count("\n"), source)
    text = re.sub(r"^[ \t]*#.*$", "", text, flags=re.MULTILINE)
    scopes: list[tuple[str, int]] = []  # of each open brace: the function whose body it opens, else nothing; the line
    start, line, values = 0, 1, 0
    for position, character in enumerate(text):
        if character == "\n":
            line += 1
        elif values or (character == "{" and not text[position - 1].isspace()):  # as in `a_{1}`: no scope
            values += {"{": 1, "}": -1}.get(character, 0)
        elif character == "{":
            head = " ".join(text[start:position].split())
            is_body = ")" in head and not _SCOPE.match(re.sub(r"^template <.*?> (?=struct|class)", "", head))
            inside = any(outer for outer, _ in scopes)
            scopes.append((head if is_body and not inside else "", line))
            start = position + 1
        elif character == "}":
            head, first = scopes.pop()
            if head:
                yield head[-60:], line - first - 1
            start = position + 1
        elif character == ";":
            start = position + 1


def test_no_file_is_longer_than_one_can_take_in() -> None:
    sizes = {path.relative_to(ROOT): len(path.read_text(encoding="utf-8").splitlines()) for path in [*PYTHON, *CPP]}
    assert len(sizes) > 400
    assert {str(path): lines for path, lines in sizes.items() if lines > FILE_LINES} == {}


def test_no_python_function_is_longer_than_a_screen() -> None:
    long = {
        f"{path.relative_to(ROOT)}: {name}": lines
        for path in PYTHON
        for name, lines in python_functions(tree_of(path))
        if lines > FUNCTION_LINES
    }
    assert long == {}


def test_no_cpp_function_is_longer_than_a_screen() -> None:
    long = {
        f"{path.relative_to(ROOT)}: {head}": lines
        for path in CPP
        for head, lines in cpp_functions(path.read_text(encoding="utf-8"))
        if lines > FUNCTION_LINES
    }
    assert long == {}


def private_methods(node: ast.ClassDef) -> list[str]:
    return [item.name for item in node.body if isinstance(item, ast.FunctionDef) and re.match(r"_(?!_)", item.name)]


def test_no_public_class_has_many_private_methods() -> None:
    many = {
        f"{path.relative_to(ROOT)}: {node.name}": private_methods(node)
        for path in PYTHON
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_") and path.is_relative_to(ROOT / "src")
    }
    assert {name: private for name, private in many.items() if len(private) > PRIVATE_METHODS} == {}


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("int one() { return 1; }", [-1]),
        ("namespace a {\nstruct S {\n  int two() const {\n    // {\n    return 1;\n  }\n};\n}", [2]),
        (
            "template <typename T>\nvoid f(T x) {\n  run([&](int i) {\n    x(i);\n  });\n}\nint g(int a = {}) {\n}",
            [3, 0],
        ),
        ("S::S(int a)\n    : a_(a), b_{1} {\n  check();\n}", [1]),
        ("constexpr int kTable[] = {1,\n2};\nusing F = void (*)(int);\nint x{3};", []),
    ],
)
def test_functions_of_cpp_are_found(source: str, lines: list[int]) -> None:
    assert [count for _, count in cpp_functions(source)] == lines
