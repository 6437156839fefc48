"""Finding the network that a command line names: a function that makes it, and a file of weights."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..errors import ModelError
from ..files import open_ordinary
from .user_code import reports

_HOW = (
    "expected MODULE:FUNCTION, a function that returns the network; weights come from a file of their own (--weights). "
    "Files of whole modules are not read: that would run whatever code they name"
)


def load_module(name: str) -> nn.Module:
    """Return the network that a function makes.

    Args:
        name: ``module:function`` for a function without arguments that returns a module, looked for in the working
            folder too.

    Raises:
        ModelError: If there is no such function, or it gives no module.
    """
    module_name, colon, function = name.partition(":")
    if not colon or not module_name or not function:
        raise ModelError(f"there is no model '{name}': {_HOW}")
    factory = find_attribute(name)
    with reports(f"'{name}'", ModelError):
        model = factory() if callable(factory) and not isinstance(factory, nn.Module) else factory
    if not isinstance(model, nn.Module):
        raise ModelError(f"'{name}' gave a {type(model).__name__}, expected a torch.nn.Module")
    return model


def find_attribute(name: str) -> Any:
    """Return what ``module:attribute`` names, looked for in the working folder too.

    Raises:
        ModelError: If there is none, or the module cannot be imported.
    """
    module_name, _, attribute = name.partition(":")
    folder = os.getcwd()
    sys.path.insert(0, folder)
    try:
        return getattr(importlib.import_module(module_name), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ModelError(f"cannot find '{name}': {error}") from error
    except SystemExit as error:
        raise ModelError(f"the module '{module_name}' ends the program when it is imported: {error}") from error
    except Exception as error:  # it runs the module's own code, which may raise anything
        with reports(f"importing '{module_name}'", ModelError):
            raise
        raise AssertionError from error
    finally:
        if folder in sys.path:
            sys.path.remove(folder)


def load_weights(model: nn.Module, path: str | os.PathLike[str]) -> None:
    """Load weights into a network; those of the dense network fit after :func:`replace_relu` too.

    Args:
        model: The network.
        path: File with a state dict, or a checkpoint that holds one under ``"state_dict"`` or ``"model"``.

    Raises:
        ModelError: If the file cannot be read, or is of another network.
    """
    path = Path(path)
    content = read_tensors(path, f"weights '{path}'")
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


def read_tensors(path: Path, what: str) -> Any:
    """Return tensors and plain values out of a file of ``torch.save``, without running code.

    Args:
        path: The file.
        what: How a message calls it.

    Raises:
        ModelError: If it cannot be read, or holds more than tensors and plain values.
    """
    try:
        with open_ordinary(path) as stream:
            return torch.load(stream, weights_only=True, map_location="cpu")
    except Exception as error:  # a damaged file raises anything, from OSError to what the unpickler makes of it
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise ModelError(f"cannot read {what}: {reason[0]}") from error
