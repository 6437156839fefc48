"""What is kept of the runs in low precision: one file for each network and kind of run."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from zeroskip.saved_value import SavedValue

RESULTS = Path(__file__).resolve().parents[1] / "results" / "precision"


class Way(BaseModel):
    """One way to run a network.

    Attributes:
        name: A key of ``WAYS``.
        right: Share of the unseen pictures with the right answer; where they have no labels, that of exact float32.
        lost: Pictures that float32 answers rightly and this does not.
        won: The other way round.
        drop: Share that float32 answers rightly, less ``right``.
        minutes: How long it took to make the model.
        note: How it was made.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    right: float
    lost: int
    won: int
    drop: float
    minutes: float
    note: str


class AccuracyResult(SavedValue):
    """What int8 costs one network.

    Attributes:
        network: Its name.
        metric: What ``right`` counts.
        max_drop: Budget of our int8 models, on the pictures that choose.
        choosing: Pictures that scales and thresholds were chosen and checked on.
        unseen: Pictures that nothing has seen.
        seed: Of the split.
        ways: Float32 first.
    """

    _what: ClassVar[str] = "a benchmark of accuracy in int8"

    network: str
    metric: str
    max_drop: float
    choosing: int
    unseen: int
    seed: int
    ways: tuple[Way, ...]
