"""Whom a rule touches: how many endorsees, applicants, and RSC providers."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from sqlmodel import Session, col, func, or_, select

from tracker.db.applications import UNDECIDED, Application
from tracker.db.ledgers import LAST_DAY, ProviderSpan
from tracker.db.log import Entry
from tracker.db.people import Endorsement, Person


@dataclass(frozen=True, slots=True)
class CategorySizes:
    """How many endorsements of each category are valid on a day, and undecided applications."""

    endorsements: Mapping[str, int]
    applications: Mapping[str, int]

    def count_endorsements(self, categories: Collection[str]) -> int:
        """How many endorsements these categories have."""
        return sum(self.endorsements.get(category, 0) for category in categories)

    def count_applications(self, categories: Collection[str]) -> int:
        """How many undecided applications these categories have."""
        return sum(self.applications.get(category, 0) for category in categories)


class LosingProvider(NamedTuple):
    """A provider whose sessions stop counting by a rule, and how many people that touches."""

    person_id: int
    name: str
    endorsees: int


def count_by_category(session: Session, association: str, today: date) -> CategorySizes:
    """Count an association's endorsements and undecided applications by category."""
    held = (
        select(Endorsement.category, func.count())
        .where(
            Endorsement.association == association,
            col(Endorsement.starts_on) <= today,
            or_(LAST_DAY.is_(None), today <= LAST_DAY),
        )
        .group_by(Endorsement.category)
    )
    applied = (
        select(Application.category, func.count())
        .where(Application.association == association, col(Application.state).in_(UNDECIDED))
        .group_by(Application.category)
    )
    return CategorySizes(dict(session.exec(held).all()), dict(session.exec(applied).all()))


def list_losing_providers(
    session: Session, association: str, rule: str, last_day: date, used_since: date
) -> list[LosingProvider]:
    """The providers who count through ``last_day`` by a rule of the association's.

    With how many of its endorsees had a session with them since ``used_since``, most first.
    """
    endorsees = func.count(func.distinct(Entry.person_id))
    query = (
        select(Person.id, Person.name, endorsees)
        .select_from(ProviderSpan)
        .join(Person, col(Person.id) == ProviderSpan.provider_id)
        .join(Entry, col(Entry.provider_id) == ProviderSpan.provider_id)
        .where(
            ProviderSpan.rule == f"{association}/{rule}",
            ProviderSpan.ends_on == last_day,
            Entry.activity == "rsc",
            col(Entry.held_on) >= used_since,
            col(Entry.person_id).in_(
                select(Endorsement.person_id).where(Endorsement.association == association)
            ),
        )
        .group_by(col(Person.id))
        .order_by(endorsees.desc(), Person.name)
    )
    return [LosingProvider(*row) for row in session.exec(query)]
