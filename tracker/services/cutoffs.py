"""Days ahead after which RSC providers of an association stop counting, and whom that concerns."""

from datetime import date
from typing import NamedTuple

from dateutil.relativedelta import relativedelta
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, or_, select

from tracker.db.ledgers import LAST_DAY, ProviderSpan
from tracker.db.log import Entry
from tracker.db.people import Endorsement, Person

# How far ahead the start page and the digest look.
_MONTHS_AHEAD = 18


class CutoffAhead(NamedTuple):
    """The last day on which some providers count.

    ``providers`` are names by the person's id; ``endorsees`` are the names of those who had
    sessions with them lately, by the endorsement's id, each person once: with the first one that
    has not ended.
    """

    last_day: date
    providers: dict[int, str]
    endorsees: dict[int, str]


def list_cutoffs(
    session: Session, association: str, first: date, recent_months: int
) -> list[CutoffAhead]:
    """The last days from ``first`` on of recent providers, the next one first.

    A provider is a recent one for ``recent_months`` after a session.
    """
    provider = aliased(Person)
    query = (
        select(  # type: ignore[call-overload]
            ProviderSpan.ends_on,
            provider.id,
            provider.name,
            Endorsement.id,
            Person.id,
            Person.name,
        )
        .select_from(ProviderSpan)
        .join(provider)
        .join(Entry, col(Entry.provider_id) == ProviderSpan.provider_id)
        .join(Endorsement, col(Endorsement.person_id) == Entry.person_id)
        .join(Person)
        .where(
            col(ProviderSpan.rule).like(f"{association}/%"),
            Endorsement.association == association,
            or_(LAST_DAY.is_(None), first <= LAST_DAY),
            Entry.activity == "rsc",
            Entry.held_on >= first - relativedelta(months=recent_months),
            col(ProviderSpan.ends_on).between(first, first + relativedelta(months=_MONTHS_AHEAD)),
        )
        .distinct()
        .order_by(ProviderSpan.ends_on, provider.name, Person.name, Endorsement.id)
    )
    cutoffs: dict[date, CutoffAhead] = {}
    touched: set[tuple[date, int]] = set()
    for last_day, provider_id, provider_name, *endorsee in session.exec(query):
        endorsement_id, person_id, name = endorsee
        cutoff = cutoffs.setdefault(last_day, CutoffAhead(last_day, {}, {}))
        cutoff.providers[provider_id] = provider_name
        if (last_day, person_id) not in touched:
            touched.add((last_day, person_id))
            cutoff.endorsees[endorsement_id] = name
    return list(cutoffs.values())
