"""Seeing through what PyTorch puts around a model: compilation, parallel training, averaged weights."""

from __future__ import annotations

from torch import nn
from torch.nn.parallel import DataParallel, DistributedDataParallel
from torch.optim.swa_utils import AveragedModel

from ..errors import ModelError

_WRAPPERS = (DataParallel, DistributedDataParallel, AveragedModel)


def innermost(model: nn.Module) -> nn.Module:
    """Return the model inside ``torch.compile``, ``DataParallel``, ``DistributedDataParallel`` and ``AveragedModel``.

    Of an ``AveragedModel`` it is the model with the averaged weights.

    Example:
        >>> innermost(DataParallel(nn.ReLU()))
        ReLU()
    """
    while (inner := _inside(model)) is not None:
        model = inner
    return model


def unwrap(model: nn.Module) -> nn.Module:
    """Return the innermost model, with its wrapped submodules put in place of their wrappers.

    So paths are those of the plain model.

    Raises:
        ModelError: If it is no module.
    """
    model = innermost(model)
    if not isinstance(model, nn.Module):
        raise ModelError(f"the model is of type {type(model).__name__}, expected a torch.nn.Module")
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if _inside(child) is not None:
                setattr(module, name, unwrap(child))
    return model


def _inside(model: nn.Module) -> nn.Module | None:
    if isinstance(model, _WRAPPERS):
        return model.module
    # Asked by its name: importing what compiles takes seconds.
    inner = getattr(model, "_orig_mod", None) if type(model).__name__ == "OptimizedModule" else None
    return inner if isinstance(inner, nn.Module) else None
