"""Calibration of a PyTorch model in place: thresholds between two trainings, or after the last."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor, nn

from ..errors import RecipeError
from ..learning.fatrelu import fatrelus
from .export import to_onnx
from .onnx_network import OnnxNetwork
from .wrappers import innermost

if TYPE_CHECKING:
    from ..calibration import CalibrationResult
    from ..data import Dataset


def calibrate(
    model: nn.Module,
    example_inputs: Tensor | Sequence[Tensor],
    data: Dataset,
    max_drop: float | None = None,
    **options: Any,
) -> CalibrationResult:
    """Find thresholds with :func:`zeroskip.calibrate` and put them into a model; none becomes lower than it was.

    After a training with a penalty, and, where more zeros are asked for than the accuracy stands, before another
    training that wins some of it back while the thresholds stay.

    Args:
        model: With FATReLUs; their thresholds change in place.
        example_inputs: One tensor, or one per input, to export the model by; what :func:`from_onnx` made needs none.
        data: Real inputs, see :func:`zeroskip.calibrate`.
        max_drop: Largest loss of the metric.
        **options: The others of :func:`zeroskip.calibrate`, for example ``target_sparsity``; not ``compensation``,
            whose corrected weights would stay in the file.

    Returns:
        What was found, and what it costs before any further training.

    Raises:
        RecipeError: If the model has no FATReLU, or ``compensation`` is asked for.
        ModelError: If torch cannot export the model, or the engine cannot run it.
        CalibrationError: If options contradict each other, or the target cannot be reached.

    Example:
        >>> found = calibrate(model, torch.zeros(1, 3, 224, 224), data, target_sparsity=0.75)  # doctest: +SKIP
        >>> finetune(model, loaders, Recipe(epochs=2, regularizer=None, threshold_ramp=0.0))  # doctest: +SKIP
    """
    from ..calibration import calibrate as calibrated
    from ..onnx import to_bytes

    network = innermost(model)
    own = network if isinstance(network, OnnxNetwork) else None
    modules = fatrelus(network) if own is None else {name: own.rectifier(name) for name in own.activation_names}
    if not modules:
        raise RecipeError("the model has no FATReLU to give thresholds to: call replace_relu(model) first")
    if options.get("compensation", "none") != "none":
        raise RecipeError("compensation corrects weights of the file, not of the PyTorch model: calibrate that instead")
    onnx = to_bytes(to_onnx(model, example_inputs)) if own is None else own.to_onnx().to_bytes()
    result = calibrated(onnx, data, max_drop, **options)
    for path, threshold in result.thresholds.thresholds.items():
        modules[path].set_threshold(np.maximum(threshold, modules[path].threshold_value()))
    return result
