"""Random networks through the whole engine, on every instruction set: what ONNX Runtime computes.

``PYTHONPATH=tests python -m parity.test_random_networks FIRST LAST`` runs the networks of more seeds.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator

import numpy as np
import onnx
import onnx.parser
import onnxruntime as ort
import pytest

import zeroskip as zs
from random_networks import ENGINE_STEPS, Array, network
from zeroskip.engine.native import core
from zeroskip.engine.options import ISAS

SEEDS = 40
_TOLERANCE = 1e-4
_INPUTS = 3


def random_model(seed: int) -> tuple[bytes, tuple[int, int, int, int]]:
    """Return the network of a seed, with open batch and image size, and the shape of its input."""
    source = random.Random(seed)
    shape = (source.choice((1, 2, 3)), source.choice((1, 3, 16, 20)), source.randint(5, 15), source.randint(5, 15))
    body, output, constants = network(source.choice, ENGINE_STEPS, shape)
    graph = onnx.parser.parse_graph(f"g (float[N, {shape[1]}, H, W] x) => (float[n] {output}) {{ {body} }}")
    graph.output[0].type.tensor_type.ClearField("shape")
    graph.initializer.extend(onnx.numpy_helper.from_array(array, name) for name, array in constants.items())
    opset = [onnx.helper.make_opsetid("", 18)]
    return onnx.helper.make_model(graph, opset_imports=opset, ir_version=10).SerializeToString(), shape


def differences(seed: int, isas: tuple[str, ...]) -> Iterator[tuple[str, float]]:
    """Yield, for every instruction set, the largest difference relative to the largest output.

    In front of a threshold, rounding may flip an element from 0 to the threshold. That hits one input in a thousand; so
    several inputs are tried, and the median counts.
    """
    model, shape = random_model(seed)
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 4
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    reference = ort.InferenceSession(model, options)
    inputs = [np.random.default_rng([seed, i]).standard_normal(shape, np.float32) for i in range(_INPUTS)]
    expected = [reference.run(None, {"x": x})[0] for x in inputs]
    for isa in isas:
        session = zs.InferenceSession(model, zs.SessionOptions(isa=isa, intra_op_num_threads=1 + seed % 2))
        pairs = [(session.run(None, {"x": x})[0], y) for x, y in zip(inputs, expected, strict=True)]
        yield isa, float(np.median([_difference(got, want) for got, want in pairs]))


def _difference(got: Array, want: Array) -> float:
    assert (got.shape, got.dtype) == (want.shape, want.dtype)
    np.testing.assert_array_equal(np.isfinite(got), np.isfinite(want))
    return float(np.abs(got - want).max(initial=0.0)) / max(float(np.abs(want).max(initial=0.0)), 1e-6)


@pytest.mark.parametrize("isa", ISAS)
def test_random_networks_compute_what_onnxruntime_computes(isa: str) -> None:
    if isa not in core().isas_supported():
        pytest.skip(f"this CPU or build has no {isa}")
    for seed in range(SEEDS):
        for _, difference in differences(seed, (isa,)):
            assert difference < _TOLERANCE, f"seed {seed}"


def main(first: int, last: int) -> None:
    isas = tuple(isa for isa in ISAS if isa in core().isas_supported())
    for seed in range(first, last):
        try:
            for isa, difference in differences(seed, isas):
                if difference >= _TOLERANCE:
                    print(f"seed {seed}, {isa}: differs by {difference:.1e}", flush=True)
        except Exception as error:
            print(f"seed {seed}: {type(error).__name__}: {str(error)[:300]}", flush=True)
    print(f"{last - first} networks on {', '.join(isas)}")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
