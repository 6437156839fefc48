"""quantize: from a float model and data to a QDQ model within a budget.

Scales are chosen by the method that does least damage end to end. If that is too much, thresholds are made smaller, and
then layers become float32 again, those first whose rounding does most damage. What is found on one half of the data has
to hold on the other half, as for thresholds.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import CalibrationError
from ...progress import Progress, Steps
from ...thresholds import ThresholdSet
from ..judging.statistics import drop_interval
from ..options import CalibrationOptions
from ..problem import Setting
from ..records import Score
from .candidate import Candidates, Choice
from .judgement import Judgement
from .placement import layers_of
from .result import PrecisionScore, QuantizationResult
from .scales import SCALE_METHODS

if TYPE_CHECKING:
    from ...onnx import LayerWeights
    from ...onnx.load import ModelSource

_log = logging.getLogger(__name__)
_STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
_MOST_PROBED = 24
"""Layers that are tried as float32 one by one; of more, those with the largest local error."""


@dataclass(frozen=True)
class Found:
    """What a search found.

    Args:
        choice: What keeps the budget.
        complete: All layers as integers, without thresholds.
        path: What the choice was compared with by what it loses, itself included.
    """

    choice: Choice
    complete: Choice
    path: tuple[Choice, ...]


def quantize(
    model: ModelSource,
    data: Any,
    max_drop: float | None = None,
    *,
    thresholds: ThresholdSet | None = None,
    layers: Mapping[str, LayerWeights] | None = None,
    options: CalibrationOptions | None = None,
    holdout: Any = None,
    progress: Progress | None = None,
    **choices: Any,
) -> QuantizationResult:
    """Quantise a float model to int8 within one end-to-end budget for rounding and thresholds together.

    Activations become u8 with one scale each, of zero point 0 behind rectifiers, so that zeros stay zeros; weights s8
    with a scale for each output channel. The result is standard ONNX (QDQ, opset 20) that other runtimes execute too.

    Args:
        model: ONNX file, its content, or a loaded model; float32.
        data: Real inputs, labelled or not, as for ``calibrate``: scales come from one half, the other half must confirm
            the result.
        max_drop: Largest loss of the metric against the float model without thresholds, as for ``calibrate``.
        thresholds: Thresholds to go with it, from ``calibrate``; they are made smaller where they do not fit into the
            budget beside the rounding. None for none.
        layers: Weights that were corrected or learnt for these thresholds (``CalibrationResult.layers``); where no
            threshold fits into the budget the model keeps its own.
        options: Metric, budget, split, threads; the goals of a calibration besides ``max_drop`` are not for this.
        holdout: The data for the check; by default a part of ``data``.
        progress: Told of each step.
        **choices: Single options by name.

    Returns:
        The quantised model, and what it costs.

    Raises:
        CalibrationError: If nothing can be quantised, or not even one layer within the budget; or as ``calibrate``.
        DataError: If there are too few inputs, or they are noise.
        ModelError: If the model cannot be read or run natively.

    Example:
        >>> result = quantize("model.onnx", image_folder("photos/", "imagenet"), 0.01)  # doctest: +SKIP
        >>> result.save_model("model.int8.onnx")  # doctest: +SKIP
    """
    chosen = CalibrationOptions.of(options, {"max_drop": max_drop, **choices})
    if chosen.has_target:
        raise CalibrationError("quantize has a budget, max_drop; target_sparsity and target_speedup are of calibrate")
    started = time.monotonic()
    setting = Setting(model, data, holdout, chosen, progress)
    budget = setting.budget()
    assert budget is not None
    candidates = Candidates(setting, thresholds or ThresholdSet({}), progress, layers)
    names = layers_of(candidates.network(0.0).prepared)
    if not names:
        raise CalibrationError("nothing to quantise: no convolution or linear layer has constant weights")
    judgement = Judgement(candidates, budget)
    found = _search(candidates, judgement, names, progress)
    return _result(setting, judgement, found, names, time.monotonic() - started)


def _search(candidates: Candidates, judgement: Judgement, layers: Sequence[str], progress: Progress | None) -> Found:
    """Return the choice with the fewest float layers, and then the strongest thresholds, that keeps the budget."""
    plain = min((Choice(method, strength=0.0) for method in SCALE_METHODS), key=lambda item: _damage(candidates, item))
    found = plain if judgement.passes(plain) else _with_floats(candidates, judgement, plain, layers, progress)
    if found is None:
        raise CalibrationError(
            f"int8 loses more than the budget of {judgement.max_drop:g} even with every layer but one in float32: "
            "allow more (max_drop), or keep float32"
        )
    if candidates.thresholds(1.0).is_zero:
        return Found(found, plain, (found,))
    path = tuple(replace(found, strength=strength) for strength in _STRENGTHS)
    chosen = next((choice for choice in reversed(path[1:]) if judgement.passes(choice, path)), None)
    return Found(found, plain, (found,)) if chosen is None else Found(chosen, plain, path)


def _damage(candidates: Candidates, choice: Choice) -> float:
    return candidates.score(choice).information_loss


def _with_floats(
    candidates: Candidates, judgement: Judgement, choice: Choice, layers: Sequence[str], progress: Progress | None
) -> Choice | None:
    """Return the choice with as few float layers as keep the budget, None if none does."""
    gains = {}
    steps = Steps(progress, "probing layers as float32", min(_MOST_PROBED, len(layers)))
    for layer in _suspects(layers):
        gains[layer] = -_damage(candidates, Choice(choice.method, frozenset({layer}), choice.strength))
        steps.advance()
    ranked = sorted(gains, key=lambda layer: gains[layer], reverse=True)
    ranked += [layer for layer in layers if layer not in gains]
    count = 1
    while count < len(layers):
        some = Choice(choice.method, frozenset(ranked[:count]), choice.strength)
        if judgement.passes(some):
            return some
        count = count + 1 if count < 4 else min(2 * count, len(layers) - 1) if count < len(layers) - 1 else len(layers)
    return None


def _suspects(layers: Sequence[str]) -> list[str]:
    """Return the layers to try: the first and the last ones, which lose most as a rule, and some in between."""
    if len(layers) <= _MOST_PROBED:
        return list(layers)
    places = {0, 1, len(layers) - 1, *np.linspace(0, len(layers) - 1, _MOST_PROBED - 2).round().astype(int).tolist()}
    return [layers[place] for place in sorted(places)][:_MOST_PROBED]


def _result(
    setting: Setting, judgement: Judgement, found: Found, layers: Sequence[str], seconds: float
) -> QuantizationResult:
    from ...onnx import ThresholdedModel

    candidates, choice = judgement.candidates, found.choice
    scores = [_with_interval(setting, candidates, choice, on_holdout=on_holdout) for on_holdout in (False, True)]
    tried = tuple(
        PrecisionScore(scales=method, information_loss=_damage(candidates, Choice(method, strength=0.0)))
        for method in SCALE_METHODS
    )
    return QuantizationResult(
        model=ThresholdedModel(candidates.model(choice)),
        thresholds=candidates.thresholds(choice.strength),
        strength=choice.strength,
        metric=setting.metric.name,
        max_drop=setting.options.budget,
        calibration=scores[0],
        holdout=scores[1],
        estimate=judgement.estimate(choice, found.path),
        complete=_with_interval(setting, candidates, found.complete, on_holdout=True) if choice.float_layers else None,
        scales=choice.method,
        tried=tried,
        layers=len(layers),
        float_layers=tuple(layer for layer in layers if layer in choice.float_layers),
        seconds=seconds,
    )


def _with_interval(setting: Setting, candidates: Candidates, choice: Choice, *, on_holdout: bool) -> Score:
    evaluator = setting.holdout if on_holdout else setting.calibration
    outputs = candidates.outputs(choice, on_holdout=on_holdout)
    labels, reference = evaluator.data.targets, evaluator.dense.outputs
    interval = drop_interval(setting.metric, reference, outputs, labels, seed=setting.options.seed)
    return candidates.score(choice, on_holdout=on_holdout).model_copy(update={"interval": interval})
