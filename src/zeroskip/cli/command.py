"""The decorator that turns a function with option dataclasses into a command of typer."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any, get_type_hints

from typer.models import OptionInfo

from .options import OutputOptions

_TERMINAL = "terminal"
_ALIASES = {"seconds": "time", "measure_seconds": "time", "intra_op_num_threads": "threads"}
"""Parameters of the library that the commands call otherwise."""

_OUTPUT = "output_options"


def command(function: Callable[..., None]) -> Callable[..., None]:
    """Make a command of a function some of whose parameters are option dataclasses.

    Their fields become options of the command; the function gets them put together again. Its parameter
    ``terminal`` is made from the :class:`OutputOptions`, which every command has, and failures become one
    line and exit code 1.

    Args:
        function: Its parameters are annotated with typer's arguments and options, or with dataclasses whose
            fields are.

    Returns:
        A function whose signature typer understands.
    """
    hints = get_type_hints(function, include_extras=True)
    groups: dict[str, Any] = {name: hint for name, hint in hints.items() if dataclasses.is_dataclass(hint)}
    groups[_OUTPUT] = OutputOptions
    parameters = [
        parameter.replace(annotation=hints[name], kind=inspect.Parameter.KEYWORD_ONLY)
        for name, parameter in inspect.signature(function).parameters.items()
        if name not in groups and name != _TERMINAL
    ]
    parameters += [parameter for group in groups.values() for parameter in _parameters(group)]

    flags = _flags(parameters)

    @functools.wraps(function)
    def wrapper(**arguments: Any) -> None:
        for name, group in groups.items():
            # Popped before the group is stored: a field may have the name of its group.
            values = {field.name: arguments.pop(field.name) for field in dataclasses.fields(group)}
            arguments[f"{name}!"] = group(**values)
        options = {name: arguments.pop(f"{name}!") for name in groups}
        terminal: Any = options.pop(_OUTPUT).terminal()
        terminal.flags = flags
        with terminal.failures(), terminal.warnings():
            function(terminal=terminal, **arguments, **options)

    wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    wrapper.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return wrapper


def _parameters(group: Any) -> list[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    return [
        inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=hints[field.name]
        )
        for field in dataclasses.fields(group)
    ]


def _flags(parameters: Sequence[inspect.Parameter]) -> dict[str, str]:
    """Return the flag of each parameter that is an option, also under the library's own name for it."""
    flags = {}
    for parameter in parameters:
        info = next(iter(getattr(parameter.annotation, "__metadata__", ())), None)
        if isinstance(info, OptionInfo):
            long = [name for name in info.param_decls or () if name.startswith("--")]
            flags[parameter.name] = long[0].split("/")[0] if long else f"--{parameter.name.replace('_', '-')}"
    return flags | {name: flags[known] for name, known in _ALIASES.items() if known in flags}
