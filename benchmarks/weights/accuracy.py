"""What storing weights in 16 bits costs in accuracy, against the same network with float32 weights.

python -m benchmarks.weights.accuracy model.onnx --data photos/ --preprocess caffe-bgr
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from zeroskip import InferenceSession, SessionOptions
from zeroskip.data import PRESETS, Dataset, Preprocess, image_folder
from zeroskip.engine.options import WEIGHT_STORAGES
from zeroskip.engine.show.table import format_table
from zeroskip.metrics import agreement, is_probability, kl_divergence, relative_difference, top1

from ..models.networks.graph import FloatArray


def outputs_of(model: Path, weight_storage: str, data: Dataset) -> FloatArray:
    """Return the first output on all inputs, float32 ``[N, classes]``."""
    session = InferenceSession(model, SessionOptions(weight_storage=weight_storage))
    name = session.get_inputs()[0].name
    rows = [session.run(None, {name: x})[0] for x, _ in data.batches(8)]
    return np.concatenate(rows).reshape(len(data), -1)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    options = _parser().parse_args(arguments)
    shape = InferenceSession(options.model).get_inputs()[0].shape
    data = image_folder(options.data, Preprocess.preset(options.preprocess).fitted_to(shape))
    reference = outputs_of(options.model, "float32", data)
    rows = []
    for storage in WEIGHT_STORAGES:
        outputs = outputs_of(options.model, storage, data)
        divergence = kl_divergence(reference, outputs, probabilities=is_probability(reference))
        rows.append(
            [
                storage,
                "-" if data.labels is None else f"{top1(outputs, data.labels):.1%}",
                f"{agreement(reference, outputs):.1%}",
                f"{divergence:.1e}",
                f"{relative_difference(reference, outputs):.1e}",
            ]
        )
    header = ["weights", "top-1", "agreement", "KL, nats", "difference"]
    sys.stdout.write(f"{options.model.name}, {len(data)} inputs\n" + format_table(header, rows, header[1:]) + "\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.weights.accuracy", description="Compare outputs by weight storage."
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="folder of pictures")
    parser.add_argument("--preprocess", choices=list(PRESETS), default="imagenet")
    return parser


if __name__ == "__main__":
    sys.exit(main())
