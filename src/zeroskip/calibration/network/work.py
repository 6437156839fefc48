"""Work: what an evaluator asks before it computes: is it known already, and is there time left?"""

from __future__ import annotations

import time
from collections.abc import Callable

from ...journal import Arrays, Journal
from ...progress import Progress


class TimeLimitError(Exception):
    """The time for the search is over; the best set so far is to be checked and returned."""


class Work:
    """The journal and the time limit of one calibration.

    Args:
        journal: Where results are kept; None for nowhere.
        seconds: Time for the search, from :meth:`start` on; None for no limit. Once it has run out
            :class:`TimeLimitError` is raised, and never again: what was found is still to be checked.
    """

    def __init__(self, journal: Journal | None = None, seconds: float | None = None) -> None:
        self._journal = journal
        self._seconds = seconds
        self._deadline: float | None = None

    def start(self) -> None:
        """Begin to count the time: what the search is compared with, the model as it is, has run by now."""
        self._deadline = None if self._seconds is None else time.monotonic() + self._seconds

    def stop(self) -> None:
        """Count no longer: what was found is to be checked, whatever that takes."""
        self._deadline = None

    def recall(self, key: Callable[[], bytes], compute: Callable[[], Arrays]) -> Arrays:
        """Return a result, from the journal if it is there.

        Args:
            key: Returns a hash of all that the result depends on; not asked without a journal.
            compute: Returns the result.

        Raises:
            TimeLimitError: If the time is over.
        """
        self.check()
        return compute() if self._journal is None else self._journal.recall(key(), compute)

    def check(self) -> None:
        """Raise TimeLimitError if the time is over; for work that goes on long between two results."""
        if self._deadline is not None and time.monotonic() > self._deadline:
            self._deadline = None
            raise TimeLimitError

    def watched(self, progress: Progress | None) -> Progress:
        """Return a progress that ends with the time limit whoever tells of steps, and tells on."""

        def tell(what: str, done: int, total: int) -> None:
            self.check()
            if progress is not None:
                progress(what, done, total)

        return tell
