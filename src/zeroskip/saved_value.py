"""SavedValue: the base of the result types that are saved as JSON files and read back."""

from __future__ import annotations

import os
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, ValidationError
from typing_extensions import Self

from .errors import DataError
from .files import atomic_write_text, read_ordinary
from .short_repr import ShortRepr


class SavedValue(ShortRepr, BaseModel):
    """A frozen value with a JSON file form. Subclasses say in ``_what`` how a message calls them."""

    model_config = ConfigDict(frozen=True)

    _what: ClassVar[str] = "a value"

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the value as JSON; the file appears whole or not at all.

        Args:
            path: File to create or replace.

        Raises:
            OutputError: If it cannot be written.
        """
        atomic_write_text(path, self.model_dump_json(indent=2) + "\n")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a value from a JSON file.

        Args:
            path: File written by :meth:`save`.

        Raises:
            DataError: If the file cannot be read or holds something else; the message names it.
        """
        try:
            return cls.model_validate_json(read_ordinary(path))
        except (OSError, ValidationError) as error:
            raise DataError(f"cannot read {cls._what} from '{os.fspath(path)}': {error}") from error
