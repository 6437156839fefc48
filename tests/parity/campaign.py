"""Random networks through the whole engine, on every instruction set, against ONNX Runtime.

``cd tests; python -m parity.campaign FIRST LAST [--isa ISA]`` runs the networks of more seeds than the
tests do and ends with 1 if one was refused or differed. A network follows from its seed.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections import Counter
from collections.abc import Iterator

import numpy as np
import onnx
import onnx.parser
import onnxruntime as ort

import zeroskip as zs
from random_edges import EDGE_STEPS
from random_networks import ENGINE_STEPS, Array, network
from zeroskip.engine.native import core
from zeroskip.engine.options import ISAS

TOLERANCE = 1e-4
"""Largest difference that is rounding, relative to the largest output."""
_OPSETS = (7, 9, 10, 11, 13, 17, 18, 18, 18, 20, 21)
_INPUTS = 3
_STEPS = (*ENGINE_STEPS, *EDGE_STEPS)


class NoReferenceError(Exception):
    """ONNX Runtime does not run a network, so there is nothing to compare with."""


def random_model(seed: int) -> tuple[bytes, tuple[int, int, int, int]]:
    """Return the network of a seed, with open batch and image size, and the shape of its input."""
    source = random.Random(seed)
    shape = (source.choice((1, 2, 3)), source.choice((1, 3, 16, 20)), source.randint(5, 15), source.randint(5, 15))
    opset = source.choice(_OPSETS)
    body, output, constants = network(source.choice, _STEPS, shape, opset)
    graph = onnx.parser.parse_graph(f"g (float[N, {shape[1]}, H, W] x) => (float[n] {output}) {{ {body} }}")
    graph.output[0].type.tensor_type.ClearField("shape")
    _rename_sizes(graph, source.choice(("", "", "?", "-1")))
    graph.initializer.extend(onnx.numpy_helper.from_array(array, name) for name, array in constants.items())
    opsets = [onnx.helper.make_opsetid("", opset)]
    return onnx.helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString(), shape


def _rename_sizes(graph: onnx.GraphProto, name: str) -> None:
    """Write the size of the image as some exporters do."""
    for dim in graph.input[0].type.tensor_type.shape.dim[2:] if name else ():
        if name == "-1":
            dim.dim_value = -1
        else:
            dim.dim_param = name


def differences(seed: int, isas: tuple[str, ...]) -> Iterator[tuple[str, float]]:
    """Yield, for every instruction set, the largest difference relative to the largest output.

    In front of a threshold, rounding may flip an element from 0 to the threshold. That hits one input in a thousand; so
    several inputs are tried, and the median counts.

    Raises:
        NoReferenceError: If ONNX Runtime does not run the network.
    """
    model, shape = random_model(seed)
    inputs = [np.random.default_rng([seed, i]).standard_normal(shape, np.float32) for i in range(_INPUTS)]
    expected = _expected(model, inputs)
    for isa in isas:
        session = zs.InferenceSession(model, zs.SessionOptions(isa=isa, intra_op_num_threads=1 + seed % 2))
        pairs = [(session.run(None, {"x": x})[0], y) for x, y in zip(inputs, expected, strict=True)]
        yield isa, float(np.median([_difference(got, want) for got, want in pairs]))


def _expected(model: bytes, inputs: list[Array]) -> list[Array]:
    """Return what ONNX Runtime computes without optimising the graph, which breaks some networks."""
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 4
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        reference = ort.InferenceSession(model, options)
        return [reference.run(None, {"x": x})[0] for x in inputs]
    except Exception as error:
        raise NoReferenceError(str(error)) from error


def _difference(got: Array, want: Array) -> float:
    assert (got.shape, got.dtype) == (want.shape, want.dtype), f"{got.shape}, expected {want.shape}"
    np.testing.assert_array_equal(np.isfinite(got), np.isfinite(want))
    got, want = (np.nan_to_num(array, nan=0.0, posinf=0.0, neginf=0.0) for array in (got, want))
    return float(np.abs(got - want).max(initial=0.0)) / max(float(np.abs(want).max(initial=0.0)), 1e-6)


def run(first: int, last: int, isas: tuple[str, ...]) -> Counter[str]:
    """Run the networks of seeds, print what is found, and return how many ended how."""
    outcomes: Counter[str] = Counter()
    for seed in range(first, last):
        outcome = "equal"
        try:
            for isa, difference in differences(seed, isas):
                if difference >= TOLERANCE:
                    outcome = "different"
                    print(f"seed {seed}, {isa}: differs by {difference:.1e}", flush=True)
        except NoReferenceError as error:
            outcome = "refused by ONNX Runtime"
            print(f"seed {seed}: ONNX Runtime: {' '.join(str(error).split())[:300]}", flush=True)
        except Exception as error:
            outcome = "failed"
            print(f"seed {seed}: {type(error).__name__}: {' '.join(str(error).split())[:300]}", flush=True)
        outcomes[outcome] += 1
    return outcomes


def main() -> int:
    """Run a campaign; return 1 if it found something."""
    supported = tuple(isa for isa in ISAS if isa in core().isas_supported())
    parser = argparse.ArgumentParser(prog="python -m parity.campaign", description=__doc__)
    parser.add_argument("first", type=int)
    parser.add_argument("last", type=int)
    parser.add_argument("--isa", choices=supported, help="one instruction set; by default all")
    arguments = parser.parse_args()
    isas = (arguments.isa,) if arguments.isa else supported
    outcomes = run(arguments.first, arguments.last, isas)
    found = ", ".join(f"{count} {name}" for name, count in outcomes.most_common())
    print(f"seeds {arguments.first} to {arguments.last - 1} on {', '.join(isas)}: {found}")
    return 0 if set(outcomes) <= {"equal", "refused by ONNX Runtime"} else 1


if __name__ == "__main__":
    sys.exit(main())
