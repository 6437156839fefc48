"""What an activation's non-zero values cost: the MACs that its skipping consumers spend on them."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import TYPE_CHECKING

from ..analysis import ActivationValues, ModelInput
from ..data import Dataset

if TYPE_CHECKING:
    from ..engine import InferenceSession


def saved_macs(
    session: InferenceSession, data: Dataset, values: Mapping[str, ActivationValues]
) -> dict[str, float]:
    """Return, by activation, the MACs per input that would be saved if all its values became zero.

    A layer that reads several activations (through a concatenation) is shared out by their sizes.

    Args:
        session: A session that has the model.
        data: One input is run.
        values: The activations, with their sizes and sparsities.
    """
    model_input = ModelInput.of(session)
    ((feed, _),) = islice(model_input.feeds(data, 1), 1)
    batch_size = len(feed[model_input.name])
    steps = [step for step in session.profile(feed, iterations=1).steps if step.can_skip]
    consumers = {item.name: set(item.consumers) for item in session.activations() if item.name in values}
    result = dict.fromkeys(values, 0.0)
    for step in steps:
        readers = [name for name, nodes in consumers.items() if nodes & set(step.nodes)]
        elements = sum(values[name].elements for name in readers)
        for name in readers:
            share = values[name].elements / elements
            result[name] += share * step.macs / batch_size * (1.0 - values[name].sparsity)
    return result
