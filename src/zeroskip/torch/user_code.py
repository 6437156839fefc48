"""What a user's own code raises, said in our words: which part failed, on what, where."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor

from ..errors import ZeroskipError


@contextmanager
def reports(what: str, kind: type[ZeroskipError], details: Callable[[], str] | None = None) -> Iterator[None]:
    """Raise whatever a user's code raises as an error of ours; errors of ours stay what they are.

    Args:
        what: The part that runs, for example ``"the loss"``.
        kind: Class of the error.
        details: Says what it was given; called only if it fails.

    Raises:
        ZeroskipError: Of that class.
    """
    try:
        yield
    except ZeroskipError:
        raise
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        reason = str(error).strip().splitlines() or [""]
        given = f" on {details()}" if details is not None else ""
        place = f"{last.filename}, line {last.lineno}"
        raise kind(f"{what} failed{given}: {type(error).__name__}: {reason[0]} ({place})") from error


def describe(value: Any) -> str:
    """Return what a value is, with shape and dtype of tensors.

    Example:
        >>> import torch
        >>> describe((torch.zeros(2, 3), None))
        '(float32 [2, 3], None)'
    """
    if isinstance(value, Tensor):
        return f"{str(value.dtype).removeprefix('torch.')} {list(value.shape)}"
    if isinstance(value, tuple | list):
        return f"({', '.join(describe(item) for item in value)})"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{name}: {describe(item)}' for name, item in value.items())}}}"
    return "None" if value is None else type(value).__name__
