"""Small words that mails and digests share."""

from collections.abc import Sequence
from datetime import date

from tracker.rules.plan import Ask
from tracker.rules.providers import say_day

__all__ = ["hours_word", "join_words", "say_day", "say_month_day", "say_period", "word_for"]

# The activity whose name is an abbreviation, and can also be the topic of a training.
_SESSIONS = "rsc"


def join_words(words: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    if len(words) < 2:  # noqa: PLR2004 - one needs no joining
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"


def say_month_day(day: date, *, whole: bool = False) -> str:
    """A day without its year: ``31 Dec``, or ``31 December`` where ``whole``."""
    return f"{day.day} {day:%B}" if whole else f"{day.day} {day:%b}"


def say_period(first: date, last: date) -> str:
    """Both days, which both count: ``Monday 9 to Sunday 15 November 2026``."""
    if (first.year, first.month) == (last.year, last.month):
        return f"{first:%A} {first.day} to {last:%A} {last.day} {last:%B %Y}"
    year = "" if first.year == last.year else f" {first.year}"
    return f"{first:%A} {first.day} {first:%B}{year} to {last:%A} {last.day} {last:%B %Y}"


def word_for(ask: Ask) -> str:
    """What hours of a requirement are called in a few letters, as by `hours_word`."""
    return hours_word(ask.counts, ask.topic or "")


def hours_word(counts: str, topic: str) -> str:
    """What hours are called in a few letters: their topic, if any, ``RSC`` or ``training``."""
    if topic.lower() == _SESSIONS:
        # Not "RSC hours": those are held with a provider.
        return f"{topic} {counts}"
    return topic or (counts.upper() if counts == _SESSIONS else counts)
