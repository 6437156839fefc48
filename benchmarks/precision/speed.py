"""Time a network in int8, against other engines on the same QDQ model and against float32, in one interleaved run.

``python -m benchmarks.precision.speed resnet50 [--sparsity 0.8] [--threads 2] [--seconds 10]``

Weights are random (``benchmarks.models``); scales are ONNX Runtime's, from eight photographs. Prints a table and
the ratios with their 95 % intervals.
"""

from __future__ import annotations

import argparse

import numpy as np

from zeroskip.baselines.quantizers import quantize_for
from zeroskip.bench import EngineSpec, bench
from zeroskip.data import PRESETS
from zeroskip.onnx import LoadedModel

from ..models.cases import photographs
from ..models.networks import build
from ..models.sparsify import with_sparsity

_CALIBRATION_PHOTOS = 8
_OURS = "int8"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network")
    parser.add_argument(
        "--sparsity", type=float, help="share of zeros behind every ReLU; by default what random weights give"
    )
    parser.add_argument("--threads", type=int)
    parser.add_argument("--seconds", type=float, default=10.0)
    asked = parser.parse_args()
    photos = photographs(None, PRESETS["imagenet"])
    inputs = [x for x, _ in photos.subset(_CALIBRATION_PHOTOS).batches(1)]
    model = build(asked.network).model
    if asked.sparsity is not None:
        model = with_sparsity(model, np.concatenate(inputs), asked.sparsity)
    name = model.graph.input[0].name
    quantized = quantize_for("onnxruntime", model.SerializeToString(), [{name: x} for x in inputs])[0]
    rows = [
        EngineSpec("zeroskip", _OURS, model=quantized),
        EngineSpec("zeroskip", "float32", model=model.SerializeToString()),
        EngineSpec("onnxruntime", "onnxruntime int8", model=quantized),
        EngineSpec("openvino", "openvino int8", model=quantized),
    ]
    measured = bench(
        LoadedModel.of(quantized), photos, rows, threads=asked.threads, seconds=asked.seconds, tolerance=1e9
    )
    print(measured)
    for row in rows[1:]:
        gain = measured.gain(_OURS, over=row.label)
        print(f"{_OURS} over {row.label}: {gain}")


if __name__ == "__main__":
    main()
