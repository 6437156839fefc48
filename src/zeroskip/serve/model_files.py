"""Which models a server is to have: files named on the command line, or a folder of models and their versions."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..errors import ServeError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_VERSION = re.compile(r"[0-9]{1,18}")


@dataclass(frozen=True)
class ModelFile:
    """A model to serve.

    Args:
        name: What clients call it.
        version: A number, as text.
        path: The ONNX file.
    """

    name: str
    version: str
    path: Path


def find_models(arguments: Iterable[str]) -> list[ModelFile]:
    """Return the models that arguments of the command line name.

    Args:
        arguments: ``FILE``, ``NAME=FILE``, or a folder with ``NAME/VERSION/model.onnx`` (or any one ONNX file there) or
            ``NAME.onnx``.

    Raises:
        ServeError: If something is not there, two have one name and version, or a name cannot stand in an address.
    """
    found = [item for argument in arguments for item in _models_of(argument)]
    if not found:
        raise ServeError("no model to serve: name an ONNX file, or a folder with NAME/VERSION/model.onnx in it")
    seen: dict[tuple[str, str], Path] = {}
    for item in found:
        if not _NAME.fullmatch(item.name):
            raise ServeError(f"'{item.path}': a model cannot be called {item.name!r}; name it by NAME=FILE")
        if (other := seen.setdefault((item.name, item.version), item.path)) is not item.path:
            raise ServeError(f"'{other}' and '{item.path}' are both version {item.version} of '{item.name}'")
    return found


def _models_of(argument: str) -> list[ModelFile]:
    path = Path(argument)
    if path.is_dir():
        return _models_in(path)
    name, equals, rest = argument.partition("=")
    if not path.exists() and equals:
        path = Path(rest)
    else:
        name = path.stem
    if not path.is_file():
        raise ServeError(f"'{path}' is no file and no folder")
    return [ModelFile(name, "1", path)]


def _models_in(folder: Path) -> list[ModelFile]:
    found = []
    for item in sorted(folder.iterdir()):
        if item.is_dir():
            versions = [child for child in item.iterdir() if child.is_dir() and _VERSION.fullmatch(child.name)]
            found += [ModelFile(item.name, child.name, _only_model(child)) for child in sorted(versions)]
        elif item.suffix == ".onnx":
            found.append(ModelFile(item.stem, "1", item))
    return found


def _only_model(folder: Path) -> Path:
    files = sorted(folder.glob("*.onnx"))
    named = [file for file in files if file.name == "model.onnx"] or files
    if len(named) != 1:
        raise ServeError(f"'{folder}' has {len(files)} ONNX files; expected 'model.onnx' or one only")
    return named[0]
