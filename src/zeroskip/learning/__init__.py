"""The differentiable side: FATReLU in torch, a trainable copy of any model the engine runs, block-wise learning.

Needs the ``torch`` extra; nothing else of the package imports it before it is asked for.
"""

from __future__ import annotations

from ..extras import needs

with needs("zeroskip.learning", ModuleNotFoundError):
    import torch as _torch  # noqa: F401 (only to say what is missing)

from .fatrelu import FATReLU, fatrelus
from .graph_module import GraphModule

__all__ = ["FATReLU", "GraphModule", "fatrelus"]
