"""Where thresholds were put, and why there: one row per activation, for the terminal and the page."""

from __future__ import annotations

from dataclasses import dataclass

from ..calibration import CalibrationResult, LayerSensitivity
from ..calibration.strategies.sensitivity import MIDDLE_LEVEL
from ..text import time_cell


@dataclass(frozen=True)
class SensitivityRow:
    """One activation.

    Args:
        activation: Its name.
        dropped: Share of its non-zero values that the threshold drops, in [0, 1].
        worth: Predicted time per input saved if nearly all of it were zero, in ms.
        damage: Information lost when ``MIDDLE_LEVEL`` of its non-zeros is dropped and nothing else; "-" where not
            probed.
        price: Damage over milliseconds saved at the share it drops; "-" where nothing is dropped.
        kind: ``"per channel"`` or ``"one"`` threshold, "-" for none.
    """

    activation: str
    dropped: float
    worth: str
    damage: str
    price: str
    kind: str


def sensitivity_rows(calibration: CalibrationResult) -> list[SensitivityRow]:
    """Return what the search knew of each activation, in the order of the graph."""
    return [_row(item) for item in calibration.sensitivities]


def _row(item: LayerSensitivity) -> SensitivityRow:
    damage = dict(zip(item.levels, item.damages, strict=True)).get(MIDDLE_LEVEL)
    kind = "per channel" if item.is_per_channel else "one"
    return SensitivityRow(
        activation=item.label or item.activation,
        dropped=item.fraction,
        worth=time_cell(item.gain_ms),
        damage="-" if damage is None else _share(damage),
        price="-" if item.damage_per_ms is None else _share(item.damage_per_ms),
        kind=kind if item.fraction > 0.0 else "-",
    )


def _share(value: float) -> str:
    """Return a share in percent with two digits that count; these differ by orders of magnitude."""
    percent = 100 * value
    return f"{percent:.0f} %" if percent >= 10.0 else f"{percent:.2g} %"
