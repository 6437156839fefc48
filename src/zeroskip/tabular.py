"""Tabular: results that a notebook shows as a table, and that pandas takes."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from .errors import DataError
from .text import printable

if TYPE_CHECKING:
    import pandas as pd

Record = dict[str, Any]


class Tabular:
    """Gives a result ``to_pandas`` and a notebook's ``_repr_html_``; subclasses say what rows it has."""

    def _records(self) -> list[Record]:
        """Return the rows, each with the same columns."""
        raise NotImplementedError

    def _words(self) -> str:
        """Return what stands above the table."""
        return ""

    def to_pandas(self) -> pd.DataFrame:
        """Return the rows as a data frame.

        Raises:
            DataError: If pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise DataError("to_pandas needs pandas: pip install 'zeroskip[notebook]'") from error
        return pd.DataFrame(self._records())

    def _repr_html_(self) -> str:
        records = self._records()
        words = "".join(f"<p>{_text(line)}</p>" for line in self._words().splitlines() if line)
        if not records:
            return words
        head = "".join(f"<th>{_text(name.replace('_', ' '))}</th>" for name in records[0])
        rows = "".join(
            "<tr>" + "".join(f"<td>{_cell(value)}</td>" for value in record.values()) + "</tr>" for record in records
        )
        return f"{words}<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return _text(f"{value:.4g}" if isinstance(value, float) else str(value))


def _text(text: str) -> str:
    return escape(printable(text))
