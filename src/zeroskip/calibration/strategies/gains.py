"""What zeros are worth: the time that dropping a share of an activation's non-zeros saves.

Measured times are taken at their word. A 3x3 layer that goes by Winograd's algorithm gains nothing until there are
enough zeros to leave it, so in such a layer either all the zeros up to there and beyond are bought or none. The
cost model is too rough for that: by it, zeros on the way count for a part.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ..network.network import Densities, Network
from ..network.samples import Values

_ARITHMETIC_WEIGHT = 0.25
_DIRECT_WEIGHT = 0.5


def saved_ms(
    network: Network, values: Mapping[str, Values], densities: Densities, fractions: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    """Return, by activation, the milliseconds per input that each share saves.

    Args:
        network: The network.
        values: The activations to look at.
        densities: Of the network as it is.
        fractions: Shares of an activation's non-zeros, in [0, 1].

    Returns:
        Activation to float64 of the shape of ``fractions``.
    """
    result = {}
    for name, sample in values.items():
        saved = np.zeros(len(fractions))
        for reader in network.readers[name]:
            density = densities[reader.step]
            # Of the reader's non-zeros, the part that comes from this activation.
            part = min(1.0, reader.share * sample.density / density) if density > 0.0 else 0.0
            left = density * (1.0 - part * fractions)
            saving = _saving(network, reader.step, density, left)
            if network.curves is None and not network.counts_macs:
                # A step that the model takes to be bound by memory may not be: its arithmetic counts for a part. And
                # more threads, a larger batch or another machine may leave Winograd's algorithm sooner.
                direct = _saving(network, reader.step, density, left, winograd=False)
                arithmetic = network.step_ms(reader.step, density) * density * part * fractions
                saving = np.maximum(np.maximum(saving, _DIRECT_WEIGHT * direct), _ARITHMETIC_WEIGHT * arithmetic)
            saved += saving
        result[name] = saved
    return result


def _saving(
    network: Network, step: int, density: float, left: NDArray[np.float64], *, winograd: bool = True
) -> NDArray[np.float64]:
    now = network.step_ms(step, density, winograd=winograd)
    return now - np.array([network.step_ms(step, value, winograd=winograd) for value in left])
