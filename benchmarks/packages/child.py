"""Runs one program in a process of its own: ``python -m benchmarks.packages.child NAME RUNTIME FOLDER``.

Writes ``RUNTIME.npz`` with what the program returned and ``RUNTIME.json`` with what ran its models.
"""

from __future__ import annotations

import importlib.metadata
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

STAND_IN = "zeroskip"


def main(name: str, runtime: str, folder: Path) -> None:
    """Run a program and leave its results in the folder."""
    sessions: list[Any] = []
    if runtime == STAND_IN:
        from zeroskip import onnxruntime

        _record(onnxruntime.InferenceSession, sessions)
        onnxruntime.install()
    from .programs import PROGRAMS

    begin = time.perf_counter()
    results = PROGRAMS[name](folder)
    facts = {"seconds": time.perf_counter() - begin, "sessions": [_way(item) for item in sessions]}
    np.savez(folder / f"{runtime}.npz", **{key: np.asarray(value) for key, value in results.items()})
    (folder / f"{runtime}.json").write_text(json.dumps(facts))


def version_of(name: str) -> str:
    """Return the version of the distribution that a program uses."""
    distribution = {"optimum": "optimum-onnx", "piper": "piper-tts"}.get(name, name.replace("_", "-"))
    return importlib.metadata.version(distribution)


def _record(kind: Any, sessions: list[Any]) -> None:
    initialize = kind.__init__

    def record(self: Any, *arguments: Any, **options: Any) -> None:
        initialize(self, *arguments, **options)
        sessions.append(self)

    kind.__init__ = record


def _way(session: Any) -> str:
    """Tell whether a model was run natively, in parts, or by ONNX Runtime as a whole."""
    if not session.explain_islands():
        return "native"
    return "in parts" if session.activations() and any(item.consumers for item in session.activations()) else "island"


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
