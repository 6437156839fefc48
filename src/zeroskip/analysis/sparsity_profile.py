"""SparsityProfile: what `analyze` found out about a model on a data set, as a value that prints and saves."""

from __future__ import annotations

from .records import ProfileData
from .verdict import as_text, verdict


class SparsityProfile(ProfileData):
    """A profile that puts itself into words; its attributes are those of :class:`~.records.ProfileData`."""

    @property
    def verdict(self) -> str:
        """One sentence for a person: whether this model gets faster, and by how much."""
        return verdict(self)

    def __str__(self) -> str:
        return as_text(self)
