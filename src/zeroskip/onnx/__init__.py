"""ONNX front end: reads models, brings them to one canonical form, writes thresholds into them, saves them.

``load_model`` checks and reads; ``prepare`` and ``specialize`` (together ``canonicalize``) rewrite into the
form the planner understands; ``apply_thresholds`` writes FATReLU thresholds into standard ONNX. Nothing here
runs a network. The names below are resolved on first use: importing this package loads neither onnx nor
onnx_ir.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .activation import Activation, activation_keys, activations
    from .branches import add_branches, is_branch
    from .canonical import canonicalize, prepare, specialize
    from .labels import Labels, labels_of
    from .load import load_model
    from .loaded_model import LoadedModel
    from .rewriting import sources
    from .save import save_model, to_bytes
    from .standard_form import to_standard
    from .support import UnsupportedNode, check_supported, unsupported_nodes
    from .thresholded_model import ThresholdedModel, apply, apply_thresholds
    from .weights import LayerWeights, layer_weights, replace_weights

_LAZY = {
    "Activation": "activation",
    "Labels": "labels",
    "LayerWeights": "weights",
    "LoadedModel": "loaded_model",
    "ThresholdedModel": "thresholded_model",
    "UnsupportedNode": "support",
    "activation_keys": "activation",
    "activations": "activation",
    "apply": "thresholded_model",
    "apply_thresholds": "thresholded_model",
    "add_branches": "branches",
    "canonicalize": "canonical",
    "check_supported": "support",
    "is_branch": "branches",
    "labels_of": "labels",
    "layer_weights": "weights",
    "load_model": "load",
    "prepare": "canonical",
    "replace_weights": "weights",
    "save_model": "save",
    "sources": "rewriting",
    "specialize": "canonical",
    "to_bytes": "save",
    "to_standard": "standard_form",
    "unsupported_nodes": "support",
}

__all__ = [
    "Activation",
    "Labels",
    "LayerWeights",
    "LoadedModel",
    "ThresholdedModel",
    "UnsupportedNode",
    "activation_keys",
    "activations",
    "add_branches",
    "apply",
    "apply_thresholds",
    "canonicalize",
    "check_supported",
    "is_branch",
    "labels_of",
    "layer_weights",
    "load_model",
    "prepare",
    "replace_weights",
    "save_model",
    "sources",
    "specialize",
    "to_bytes",
    "to_standard",
    "unsupported_nodes",
]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'zeroskip.onnx' has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_LAZY[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
