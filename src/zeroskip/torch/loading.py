"""Finding the module that a command line names: a function that makes it, or a file that holds it."""

from __future__ import annotations

import importlib
import os
import pickle
import sys
from pathlib import Path

import torch
from torch import nn

from ..errors import ModelError

_HOW = "expected MODULE:FUNCTION (it returns the network), or a file that torch.save(model, FILE) wrote"


def load_module(
    name: str, *, weights: str | os.PathLike[str] | None = None, allow_pickle: bool = False
) -> nn.Module:
    """Return a network and load weights into it.

    Args:
        name: ``module:function`` for a function without arguments that returns a module, looked for in the working
            folder too; or a file of a whole module.
        weights: File with a state dict, or a checkpoint that holds one under ``"state_dict"`` or ``"model"``.
        allow_pickle: Whether ``name`` may be a file: reading a whole module runs code that the file names.

    Raises:
        ModelError: If there is no such function or file, it gives no module, or the weights are of another network.
    """
    module_name, colon, function = name.partition(":")
    if colon and not Path(name).exists():
        model = _made(module_name, function)
    elif Path(name).is_file():
        model = _unpickled(Path(name), allow_pickle)
    else:
        raise ModelError(f"there is no model '{name}': {_HOW}")
    if weights is not None:
        _load_weights(model, Path(weights))
    return model


def _made(module_name: str, function: str) -> nn.Module:
    folder = os.getcwd()
    sys.path.insert(0, folder)
    try:
        factory = getattr(importlib.import_module(module_name), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise ModelError(f"cannot find '{module_name}:{function}': {error}") from error
    finally:
        sys.path.remove(folder)
    model = factory() if callable(factory) else factory
    if not isinstance(model, nn.Module):
        raise ModelError(f"'{module_name}:{function}' gave a {type(model).__name__}, expected a torch.nn.Module")
    return model


def _unpickled(path: Path, allow_pickle: bool) -> nn.Module:
    if not allow_pickle:
        raise ModelError(
            f"'{path}' may hold a whole module, and reading that runs code the file names. If you trust it: "
            "--allow-pickle. Safer: MODULE:FUNCTION with --weights FILE"
        )
    try:
        model = torch.load(path, weights_only=False, map_location="cpu")
    except (OSError, RuntimeError, pickle.UnpicklingError, EOFError, AttributeError, ImportError) as error:
        raise ModelError(f"cannot read '{path}' as a torch module: {error}") from error
    if not isinstance(model, nn.Module):
        raise ModelError(
            f"'{path}' holds a {type(model).__name__}, not a module: name the network as MODULE:FUNCTION and give "
            "this file as --weights"
        )
    return model


def _load_weights(model: nn.Module, path: Path) -> None:
    try:
        content = torch.load(path, weights_only=True, map_location="cpu")
    except (OSError, RuntimeError, pickle.UnpicklingError, EOFError, ValueError) as error:
        raise ModelError(f"cannot read weights '{path}': {error}") from error
    for key in ("state_dict", "model"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict):
        raise ModelError(f"weights '{path}' hold a {type(content).__name__}, expected a state dict")
    # DataParallel and DDP write "module." before every name.
    if content and all(str(name).startswith("module.") for name in content):
        content = {str(name).removeprefix("module."): value for name, value in content.items()}
    try:
        model.load_state_dict(content)
    except RuntimeError as error:
        raise ModelError(f"weights '{path}' are of another network: {error}") from error
