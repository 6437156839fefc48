"""The curve of accuracy against speed as files: the points as JSON, and a picture where matplotlib is installed."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

from ..calibration import CalibrationResult
from ..calibration.sentences import metric_words
from ..files import atomic_path, atomic_write_text

# Without the salt the file would differ from run to run on the same numbers.
_STYLE: dict[Any, Any] = {"svg.hashsalt": "zeroskip", "font.size": 10}
_PICTURES = (".png", ".svg")


def save_curve(calibration: CalibrationResult, path: Path) -> tuple[Path, ...]:
    """Write the curve of a calibration as JSON, and draw it beside that.

    Args:
        calibration: With a curve.
        path: The JSON file; or, if its suffix is ``.png`` or ``.svg``, the picture: the JSON then gets ``.json``.

    Returns:
        What was written: the points, and the picture unless matplotlib is missing.

    Raises:
        OSError: If a file cannot be written.
    """
    picture = path if path.suffix in _PICTURES else path.with_suffix(".svg")
    points = path.with_suffix(".json") if path.suffix in _PICTURES else path
    atomic_write_text(points, json.dumps(_as_dict(calibration), indent=2) + "\n")
    if importlib.util.find_spec("matplotlib") is None:
        return (points,)
    _draw(calibration, picture)
    return points, picture


def _as_dict(calibration: CalibrationResult) -> dict[str, Any]:
    return {
        "metric": calibration.metric,
        "strategy": calibration.strategy,
        "compensation": calibration.options.compensation,
        "model_sha256": calibration.thresholds.model_sha256,
        "data": calibration.thresholds.data,
        "holdout_samples": calibration.holdout.samples,
        "points": [point.model_dump(mode="json") for point in calibration.curve],
    }


def _draw(calibration: CalibrationResult, path: Path) -> None:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    efficient = [point for point in calibration.curve if point.is_efficient]
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(6.0, 4.0), layout="constrained")
        axes = figure.add_subplot()
        axes.plot(*_places(calibration.curve), "o", color="0.7", label="tried")
        axes.plot(*_places(efficient), marker="o", label="efficient")
        if calibration.max_drop is not None:
            axes.axhline(100 * calibration.max_drop, color="tab:red", linewidth=0.8, label="budget")
        words = metric_words(calibration.metric)
        axes.set_xlabel("predicted speed-up over the model as it is")
        axes.set_ylabel(f"drop in points: {words}, held-out inputs")
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
        with atomic_path(path) as temporary:
            figure.savefig(temporary, metadata={"Date": None} if path.suffix == ".svg" else None)


def _places(points: Any) -> tuple[list[float], list[float]]:
    return [point.predicted_speedup for point in points], [100 * point.holdout.drop for point in points]
