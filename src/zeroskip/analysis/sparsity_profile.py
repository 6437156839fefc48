"""SparsityProfile: what `analyze` found out about a model on a data set, as a value that prints and saves."""

from __future__ import annotations

from ..tabular import Record, Tabular
from .prospects import Recommendation, prospect_lines, recommended, recommended_precision
from .records import ProfileData
from .verdict import as_text, verdict


class SparsityProfile(Tabular, ProfileData):
    """A profile that puts itself into words; its attributes are those of :class:`~.records.ProfileData`."""

    @property
    def verdict(self) -> str:
        """One sentence for a person: whether this model gets faster, and by how much."""
        return verdict(self)

    @property
    def recommended(self) -> Recommendation:
        """``thresholds`` where twenty points more zeros would make the model at least 5 % faster, else ``exact``."""
        return recommended(self)

    @property
    def recommended_precision(self) -> str:
        """The precision that is fastest on this data, by at least 5 %, else the profile's own; int8 is predicted."""
        return recommended_precision(self)

    @property
    def prospects(self) -> tuple[str, ...]:
        """What more zeros would buy, which time they can never save and why, and the advice: a sentence each."""
        return tuple(prospect_lines(self))

    def _words(self) -> str:
        return self.verdict

    def _records(self) -> list[Record]:
        return [
            {
                "layer": layer.title,
                "op": layer.op,
                "macs": layer.macs,
                "input_sparsity": layer.input_sparsity,
                "latency_ms": layer.latency_ms,
                "latency_share": layer.latency_share,
                "dense_ms": layer.dense_ms,
                "choice": layer.choice,
            }
            for layer in self.layers
        ]

    def __str__(self) -> str:
        return as_text(self)
