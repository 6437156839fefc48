"""Module paths and the names of activations in ONNX files: from one to the other and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ..errors import RecipeError
from ..learning.fatrelu import FATReLU, fatrelus
from ..thresholds import Threshold, ThresholdSet
from .surgery import replace_relu
from .wrappers import innermost, unwrap

if TYPE_CHECKING:
    from ..onnx.load import ModelSource


def activation_names(
    model: nn.Module, onnx_model: ModelSource, example_inputs: Tensor | Sequence[Tensor]
) -> dict[str, str]:
    """Map the FATReLUs of a model to the activations of an ONNX file of the same network, by order of execution.

    For files that :func:`zeroskip.torch.export` did not write; in those the names are the same.

    Args:
        model: With FATReLUs.
        onnx_model: The file, however it was exported.
        example_inputs: One tensor, or one per input; the model is run once.

    Returns:
        Module path to name in the file, in order of execution.

    Raises:
        RecipeError: If the file has another number of activations, or other upper clips: it is of another network.
    """
    from ..onnx import activations, load_model

    model = innermost(model)
    called = _called(model, (example_inputs,) if isinstance(example_inputs, Tensor) else tuple(example_inputs))
    found = activations(load_model(onnx_model))
    clips = [fatrelus(model)[name].max_value for name in called]
    if len(found) != len(called) or [item.max_value for item in found] != clips:
        raise RecipeError(
            f"the ONNX model has {len(found)} activations, the PyTorch model runs {len(called)} FATReLUs"
            + (", with other upper clips" if len(found) == len(called) else "")
            + ": they are different networks"
        )
    return dict(zip(called, (item.name for item in found), strict=True))


def from_thresholds(
    model: nn.Module,
    thresholds: ThresholdSet,
    *,
    names: Mapping[str, str] | None = None,
    learnable: bool = False,
    **options: Any,
) -> nn.Module:
    """Put what :func:`zeroskip.calibrate` found into a model.

    Args:
        model: With FATReLUs, which get new thresholds, or with ReLUs, which are replaced first.
        thresholds: Its names are module paths, as in files that :func:`zeroskip.torch.export` wrote, or are mapped by
            ``names``. FATReLUs it does not name get 0.
        names: Module path to name in the set, see :func:`activation_names`.
        learnable: Whether the thresholds become parameters.
        **options: ``form`` and ``slope`` of :class:`FATReLU`.

    Returns:
        The model to go on with, see :func:`replace_relu`.

    Raises:
        RecipeError: If the set names an activation that the model does not have, or has another number of channels
            than the layer before it.

    Example:
        >>> model = from_thresholds(model, ThresholdSet.load("thresholds.json"))  # doctest: +SKIP
    """
    result = unwrap(model) if fatrelus(model) else replace_relu(model)
    known = fatrelus(result)
    paths = {name: path for path, name in names.items()} if names is not None else {path: path for path in known}
    if missing := [name for name in thresholds if paths.get(name) not in known]:
        raise RecipeError(
            f"thresholds name {missing}, which are no FATReLUs of the model; it has {list(known)}. If they were "
            "calibrated on a file of another exporter, map them with names=activation_names(model, file, example)"
        )
    values = {paths[name]: value for name, value in thresholds.thresholds.items()}
    for path, module in known.items():
        replacement = _with(module, values.get(path, 0.0), learnable=learnable, options=options)
        if path:
            parent, _, attribute = path.rpartition(".")
            setattr(result.get_submodule(parent), attribute, replacement)
        else:
            result = replacement
    return result


def to_thresholds(model: nn.Module, *, names: Mapping[str, str] | None = None) -> ThresholdSet:
    """Return the thresholds of a model's FATReLUs as a set, under their module paths or as ``names`` maps these.

    Raises:
        RecipeError: If the model has none, or ``names`` lacks one.
    """
    known = fatrelus(innermost(model))
    if not known:
        raise RecipeError("the model has no FATReLU")
    if names is not None and (missing := sorted(set(known) - set(names))):
        raise RecipeError(f"names lack the FATReLUs {missing}")
    return ThresholdSet(
        {path if names is None else names[path]: module.threshold_value() for path, module in known.items()}
    )


def _with(module: FATReLU, threshold: Threshold, *, learnable: bool, options: dict[str, Any]) -> FATReLU:
    made = FATReLU(threshold, module.max_value, learnable=learnable, channel_dim=module.channel_dim, **options)
    return made.to(module.threshold.device).train(module.training)


@torch.no_grad()
def _called(model: nn.Module, inputs: tuple[Tensor, ...]) -> list[str]:
    """Return the paths of FATReLUs in the order of their calls."""
    called: list[str] = []
    handles = [
        module.register_forward_hook(lambda *_, name=name: called.append(name))
        for name, module in fatrelus(model).items()
    ]
    was_training = model.training
    try:
        model.eval()(*inputs)
    finally:
        model.train(was_training)
        for handle in handles:
            handle.remove()
    if len(set(called)) != len(called):
        shared = sorted({name for name in called if called.count(name) > 1})
        raise RecipeError(f"{shared} are called several times: their thresholds cannot be told apart")
    return called
