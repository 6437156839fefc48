"""The time of one picture on one processor, stage by stage: read, decode, each engine, write."""

from __future__ import annotations

import io
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import zeroskip as zs
from zeroskip.data import Preprocess
from zeroskip.data.decoder import decode_bytes
from zeroskip.data.pictures import cut
from zeroskip.ray.parts import write_part

BATCH = 16
"""Inputs of one run, as ``zeroskip.ray.score`` has it."""

Run = Callable[[NDArray[Any]], Any]


@dataclass(frozen=True)
class Stage:
    """What one stage takes.

    Args:
        name: Which.
        ms: Of one picture on one processor: median over rounds.
        low_ms: The fastest round.
        high_ms: The slowest.
    """

    name: str
    ms: float
    low_ms: float
    high_ms: float


def engines(models: Mapping[str, Path]) -> dict[str, Run]:
    """Return what runs each engine with one thread, by name.

    Args:
        models: The files ``dense``, ``thresholds`` and ``int8``.
    """
    import onnxruntime as ort
    import openvino as ov

    def ours(file: Path) -> Run:
        session = zs.InferenceSession(file, zs.SessionOptions(intra_op_num_threads=1))
        name = session.get_inputs()[0].name
        return lambda x: session.run(None, {name: x})

    def onnxruntime(file: Path) -> Run:
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        session = ort.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
        return lambda x: session.run(None, {name: x})

    def openvino(file: Path) -> Run:
        settings = {"INFERENCE_NUM_THREADS": 1, "PERFORMANCE_HINT": "LATENCY"}
        if "int8" not in file.name:
            settings["INFERENCE_PRECISION_HINT"] = "f32"
        compiled = ov.Core().compile_model(str(file), "CPU", settings)
        return lambda x: compiled(x)

    return {
        "zeroskip, float32": ours(models["dense"]),
        "zeroskip, float32, thresholds": ours(models["thresholds"]),
        "ONNX Runtime, float32": onnxruntime(models["dense"]),
        "ONNX Runtime, int8": onnxruntime(models["int8"]),
        "OpenVINO, float32": openvino(models["dense"]),
        "OpenVINO, int8": openvino(models["int8"]),
    }


def encode(files: list[Path], side: int) -> list[bytes]:
    """Return pictures as JPEG whose shorter side is ``side``, as data sets for such networks are stored."""
    found = []
    for file in files:
        with Image.open(file) as opened:
            picture = opened.convert("RGB")
        scale = side / min(picture.size)
        picture = picture.resize((round(picture.width * scale), round(picture.height * scale)))
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=90)
        found.append(buffer.getvalue())
    return found


def measure(pictures: list[bytes], preprocess: Preprocess, runs: Mapping[str, Run], rounds: int) -> list[Stage]:
    """Return the stages in their order.

    Args:
        pictures: Encoded; at least ``BATCH``.
        preprocess: How they become inputs, fitted to the model.
        runs: The engines, which take turns in every round.
        rounds: How many.
    """
    batch = pictures[:BATCH]

    def decoded() -> NDArray[Any]:
        arrays = [cut(decode_bytes(one, "picture"), preprocess) for one in batch]
        return np.concatenate([preprocess.normalize(array[None]) for array in arrays])

    x = decoded()
    outputs = next(iter(runs.values()))(x)
    with tempfile.TemporaryDirectory() as folder:

        def read() -> None:
            for number in range(BATCH):
                Path(folder, f"{number}.jpg").read_bytes()

        def write() -> None:
            keys = [str(number) for number in range(BATCH)]
            write_part(Path(folder), "path", keys, {"output": np.asarray(outputs[0])})

        for number, one in enumerate(batch):
            Path(folder, f"{number}.jpg").write_bytes(one)
        stages: dict[str, Callable[[], Any]] = {"read": read, "decode": decoded}
        stages |= {name: lambda run=run: run(x) for name, run in runs.items()}
        stages["write"] = write
        for work in stages.values():
            work()
        times: dict[str, list[float]] = {name: [] for name in stages}
        for _ in range(rounds):
            for name, work in stages.items():
                start = time.perf_counter()
                work()
                times[name].append((time.perf_counter() - start) * 1e3 / BATCH)
    return [Stage(name, float(np.median(found)), min(found), max(found)) for name, found in times.items()]
