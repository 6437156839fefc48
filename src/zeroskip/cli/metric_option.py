"""What ``--metric`` names: a metric of the package, or a function of the user's."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import Any

import typer

_FORM = "expected MODULE:FUNCTION, for example mymetrics:accuracy, or file.py:accuracy"


def metric_of(text: str) -> Any:
    """Return the metric that is meant.

    Args:
        text: A name, or ``MODULE:FUNCTION``; modules of the present folder are found, and so is a file.

    Returns:
        The name; or the function, or the metric object, of that name.

    Raises:
        BadParameter: If it is no name of a metric and no ``MODULE:FUNCTION``.
        CalibrationError: If there is no such module or function, or importing it fails.
    """
    from ..errors import CalibrationError

    module_name, colon, name = text.rpartition(":")
    if not colon:
        return _known(text)
    if not module_name or not name:
        raise typer.BadParameter(f"--metric is {text!r}, {_FORM}")
    module = _module(module_name, text)
    if not hasattr(module, name):
        raise CalibrationError(f"--metric {text}: '{module_name}' has no '{name}'; {_FORM}")
    found = getattr(module, name)
    if not callable(found) and not hasattr(found, "information_loss") and not hasattr(found, "metric"):
        raise CalibrationError(f"--metric {text}: it is a {type(found).__name__}, no function of outputs and targets")
    return found


def _known(name: str) -> str:
    from ..calibration.judging.metric import METRICS, is_known

    if not is_known(name):
        raise typer.BadParameter(f"--metric is '{name}', known are {', '.join(METRICS)}, and MODULE:FUNCTION")
    return name


def _module(name: str, text: str) -> Any:
    from ..errors import CalibrationError

    try:
        if not name.endswith(".py"):
            folder = str(Path.cwd())
            if folder not in sys.path:
                sys.path.insert(0, folder)
            return importlib.import_module(name)
        spec = importlib.util.spec_from_file_location(Path(name).stem, name)
        if spec is None or spec.loader is None or not Path(name).is_file():
            raise CalibrationError(f"--metric {text}: there is no file '{name}'")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    except CalibrationError:
        raise
    except Exception as error:  # whatever a user's module raises
        raise CalibrationError(f"--metric {text}: importing '{name}' raised {type(error).__name__}: {error}") from error
    return module
