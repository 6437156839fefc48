"""A run of fine-tuning that ends before its time."""

from __future__ import annotations

from zeroskip.torch import Callback, StepReport


class Interrupt(Callback):
    """Stops a run as Ctrl-C would."""

    def __init__(self, step: int) -> None:
        self._step = step

    def on_step(self, report: StepReport) -> None:
        if report.step == self._step:
            raise KeyboardInterrupt
