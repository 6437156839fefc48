"""Quantise a network twice, without and with thresholds, and print a row of the table in ``docs/precision.md``.

``python -m benchmarks.precision.run MODEL PICTURES PRESET [--inputs 400] [--max-drop 0.01]``
"""

from __future__ import annotations

import argparse
from pathlib import Path

import zeroskip as zs
from zeroskip.data import image_folder


def main() -> None:
    """Print the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("preset")
    parser.add_argument("--inputs", type=int, default=400)
    parser.add_argument("--max-drop", type=float, default=0.01)
    parser.add_argument("--without-thresholds", action="store_true")
    asked = parser.parse_args()
    data = image_folder(asked.pictures, asked.preset).subset(asked.inputs)
    options = zs.CalibrationOptions(max_drop=asked.max_drop, costs="model", measure_seconds=0.0)
    print(_row(asked.model.stem, "int8", zs.quantize(asked.model, data, options=options)), flush=True)
    if not asked.without_thresholds:
        found = zs.calibrate(asked.model, data, options=options)
        result = zs.quantize(asked.model, data, thresholds=found.thresholds, options=options)
        print(_row(asked.model.stem, f"int8 with thresholds ({result.strength:g})", result), flush=True)


def _row(network: str, what: str, result: zs.QuantizationResult) -> str:
    score = result.holdout
    interval = "" if score.interval is None else f" ({score.interval[0]:.2%} to {score.interval[1]:.2%})"
    likely = "" if score.likely_drop is None else f"{score.likely_drop:.2%}"
    return (
        f"| {network} | {what} | {result.metric} {score.baseline:.2%} -> {score.optimized:.2%} | "
        f"{score.drop:.2%}{interval} | {likely} | {score.samples} | {len(result.float_layers)} of {result.layers} |"
    )


if __name__ == "__main__":
    main()
