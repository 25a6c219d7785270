"""Finds whom somebody means by a part of a name, or by one with a typing error in it."""

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from rapidfuzz import fuzz

from tracker.records.entries.provider_names import Choice

# A name is not taken for granted from fewer letters than these.
_FEWEST_LETTERS = 3
# Of 100: "Riuz" for "Ruiz" has 75. Below that a name is another one.
_ALIKE = 75.0
_MOST = 6
_BETWEEN_WORDS = re.compile(r"[\W_]+")


class Found(NamedTuple):
    """``sure`` is the only one who can be meant; else ``best`` are those who may be, best first.

    ``more`` fit, too, and are not among them.
    """

    sure: Choice | None
    best: tuple[Choice, ...]
    more: int = 0


def find_provider(typed: str, choices: Sequence[Choice]) -> Found:
    """Whom of ``choices`` (in their order, where several fit alike) was ``typed``."""
    words = plain(typed).split()
    if not words:
        return Found(None, ())
    exact = [choice for choice in choices if plain(choice.name).split() == words]
    fitting = exact or [choice for choice in choices if _begin(words, choice.name)]
    if len(fitting) == 1 and (exact or len("".join(words)) >= _FEWEST_LETTERS):
        return Found(fitting[0], ())
    if not fitting:
        fitting = _alike(words, choices)
    return Found(None, tuple(fitting[:_MOST]), max(0, len(fitting) - _MOST))


@lru_cache(maxsize=4096)
def plain(name: str) -> str:
    """A name as small letters without accents, its words parted by one space."""
    parts = unicodedata.normalize("NFKD", name.casefold())
    letters = "".join(letter for letter in parts if not unicodedata.combining(letter))
    return _BETWEEN_WORDS.sub(" ", letters).strip()


def _begin(words: Sequence[str], name: str) -> bool:
    """Whether each of the words begins a word of the name, no word of it twice."""
    left = plain(name).split()
    for word in sorted(words, key=len, reverse=True):
        match = next((part for part in left if part.startswith(word)), None)
        if match is None:
            return False
        left.remove(match)
    return True


def _alike(words: Sequence[str], choices: Sequence[Choice]) -> list[Choice]:
    scored = [(_score(words, plain(choice.name).split()), choice) for choice in choices]
    near = [(score, choice) for score, choice in scored if score >= _ALIKE]
    return [choice for _, choice in sorted(near, key=lambda each: -each[0])]


def _score(words: Sequence[str], parts: Sequence[str]) -> float:
    """How well the words fit their likest parts of a name, on the average, of 100."""
    best = [max((fuzz.ratio(word, part) for part in parts), default=0.0) for word in words]
    return sum(best) / len(best)
