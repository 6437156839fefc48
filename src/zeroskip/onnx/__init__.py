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
    from .branching import branched, is_branch
    from .canonical import canonicalize, prepare, specialize
    from .labels import Labels, labels_of
    from .load import load_model
    from .loaded_model import LoadedModel
    from .lowering import to_standard
    from .reweighting import LayerWeights, layer_weights, reweighted
    from .rewriting import sources
    from .save import save_model, to_bytes
    from .supported import UnsupportedNode, check_supported, unsupported_nodes
    from .thresholding import ThresholdedModel, apply, apply_thresholds

_LAZY = {
    "Activation": "activation",
    "Labels": "labels",
    "LayerWeights": "reweighting",
    "LoadedModel": "loaded_model",
    "ThresholdedModel": "thresholding",
    "UnsupportedNode": "supported",
    "activation_keys": "activation",
    "activations": "activation",
    "apply": "thresholding",
    "apply_thresholds": "thresholding",
    "branched": "branching",
    "canonicalize": "canonical",
    "check_supported": "supported",
    "is_branch": "branching",
    "labels_of": "labels",
    "layer_weights": "reweighting",
    "load_model": "load",
    "prepare": "canonical",
    "reweighted": "reweighting",
    "save_model": "save",
    "sources": "rewriting",
    "specialize": "canonical",
    "to_bytes": "save",
    "to_standard": "lowering",
    "unsupported_nodes": "supported",
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
    "apply",
    "apply_thresholds",
    "branched",
    "canonicalize",
    "check_supported",
    "is_branch",
    "labels_of",
    "layer_weights",
    "load_model",
    "prepare",
    "reweighted",
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
