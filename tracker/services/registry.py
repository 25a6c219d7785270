"""The public registry of an association: endorsees who agreed to be listed, and nobody else.

Every reader starts from the consents in force, so no search, filter, or count touches anyone else.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement
from sqlalchemy import select as select_columns
from sqlalchemy.orm import aliased
from sqlmodel import Session, and_, col, exists, func, or_, select

from tracker.db.ledgers import LAST_DAY, ProviderSpan, StandingRow
from tracker.db.people import Endorsement, Leave, Person
from tracker.db.registry import RegistryListing
from tracker.plain_text import plain_name, starts_words
from tracker.rulebooks import Rulebooks
from tracker.rules.model import Rulebook
from tracker.rules.registry import Registry
from tracker.services.provider_overview import RosterEntry, roster_entry_of
from tracker.services.rsc_providers import load_providers

# What makes up for a lapse, once its cycle is over.
_RENEWED = ("met", "excused")


class PublicStatus(StrEnum):
    """All that the public learns of an endorsement's status; never why it is not in force."""

    ENDORSED = "endorsed"
    NOT_ENDORSED = "not endorsed"


class ListedCategory(NamedTuple):
    """A category that a listed person holds or held, in words, with its id in the rulebook."""

    category: str
    name: str
    status: PublicStatus


@dataclass(frozen=True, slots=True)
class ListedPerson:
    """What a registry shows of a person; categories stand in the rulebook's order.

    ``person_id`` is for joining only, and never shown. ``takes_supervisees``: an RSC provider who
    is qualified today, is endorsed today, and takes new supervisees.
    """

    person_id: int
    name: str
    categories: tuple[ListedCategory, ...]
    takes_supervisees: bool


class RegistrySearch(NamedTuple):
    """What a visitor looks for: words of a name, a category's id, or any ("")."""

    name: str = ""
    category: str = ""
    takes_supervisees: bool = False


def find_open_registry(
    rulebooks: Rulebooks, association: str, today: date
) -> tuple[Rulebook, Registry] | None:
    """An association's rulebook and registry; None if the public has none to read on ``today``."""
    rulebook = rulebooks.associations.get(association)
    if rulebook is None or rulebook.registry is None or not rulebook.registry.is_open(today):
        return None
    return rulebook, rulebook.registry


def _is_in_force(today: date) -> ColumnElement[bool]:
    """That an endorsement that has begun is in force for the public on a day.

    It has not ended, it is not inactive, and its last renewal that is over has not lapsed. Leave
    changes nothing: nobody may conclude from the registry that someone is on leave.
    """
    is_valid = or_(LAST_DAY.is_(None), today <= LAST_DAY)
    is_inactive = exists().where(
        col(Leave.endorsement_id) == Endorsement.id,
        col(Leave.kind) == "inactive",
        col(Leave.starts_on) <= today,
        or_(col(Leave.ends_on).is_(None), col(Leave.ends_on) >= today),
    )
    later = aliased(StandingRow)
    is_renewed_since = exists().where(
        col(later.endorsement_id) == StandingRow.endorsement_id,
        col(later.cycle_starts_on) > StandingRow.cycle_starts_on,
        col(later.cycle_ends_on) < today,
        col(later.status).in_(_RENEWED),
    )
    has_lapsed = exists().where(
        col(StandingRow.endorsement_id) == Endorsement.id,
        col(StandingRow.status) == "lapsed",
        ~is_renewed_since,
    )
    return and_(is_valid, ~is_inactive, ~has_lapsed)


def list_registry(session: Session, rulebook: Rulebook, today: date) -> list[ListedPerson]:
    """Everyone whom an association's registry shows on ``today``, by name; one statement."""
    rows: dict[int, tuple[str, bool, dict[str, bool]]] = {}
    for person_id, name, takes, category, is_endorsed in session.connection().execute(
        _select_listed(rulebook.id, today)
    ):
        held = rows.setdefault(person_id, (name, bool(takes), {}))[2]
        held[category] = bool(is_endorsed or held.get(category))
    shows_former = rulebook.registry is not None and rulebook.registry.lists_former
    people = []
    for person_id, (name, takes, held) in rows.items():
        if shows_former or any(held.values()):
            categories = tuple(_name_categories(rulebook, held, shows_former=shows_former))
            person = ListedPerson(person_id, name, categories, takes and any(held.values()))
            people.append(person)
    return sorted(people, key=lambda person: (plain_name(person.name), person.person_id))


def _select_listed(association: str, today: date) -> Any:  # noqa: ANN401 - a Select of five columns
    qualifies = exists().where(
        col(ProviderSpan.provider_id) == Person.id,
        col(ProviderSpan.rule).startswith(f"{association}/"),
        col(ProviderSpan.starts_on) <= today,
        col(ProviderSpan.ends_on) >= today,
    )
    return (
        select_columns(
            col(Person.id),
            col(Person.name),
            and_(col(Person.takes_supervisees_since).is_not(None), qualifies),
            col(Endorsement.category),
            _is_in_force(today),
        )
        .select_from(RegistryListing)
        .join(Person)
        .join(
            Endorsement,
            and_(
                col(Endorsement.person_id) == Person.id,
                col(Endorsement.association) == RegistryListing.association,
            ),
        )
        .where(
            col(RegistryListing.association) == association,
            col(RegistryListing.withdrawn_at).is_(None),
            col(Endorsement.starts_on) <= today,
        )
    )


def _name_categories(
    rulebook: Rulebook, held: Mapping[str, bool], *, shows_former: bool
) -> Iterator[ListedCategory]:
    # Those that the rulebook no longer has come last.
    for category in dict.fromkeys([*rulebook.categories, *sorted(held)]):
        if category not in held:
            continue
        known = rulebook.categories.get(category)
        status = PublicStatus.ENDORSED if held[category] else PublicStatus.NOT_ENDORSED
        if shows_former or held[category]:
            yield ListedCategory(category, known.name if known else category, status)


def search_registry(people: Iterable[ListedPerson], wanted: RegistrySearch) -> list[ListedPerson]:
    """Those who match everything that is looked for, in the same order."""
    words = plain_name(wanted.name)
    found = []
    for person in people:
        has_name = not words or starts_words(wanted.name, person.name)
        held = {each.category for each in person.categories}
        has_category = not wanted.category or wanted.category in held
        if has_name and has_category and (person.takes_supervisees or not wanted.takes_supervisees):
            found.append(person)
    return found


def read_roster(
    session: Session, association: str, today: date, people: Sequence[ListedPerson]
) -> dict[int, RosterEntry]:
    """What the public may read of those who take new supervisees, by the person's id."""
    ids = {person.person_id for person in people if person.takes_supervisees}
    if not ids:
        return {}
    providers = load_providers(session, ids)
    rows = session.exec(select(Person).where(col(Person.id).in_(ids)))
    entries = {
        person.id: roster_entry_of(association, person, providers[person.id], today)
        for person in rows
    }
    return {number: entry for number, entry in entries.items() if entry is not None}


def count_listed(session: Session, association: str) -> int:
    """How many people agreed to be listed, whether or not the registry shows them today."""
    query = select(func.count()).where(
        col(RegistryListing.association) == association,
        col(RegistryListing.withdrawn_at).is_(None),
    )
    return session.exec(query).one()
