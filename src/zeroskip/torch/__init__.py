"""Fine-tuning for sparsity in PyTorch, and the way back to the engine.

Needs ``pip install 'zeroskip[torch]'``; ``import zeroskip`` alone loads none of this. See ``docs/finetuning.md``.
"""

from __future__ import annotations

from ..extras import needs

with needs("zeroskip.torch", ModuleNotFoundError):
    import torch as _torch  # noqa: F401 (only to say what is missing)

from ..learning.fatrelu import FATReLU, fatrelus
from .batches import Loaders
from .compile import CompiledModule, compile, zeroskip_backend
from .data import picture_loader
from .export import export
from .finetune import finetune
from .module_calibration import calibrate
from .monitor import SparsityMonitor
from .names import activation_names, from_thresholds, to_thresholds
from .onnx_network import OnnxNetwork, from_onnx
from .recipe import Recipe
from .regularizers import L1, ActivationRegularizer, HoyerSquare, TransformedL1
from .report import Callback, EpochReport, FinetuneResult, JsonLines, StepReport
from .surgery import replace_relu
from .weights import time_weights

__all__ = [
    "L1",
    "ActivationRegularizer",
    "Callback",
    "CompiledModule",
    "EpochReport",
    "FATReLU",
    "FinetuneResult",
    "HoyerSquare",
    "JsonLines",
    "Loaders",
    "OnnxNetwork",
    "Recipe",
    "SparsityMonitor",
    "StepReport",
    "TransformedL1",
    "activation_names",
    "calibrate",
    "compile",
    "export",
    "fatrelus",
    "finetune",
    "from_onnx",
    "from_thresholds",
    "picture_loader",
    "replace_relu",
    "time_weights",
    "to_thresholds",
    "zeroskip_backend",
]
