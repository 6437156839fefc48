"""Learnt: what block-wise learning gives for one price, and its form in a journal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..journal import Arrays
from ..onnx import LayerWeights
from ..thresholds import Threshold

_THRESHOLD, _WEIGHT, _BIAS, _ERROR = "threshold ", "weight ", "bias ", "error "
_PRICE, _INPUTS = "price", "inputs"


@dataclass(frozen=True)
class Learnt:
    """What block-wise learning gives for one price.

    Attributes:
        price: Of density, in units of relative squared error.
        thresholds: By activation, float32 ``[C]``.
        layers: Weights by layer.
        errors: Relative squared error of each block with thresholds, by its last node.
        inputs: Inputs it was learnt from.
    """

    price: float
    thresholds: Mapping[str, Threshold]
    layers: Mapping[str, LayerWeights]
    errors: Mapping[str, float]
    inputs: int

    def to_arrays(self) -> Arrays:
        """Return all of it as arrays, numbered, since names may hold anything."""
        kinds = (
            (_THRESHOLD, self.thresholds),
            (_WEIGHT, {name: layer.weight for name, layer in self.layers.items()}),
            (_BIAS, {name: layer.bias for name, layer in self.layers.items()}),
            (_ERROR, self.errors),
        )
        named = [(kind + name, np.asarray(value)) for kind, values in kinds for name, value in values.items()]
        arrays = {f"value{number}": value for number, (_, value) in enumerate(named)}
        names = np.array([name for name, _ in named], np.str_)
        return arrays | {"names": names, _PRICE: np.array(self.price), _INPUTS: np.array(self.inputs)}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Learnt:
        """Return what :meth:`to_arrays` was made from."""
        named = {str(name): arrays[f"value{number}"] for number, name in enumerate(arrays["names"])}

        def of(kind: str) -> dict[str, np.ndarray]:
            return {name.removeprefix(kind): value for name, value in named.items() if name.startswith(kind)}

        weights, biases = of(_WEIGHT), of(_BIAS)
        return cls(
            price=float(arrays[_PRICE]),
            thresholds={name: value if value.ndim else float(value) for name, value in of(_THRESHOLD).items()},
            layers={name: LayerWeights(weight, biases[name]) for name, weight in weights.items()},
            errors={name: float(value) for name, value in of(_ERROR).items()},
            inputs=int(arrays[_INPUTS]),
        )
