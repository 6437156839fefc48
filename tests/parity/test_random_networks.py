"""Random networks through the whole engine, on every instruction set: what ONNX Runtime computes.

``python -m parity.campaign`` runs more of them.
"""

from __future__ import annotations

import pytest

from parity.campaign import TOLERANCE, NoReferenceError, differences
from zeroskip.engine.native import core
from zeroskip.engine.options import ISAS

SEEDS = 50


@pytest.mark.parametrize("isa", ISAS)
def test_random_networks_compute_what_onnxruntime_computes(isa: str) -> None:
    if isa not in core().isas_supported():
        pytest.skip(f"this CPU or build has no {isa}")
    compared = 0
    for seed in range(SEEDS):
        try:
            for _, difference in differences(seed, (isa,)):
                assert difference < TOLERANCE, f"seed {seed}"
                compared += 1
        except NoReferenceError:
            continue  # nothing to compare with
    assert compared > 0.95 * SEEDS
