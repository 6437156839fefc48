"""Which layers are worth more zeros: weights for the regularisers from measured times."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from torch import nn

from ..errors import RecipeError
from ..learning.fatrelu import fatrelus

if TYPE_CHECKING:
    from ..analysis import SparsityProfile


def time_weights(
    model: nn.Module, profile: SparsityProfile, *, names: Mapping[str, str] | None = None
) -> dict[str, float]:
    """Return a weight per FATReLU: the time of the layers that can skip its zeros, 1 on average over those.

    For ``HoyerSquare(model, weights=...)`` and ``Recipe(layer_weights=...)``. An activation that no layer can skip
    gets 0: zeros there cost accuracy and save nothing.

    Args:
        model: With FATReLUs.
        profile: Of :func:`zeroskip.analyze` on the exported model.
        names: Module path to name in the profile, where that is not the same; see :func:`activation_names`.

    Returns:
        Weight by module path, >= 0.

    Raises:
        RecipeError: If the profile is of another model, or no activation can be skipped.
    """
    paths = list(fatrelus(model))
    name_of = {path: path for path in paths} if names is None else dict(names)
    consumers = {item.name: item.consumers for item in profile.activations}
    if missing := [path for path in paths if name_of.get(path) not in consumers]:
        raise RecipeError(f"the profile knows no activations for {missing}; it has {list(consumers)}")
    times = {layer.name: layer.latency_ms for layer in profile.layers if layer.can_skip}
    inputs = {layer.input: layer.latency_ms for layer in profile.layers if layer.can_skip}
    spent = {
        path: sum(times.get(layer, 0.0) for layer in consumers[name_of[path]]) or inputs.get(name_of[path], 0.0)
        for path in paths
    }
    useful = [value for value in spent.values() if value > 0.0]
    if not useful:
        raise RecipeError("no layer of the profile can skip zeros of this model's FATReLUs")
    average = sum(useful) / len(useful)
    return {path: value / average for path, value in spent.items()}
