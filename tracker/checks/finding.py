"""What a check gives: facts that are as they should be, and findings with a hint."""

from collections.abc import Generator, Iterator
from enum import StrEnum
from typing import NamedTuple


class Level(StrEnum):
    """How bad a finding is: with a problem something will not work; a warning asks for a look."""

    WARNING = "warning"
    PROBLEM = "problem"


class Finding(NamedTuple):
    """Something found amiss. ``id`` keeps its meaning for ever, so that scripts can rely on it."""

    id: str
    level: Level
    message: str
    hint: str


class Fact(NamedTuple):
    """Something found in order."""

    message: str


Findings = Iterator[Finding | Fact]
# Returns whether what was looked at can be worked with.
Verdict = Generator[Finding | Fact, None, bool]


def problem(number: str, message: str, hint: str) -> Finding:
    """A finding that something will not work."""
    return Finding(number, Level.PROBLEM, message, hint)


def warning(number: str, message: str, hint: str) -> Finding:
    """A finding that somebody should look at."""
    return Finding(number, Level.WARNING, message, hint)
