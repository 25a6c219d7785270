"""Telling how far a long import is."""

from collections.abc import Callable

ProgressCallback = Callable[[int, int], None]
_TOLD_EVERY = 500


class Progress:
    """Counts steps, and tells ``callback(done, total)`` now and then."""

    def __init__(self, callback: ProgressCallback | None) -> None:
        self._callback = callback
        self._total = 0
        self._done = 0
        self._told = 0

    def expect(self, steps: int) -> None:
        """Add ``steps`` to the total."""
        self._total += steps

    def step(self, steps: int = 1) -> None:
        """Count steps as done."""
        self._done += steps
        if self._done - self._told >= _TOLD_EVERY:
            self._tell()

    def finish(self) -> None:
        """Everything is done, also what was expected and turned out to be nothing."""
        self._done = self._total
        self._tell()

    def _tell(self) -> None:
        self._told = self._done
        if self._callback:
            self._callback(min(self._done, self._total), self._total)
