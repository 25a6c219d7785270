"""People who may be one and the same: by address, or by a similar name.

Call it outside of the writing transaction: it compares with every name of an association.
"""

from collections.abc import Collection, Mapping
from typing import Literal, NamedTuple

from rapidfuzz import fuzz, process
from sqlmodel import Session, col, func, or_, select

from tracker.db.applications import Application
from tracker.db.corrections import FormerEmail
from tracker.db.people import Endorsement, Person, Vetting
from tracker.plain_text import plain_name, starts_words
from tracker.services.context import Actor
from tracker.services.endorsements import Endorsed, endorsements_of
from tracker.services.person_facts import is_on_desk

# Of 100, by rapidfuzz: the words in any order, with one or two letters changed.
_SIMILAR_NAME = 85.0
_MOST_SIMILAR = 5
_MOST_FOUND = 20
Likeness = Literal["email", "second email", "former email", "name"]


class SimilarPerson(NamedTuple):
    """A record that may be the same person, and in what it is alike.

    ``person`` is None for a person of other associations, of whom nothing is shown.
    """

    person_id: int
    likeness: Likeness
    person: Person | None
    endorsements: tuple[Endorsed, ...]

    @property
    def is_certain(self) -> bool:
        """Whether the address is that record's, so that a second one can't have it."""
        return self.likeness != "name"


def list_similar_people(
    session: Session, actor: Actor, name: str, email: str, associations: Collection[str]
) -> list[SimilarPerson]:
    """Records that may be the person with this name and address, the most certain first.

    Names are compared with those of the ``associations`` only.
    """
    found = dict[int, Likeness]()
    for likeness, person_id in list_holders(session, email):
        found.setdefault(person_id, likeness)
    if not any(likeness == "email" for likeness in found.values()):
        for person_id in _match_names(name, _list_names(session, associations)):
            found.setdefault(person_id, "name")
    return [_describe(session, actor, *each) for each in found.items()]


def _list_names(session: Session, associations: Collection[str]) -> dict[int, str]:
    """The names of an association's people as `plain_name` compares them, by id."""
    belonging = (Endorsement, Application, Vetting)
    ids = [
        select(each.person_id).where(col(each.association).in_(associations)) for each in belonging
    ]
    query = select(Person.id, Person.name).where(or_(*(col(Person.id).in_(each) for each in ids)))
    return {person_id: plain_name(name) for person_id, name in session.exec(query)}


def _match_names(name: str, names: Mapping[int, str]) -> list[int]:
    """The ids of those with a similar name, the most similar first."""
    matches = process.extract(
        plain_name(name),
        names,
        scorer=fuzz.token_sort_ratio,
        score_cutoff=_SIMILAR_NAME,
        limit=_MOST_SIMILAR,
    )
    return [person_id for _, _, person_id in matches]


def list_holders(session: Session, email: str) -> list[tuple[Likeness, int]]:
    """The ids of the people whose first, second, or former address this is, and which it is."""
    first = select(Person.id).where(Person.email == email)
    second = select(Person.id).where(func.lower(Person.second_email) == email)
    former = select(FormerEmail.person_id).where(FormerEmail.email == email)
    holders: list[tuple[Likeness, int]] = [("email", each) for each in session.exec(first)]
    holders += [("second email", each) for each in session.exec(second)]
    holders += [("former email", each) for each in session.exec(former)]
    return holders


def _describe(session: Session, actor: Actor, person_id: int, likeness: Likeness) -> SimilarPerson:
    if not is_on_desk(session, actor, person_id):
        return SimilarPerson(person_id, likeness, None, ())
    held = endorsements_of(session, person_id)
    own = tuple(each for each in held if each.association in actor.coordinates)
    return SimilarPerson(person_id, likeness, session.get_one(Person, person_id), own)


def search_people(
    session: Session, actor: Actor, text: str, without: Collection[int] = ()
) -> list[SimilarPerson]:
    """The actor's people whose name or an address has the text, by name; similar ones if none.

    ``without`` are ids to leave out.
    """
    names = _list_names(session, actor.coordinates)
    holders = {person_id for _, person_id in list_holders(session, text.strip().lower())}
    found = [
        person_id
        for person_id, name in sorted(names.items(), key=lambda item: item[1])
        if person_id not in without and (person_id in holders or starts_words(text, name))
    ]
    if not found:
        found = [each for each in _match_names(text, names) if each not in without]
    return [_describe(session, actor, person_id, "name") for person_id in found[:_MOST_FOUND]]
