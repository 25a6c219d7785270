"""Which known people a provider's name can mean, for the coordinator who confirms it.

Comparing names takes time, so it is done before a transaction that writes.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import date
from typing import Any, NamedTuple

from rapidfuzz import fuzz, process
from sqlalchemy import ColumnElement, or_
from sqlmodel import Session, col, select

from tracker.db.applications import Application
from tracker.db.log import Entry
from tracker.db.people import Endorsement, Person, Vetting
from tracker.db.providers import OutsideEndorsement
from tracker.plain_text import plain_name, starts_words
from tracker.rulebooks import Rulebooks
from tracker.rules.providers import qualified_spans
from tracker.services.rsc_providers import credentials_of, load_providers, select_qualified

# Of 100, by rapidfuzz. "Petra Vail" for "Petra Vale" has 90.
_LIKELY, _SURE = 75.0, 88.0
_LEAD = 8.0
# What an abbreviation such as "P. Vale" has for "Petra Vale".
_ABBREVIATED = 92.0
_MOST = 6


class KnownPerson(NamedTuple):
    """A person whom an association's people could mean, with the name as names are compared."""

    id: int
    name: str
    key: str


class Match(NamedTuple):
    """A known person whom a name can mean; ``score`` is of 100.

    ``about`` is what they hold at the association, and ``counting`` how many of the sessions would
    count, both as of `describe_matches`.
    """

    id: int
    name: str
    score: float
    about: str = ""
    counting: int = 0


def list_known_people(
    session: Session, rulebooks: Rulebooks, association: str
) -> list[KnownPerson]:
    """Everyone whom `is_known_person` allows, by name."""
    query = select(Person.id, Person.name).where(_is_known(rulebooks, association))
    people = [KnownPerson(number, name, plain_name(name)) for number, name in session.exec(query)]
    return sorted(people, key=lambda person: (person.key, person.id))


def is_known_person(
    session: Session, rulebooks: Rulebooks, association: str, person_id: int
) -> bool:
    """Whether an association's coordinator can link a name to a person without their address.

    Those who belong to the association, whom its people have named before, and the RSC providers
    who qualify under its rules: any of its endorsees could choose these on the form.
    """
    known = select(Person.id).where(Person.id == person_id, _is_known(rulebooks, association))
    return session.exec(known).first() is not None


def _is_known(rulebooks: Rulebooks, association: str) -> ColumnElement[bool]:
    rules = [name for name, (whose, _) in rulebooks.provider_rules.items() if whose == association]
    held = select(Endorsement.person_id).where(Endorsement.association == association)
    used = select(col(Entry.provider_id)).where(col(Entry.person_id).in_(held))
    ids: list[Any] = [
        held,
        select(Vetting.person_id).where(Vetting.association == association),
        select(Application.person_id).where(Application.association == association),
        select(OutsideEndorsement.person_id).where(OutsideEndorsement.known_to == association),
        used,
        select_qualified(rules),
    ]
    return or_(*(col(Person.id).in_(each) for each in ids))


def match_name(
    name: str, people: Sequence[KnownPerson], left_out: Collection[int] = ()
) -> list[Match]:
    """The people whom a name can mean, the most likely first; at most six.

    ``left_out`` are those who can't be meant, such as the endorsee who wrote it.
    """
    key = plain_name(name)
    choices = {number: person.key for number, person in enumerate(people)}
    likely = process.extract(
        key, choices, scorer=fuzz.token_sort_ratio, score_cutoff=_LIKELY, limit=None
    )
    scores = {number: score for _, score, number in likely}
    last_word = key.rpartition(" ")[2]
    for number, person in enumerate(people):
        # Most are told apart by this alone.
        if last_word in person.key and _abbreviates(key, person.key):
            scores[number] = max(scores.get(number, 0.0), _ABBREVIATED)
    matches = []
    for number, score in scores.items():
        if people[number].id not in left_out:
            matches.append(Match(people[number].id, people[number].name, score))
    return sorted(matches, key=lambda match: (-match.score, match.name, match.id))[:_MOST]


def find_clear_match(matches: Sequence[Match]) -> Match | None:
    """The only person who is likely meant; None if there is none, or more than one."""
    if not matches or matches[0].score < _SURE:
        return None
    is_alone = len(matches) == 1 or matches[0].score - matches[1].score >= _LEAD
    return matches[0] if is_alone else None


def is_similar_name(one: str, other: str) -> bool:
    """Whether two names are likely one person's."""
    first, second = plain_name(one), plain_name(other)
    if _abbreviates(first, second) or _abbreviates(second, first):
        return True
    return fuzz.token_sort_ratio(first, second) >= _LIKELY


def list_similar_names(key: str, others: Iterable[str]) -> list[str]:
    """Those of other plain names that may be another spelling of one."""
    return [other for other in others if other != key and is_similar_name(key, other)]


def search_people(words: str, people: Sequence[KnownPerson]) -> list[Match]:
    """The people whose name has the words that were searched for; at most twelve."""
    found = [person for person in people if starts_words(words, person.name)]
    matches = [Match(person.id, person.name, 0.0) for person in found[: _MOST * 2]]
    return matches or match_name(words, people)


def describe_matches(
    session: Session,
    rulebooks: Rulebooks,
    association: str,
    matches: Iterable[Match],
    days: Sequence[date],
) -> list[Match]:
    """The matches with what each holds, and how many sessions of these days would count."""
    found = list(matches)
    ids = {match.id for match in found}
    about = credentials_of(session, ids, {association})
    described = []
    for match in found:
        provider = load_providers(session, {match.id})[match.id]
        spans = []
        for whose, rule in rulebooks.provider_rules.values():
            if whose == association:
                spans += qualified_spans(association, rule, provider)
        counting = sum(any(s.starts_on <= day <= s.ends_on for s in spans) for day in days)
        described.append(match._replace(about=about.get(match.id, ""), counting=counting))
    return described


def _abbreviates(short: str, long: str) -> bool:
    """Whether a name can be another one with initials or without some of its words.

    The last word must be whole: "p vale" and "petra vale", but not "petra v".
    """
    words, whole = short.split(), long.split()
    if len(words) == 1 or words[-1] not in whole:
        return False
    places = [_find_place(word, whole) for word in words]
    found = [place for place in places if place is not None]
    in_order = len(found) == len(words) and found == sorted(found)
    return in_order and starts_words(short, long)


def _find_place(word: str, whole: Sequence[str]) -> int | None:
    for number, other in enumerate(whole):
        if other.startswith(word):
            return number
    return None
