"""What is wrong with the files of an import, and how far an import has come."""

from collections.abc import Callable
from dataclasses import dataclass

from tracker.formatting import format_count

_SHOWN_CHARACTERS = 80
_REPORT_EVERY = 500
ProgressCallback = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class ImportProblem:
    """One thing that is wrong; ``message`` says what would be right.

    ``line`` is the physical line on which the row begins (the heading is line 1); None for the
    whole file. ``column`` and ``value`` are None unless the problem is one cell. ``code`` is set
    where pages have other words for the way out.
    """

    file: str
    message: str
    line: int | None = None
    column: str | None = None
    value: str | None = None
    code: str = ""

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: {self.sentence}"

    @property
    def sentence(self) -> str:
        """The problem without its place: ``hours "x": must be …``."""
        # A message can quote another cell.
        message = make_visible(self.message)
        if self.column is None:
            return message
        if self.value is None:
            return f"{_shorten(self.column)}: {message}"
        return f'{_shorten(self.column)} "{_shorten(self.value)}": {message}'


def _shorten(text: str) -> str:
    if len(text) > _SHOWN_CHARACTERS:
        text = f"{text[:_SHOWN_CHARACTERS]}…"
    return make_visible(text)


def make_visible(text: str) -> str:
    """A text without characters that a terminal does not print."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


class ImportRefused(Exception):  # noqa: N818 - it names the outcome, as the command does
    """The files have problems, so nothing was stored."""

    def __init__(self, problems: list[ImportProblem]) -> None:
        self.problems = sorted(problems, key=lambda each: (each.file, each.line or 0))
        super().__init__(f"{format_count(len(problems), 'problem')}, first: {self.problems[0]}")


class Progress:
    """Counts steps, and calls ``callback(done, total)`` every few hundred steps."""

    def __init__(self, callback: ProgressCallback | None = None) -> None:
        self._callback = callback
        self._total = 0
        self._done = 0
        self._reported = 0

    def expect(self, steps: int) -> None:
        """Add ``steps`` to the total."""
        self._total += steps

    def step(self, steps: int = 1) -> None:
        """Count steps as done."""
        self._done += steps
        if self._done - self._reported >= _REPORT_EVERY:
            self._report()

    def finish(self) -> None:
        """Report the total as done."""
        self._done = self._total
        self._report()

    def _report(self) -> None:
        self._reported = self._done
        if self._callback:
            self._callback(min(self._done, self._total), self._total)
