"""Checkpoints of a fine-tuning run: everything needed to go on as if it had never stopped, bit for bit."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import ModelError, RecipeError
from ..files import atomic_path
from .module_files import read_tensors
from .recipe import Recipe

State = dict[str, Tensor]
_VERSION = 2


def snapshot(model: nn.Module) -> State:
    """Return a copy of a model's parameters and buffers."""
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def save_checkpoint(path: str | os.PathLike[str], recipe: Recipe, content: dict[str, Any]) -> None:
    """Write a checkpoint; the file appears whole or not at all.

    Args:
        path: File to create or replace.
        recipe: Of the run.
        content: Tensors, numbers, strings and containers of them.

    Raises:
        OSError: If it cannot be written.
    """
    with atomic_path(path) as temporary:
        torch.save({"version": _VERSION, "recipe": recipe.model_dump_json(), **content}, temporary)


def load_checkpoint(path: str | os.PathLike[str], recipe: Recipe) -> dict[str, Any]:
    """Read a checkpoint of the same recipe. Only data are read: the file cannot run code.

    Args:
        path: Written by :func:`save_checkpoint`.
        recipe: Of the run that goes on.

    Raises:
        RecipeError: If the file is no checkpoint, or one of another recipe; the message names what differs.
    """
    name = Path(path).name
    try:
        content = read_tensors(Path(path), f"checkpoint '{name}'")
    except ModelError as error:
        raise RecipeError(str(error)) from error
    if not isinstance(content, dict) or content.get("version") != _VERSION or "recipe" not in content:
        raise RecipeError(f"'{name}' is not a checkpoint of this version of zeroskip.torch.finetune")
    with damage_reported(path):
        differences = Recipe.model_validate_json(content["recipe"]).differences(recipe)
    if differences:
        words = ", ".join(f"{field} {theirs!r} (now {mine!r})" for field, (theirs, mine) in differences.items())
        raise RecipeError(f"checkpoint '{name}' is of another recipe: {words}. Resume with that, or delete the file")
    return content


@contextmanager
def damage_reported(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn what comes of wrong content of a checkpoint into a RecipeError that names the file."""
    try:
        yield
    except RecipeError:
        raise
    except Exception as error:  # tensors of other shapes, missing keys, strings for numbers: whatever was written
        reason = (str(error).strip().splitlines() or [""])[0]
        raise RecipeError(
            f"checkpoint '{Path(path).name}' is damaged ({type(error).__name__}: {reason}); delete it to start anew"
        ) from error


def restore(model: nn.Module, state: State) -> None:
    """Put a snapshot into a model.

    Raises:
        RecipeError: If it is of another model.
    """
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise RecipeError(f"the checkpoint is of another model: {error}") from error


def seed_everything(seed: int) -> None:
    """Seed the generators of torch, NumPy and Python."""
    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 (augmentations of users draw from it)
    random.seed(seed)


def generator_states() -> dict[str, Any]:
    """Return where the global generators stand, in types that :func:`load_checkpoint` can read."""
    _, keys, position, has_gauss, gauss = np.random.get_state()  # noqa: NPY002
    version, numbers, next_gauss = random.getstate()
    states: dict[str, Any] = {
        "torch": torch.get_rng_state(),
        "numpy": [torch.from_numpy(np.asarray(keys).astype(np.int64)), int(position), int(has_gauss), float(gauss)],
        "python": [version, list(numbers), next_gauss],
    }
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state_all()
    return states


def set_generator_states(states: dict[str, Any]) -> None:
    """Put the global generators where they stood."""
    torch.set_rng_state(states["torch"])
    keys, position, has_gauss, gauss = states["numpy"]
    np.random.set_state(("MT19937", keys.numpy().astype(np.uint32), position, has_gauss, gauss))  # noqa: NPY002
    version, numbers, next_gauss = states["python"]
    random.setstate((version, tuple(numbers), next_gauss))
    if "cuda" in states and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(states["cuda"])
