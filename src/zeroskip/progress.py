"""How long-running stages tell a caller where they are: one callable, and a counter that calls it."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called with what is going on, steps done and steps in all; a count that starts anew is a new stage."""


class Steps:
    """Counts the steps of one stage for a caller's progress bar.

    Args:
        progress: Whom to tell; None for nobody.
        what: What is going on.
        total: Steps in all, >= 1.

    Example:
        >>> steps = Steps(lambda what, done, total: print(what, done, total), "probing", 2)
        probing 0 2
        >>> steps.advance()
        probing 1 2
    """

    def __init__(self, progress: Progress | None, what: str, total: int) -> None:
        self._progress = progress
        self._what = what
        self._total = max(total, 1)
        self._done = 0
        self._tell()

    def advance(self, count: int = 1) -> None:
        """Tell that ``count`` more steps are done."""
        self._done = min(self._done + count, self._total)
        self._tell()

    def finish(self) -> None:
        """Tell that all steps are done, for stages that may end early."""
        self._done = self._total
        self._tell()

    def _tell(self) -> None:
        if self._progress is not None:
            self._progress(self._what, self._done, self._total)
