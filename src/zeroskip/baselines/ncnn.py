"""ncnn, with the model converted by pnnx and all reduced-precision paths off."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import ncnn
import numpy as np
from numpy.typing import NDArray

from ..errors import EngineError
from .engine import Engine, Feed, ModelContent, Precision, Shapes, content_of

_CONVERSION_TIMEOUT_S = 300
# ncnn stores and computes in half precision by default wherever it can.
_REDUCED_PRECISION = (
    "use_fp16_packed",
    "use_fp16_storage",
    "use_fp16_arithmetic",
    "use_bf16_packed",
    "use_bf16_storage",
    "use_int8_inference",
)


class NcnnEngine(Engine):
    """ncnn; a batch is run picture by picture, which is not slower than its own batches.

    Args:
        threads: Size of its OpenMP team.
        precision: ``"f32"``.
    """

    name = "ncnn"

    def __init__(self, threads: int, precision: Precision) -> None:
        self.threads = threads
        self.precision = precision

    @property
    def version(self) -> str:
        """Version of the ncnn package."""
        return str(ncnn.__version__)

    @property
    def description(self) -> str:
        """The settings that decide its speed."""
        return f"{self.threads} threads, fp16 and bf16 off, Winograd on, batch as a loop"

    def load(self, model: ModelContent, input_shapes: Shapes) -> None:
        """Convert and prepare a model, see :class:`Engine`.

        Raises:
            EngineError: If pnnx cannot convert the model or ncnn cannot load the result.
        """
        self._names = tuple(input_shapes)
        self._net = ncnn.Net()
        self._net.opt.num_threads = self.threads
        for option in _REDUCED_PRECISION:
            if hasattr(self._net.opt, option):  # newer releases have more of them
                setattr(self._net.opt, option, False)
        with tempfile.TemporaryDirectory() as folder:
            _convert(Path(folder), model, input_shapes)
            param, weights = (str(Path(folder) / f"model.ncnn.{kind}") for kind in ("param", "bin"))
            if self._net.load_param(param) or self._net.load_model(weights):
                raise EngineError("ncnn cannot load what pnnx made of the model: it has operators ncnn lacks")
        self._inputs, self._outputs = self._net.input_names(), self._net.output_names()

    def run(self, feed: Feed) -> list[NDArray[Any]]:
        """Run the model once, see :class:`Engine`.

        Raises:
            EngineError: If a layer fails.
        """
        arrays = [feed[name] for name in self._names]
        samples = [self._run_sample([array[index] for array in arrays]) for index in range(len(arrays[0]))]
        return [np.stack(values) for values in zip(*samples, strict=True)]

    def _run_sample(self, inputs: list[NDArray[np.float32]]) -> list[NDArray[Any]]:
        extractor = self._net.create_extractor()
        for name, value in zip(self._inputs, inputs, strict=True):
            extractor.input(name, ncnn.Mat(value))
        outputs = []
        for name in self._outputs:
            status, value = extractor.extract(name)
            if status:
                raise EngineError(f"ncnn cannot compute output '{name}' (status {status})")
            outputs.append(np.array(value))
        return outputs


def _convert(folder: Path, model: ModelContent, input_shapes: Shapes) -> None:
    """Write ``model.ncnn.param`` and ``model.ncnn.bin`` into the folder, for batches of one."""
    source = folder / "model.onnx"
    source.write_bytes(content_of(model))
    # ncnn counts axes without the batch, so that a converted Reshape is right for a batch of one only.
    shapes = ",".join(f"[{','.join(map(str, (1, *shape[1:])))}]f32" for shape in input_shapes.values())
    command = [str(_converter()), str(source), f"inputshape={shapes}", "fp16=0"]
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_CONVERSION_TIMEOUT_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EngineError(f"pnnx cannot be run: {error}") from error
    if done.returncode or not (folder / "model.ncnn.param").is_file():
        last = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise EngineError(f"pnnx cannot convert the model (exit code {done.returncode}): {' '.join(last)}")


def _converter() -> Path:
    """Return pnnx's program inside its package, which is not imported: that would need torch."""
    spec = importlib.util.find_spec("pnnx")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        program = Path(folder) / "pnnx"
        if os.access(program, os.X_OK):
            return program
    raise EngineError("the pnnx package holds no program for this platform")
