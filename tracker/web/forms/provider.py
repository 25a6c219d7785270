"""Finds whom somebody means by a part of a name, or by one with a typing error in it."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import NamedTuple

from rapidfuzz import fuzz
from sqlmodel import Session

from tracker.formatting import format_date
from tracker.services.profile import get_person
from tracker.services.provider_choices import (
    Choice,
    credentials_of,
    may_name,
    names_used,
    provider_choices,
)
from tracker.web.forms.entry import SOMEONE_ELSE, FormSetting, Sent

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


_RECENT = 3
# Ids are this long at the most.
_DIGITS = 9
# What browsers offer while one types; 4 kB. Whoever is not among them is found all the same.
_MOST_OFFERED = 80


class Radio(NamedTuple):
    """One provider to tap; ``about`` tells them apart from others of the name, or is empty."""

    value: str
    name: str
    about: str


@dataclass(frozen=True, slots=True)
class Offer:
    """What the page offers: ``radios`` to tap, ``names`` while typing."""

    radios: tuple[Radio, ...]
    names: tuple[str, ...]


# A known provider's id, or the name of one nobody knows yet.
Named = tuple[int | None, str | None]


def name_provider(session: Session, setting: FormSetting, sent: Sent) -> Named:
    """Whom the form names; both None where that is not clear, which it then says."""
    chosen, typed = sent["provider"], sent["provider_name"]
    anew = bool(typed) and typed != sent["asked"]
    if chosen == SOMEONE_ELSE and not (anew and sent["asked"]):
        sent["asked"] = typed
        if not typed:
            sent.refuse("provider_name", "Enter the provider's name")
        return None, typed or None
    if chosen != SOMEONE_ELSE and chosen and not anew:
        return _chosen(session, setting, sent, chosen), None
    if not typed:
        sent.refuse("provider", "Choose who provided the session, or type part of their name")
        return None, None
    return _typed(session, setting, sent, "" if chosen == SOMEONE_ELSE else chosen)


def offer(session: Session, setting: FormSetting, sent: Sent) -> Offer:
    """Whom to offer: those asked about, else those logged with, and always who is chosen."""
    choices = provider_choices(session, setting.person_id, setting.rules)
    asked, chosen = sent["asked"], sent["provider"]
    recent = [choice for choice in choices if choice.last_on]
    shown = list(_fitting(find_provider(asked, choices))) if asked else recent[:_RECENT]
    shown += [c for c in choices if str(c.id) == chosen and c not in shown]
    last = recent[0].id if recent else None
    radios = _radios(session, setting, shown, last)
    if asked:
        radios.append(Radio(SOMEONE_ELSE, f"Somebody else: {asked}", ""))
    names = [c.name for c in recent] + names_used(session, setting.person_id)
    others = [c.name for c in choices if not c.last_on]
    # A list that stops in the middle of the alphabet would say that nobody comes after.
    names += others if len(others) + len(names) <= _MOST_OFFERED else []
    return Offer(tuple(radios), tuple(dict.fromkeys(names))[:_MOST_OFFERED])


def _chosen(session: Session, setting: FormSetting, sent: Sent, chosen: str) -> int | None:
    number = int(chosen) if chosen.isascii() and chosen.isdigit() and len(chosen) <= _DIGITS else 0
    if may_name(session, setting.person_id, setting.rules, number):
        return number
    sent.refuse("provider", "Choose a provider from the list")
    sent["provider"] = ""
    return None


def _typed(session: Session, setting: FormSetting, sent: Sent, chosen: str) -> Named:
    typed = sent["provider_name"]
    choices = provider_choices(session, setting.person_id, setting.rules)
    found = find_provider(typed, choices)
    sent["asked"] = typed
    if found.sure and chosen in {"", str(found.sure.id)}:
        sent["provider"] = str(found.sure.id)
        return found.sure.id, None
    if not chosen and plain(typed) in map(plain, names_used(session, setting.person_id)):
        sent["provider"] = SOMEONE_ELSE
        return None, typed
    if not chosen and _is_own(session, setting, typed, found):
        sent.refuse("provider", _own_name(typed))
        return None, None
    other = next((choice.name for choice in choices if str(choice.id) == chosen), "")
    sent["provider"] = chosen if other else ""
    sent.refuse("provider", _ask(typed, found, other))
    return None, None


def _ask(typed: str, found: Found, chosen: str) -> str:
    """What to ask about a name that does not say who is meant."""
    if chosen:
        return f"You chose {chosen} and typed “{typed}”: choose who it was"
    if found.more:
        return f"Many names fit “{typed}”: choose who it was, or type more of the name"
    if found.best:
        return f"“{typed}” is not quite clear: choose who it was"
    return f"Nobody we know is called “{typed}”: correct the name, or choose “Somebody else”"


def _is_own(session: Session, setting: FormSetting, typed: str, found: Found) -> bool:
    """Whether a name is one's own, of whom nobody else has it; a part of it fits nobody else."""
    name = get_person(session, setting.person_id).name
    own = find_provider(typed, [Choice(setting.person_id, name, None)]).sure
    return own is not None and (not found.best or plain(typed) == plain(name))


def _own_name(typed: str) -> str:
    return (
        f"Nobody but you is called “{typed}” here, and nobody provides RSC to themselves: correct "
        "the name, or choose “Somebody else” if another person is called so"
    )


def _fitting(found: Found) -> tuple[Choice, ...]:
    return (found.sure,) if found.sure else found.best


def _radios(
    session: Session, setting: FormSetting, shown: list[Choice], last: int | None
) -> list[Radio]:
    names = [plain(choice.name) for choice in shown]
    doubled = {c.id for c in shown if names.count(plain(c.name)) > 1}
    told = credentials_of(session, doubled, setting.associations) if doubled else {}
    radios = []
    for choice in shown:
        about = _about(choice.last_on, told.get(choice.id)) if choice.id in doubled else ""
        about = about or ("the last one" if choice.id == last else "")
        radios.append(Radio(str(choice.id), choice.name, about))
    return radios


def _about(last_on: date | None, told: str | None) -> str:
    """What tells one of several providers of a name apart."""
    seen = f"you logged with them on {format_date(last_on)}" if last_on else ""
    return ", ".join(filter(None, (told, seen)))
