"""What is wrong with the files of an import, each with its place."""

from dataclasses import dataclass

_SHOWN_CHARACTERS = 80


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, and in ``message`` what would be right.

    ``line`` is the physical line of the file on which the row begins (the heading is on
    line 1); None when the whole file is meant. ``column`` and ``value`` are None when no one
    cell is.
    """

    file: str
    line: int | None
    column: str | None
    value: str | None
    message: str

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        # What would be right may depend on another cell, and then names what stands there.
        message = _visible(self.message)
        if self.column is None:
            return f"{place}: {message}"
        if self.value is None:
            return f"{place}: {_shown(self.column)}: {message}"
        return f'{place}: {_shown(self.column)} "{_shown(self.value)}": {message}'


def _shown(text: str) -> str:
    """Text from a file for one line of a message: shortened, nothing invisible in it."""
    if len(text) > _SHOWN_CHARACTERS:
        text = f"{text[:_SHOWN_CHARACTERS]}…"
    return _visible(text)


def _visible(text: str) -> str:
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


class ImportRefused(Exception):  # noqa: N818 - it names the outcome, as the command says it
    """The files hold problems; nothing of them was stored."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = sorted(problems, key=lambda each: (each.file, each.line or 0))
        super().__init__(f"{len(problems)} problems, the first: {self.problems[0]}")
