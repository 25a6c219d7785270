"""Endorsements that end before their renewal is due: there is nothing to judge, but a last day."""

from collections.abc import Collection, Iterator
from datetime import date
from typing import Any, NamedTuple

from dateutil.relativedelta import relativedelta
from sqlmodel import Session, col, select

from tracker.db.ledgers import LAST_DAY
from tracker.db.people import Endorsement, Person, Renewal
from tracker.rulebooks import Rulebooks
from tracker.rules.cycles import Cycle
from tracker.rules.model import Rulebook
from tracker.services.evaluation import DayOf


class EndingEndorsement(NamedTuple):
    """An endorsement whose last day, ``ends_on``, is before the due date of its cycle.

    ``becomes`` are the categories of which it can become one before, if its term is limited.
    """

    endorsement_id: int
    name: str
    email: str
    association: str
    category: str
    ends_on: date
    due_on: date
    cycle: Cycle
    becomes: tuple[str, ...] = ()

    def has_ended(self, today: date) -> bool:
        """Whether the last day is over."""
        return self.ends_on < today


def list_endings(
    session: Session,
    rulebooks: Rulebooks,
    association: str,
    day_of: DayOf,
    *,
    cycle_day: date | None = None,
    endorsement_ids: Collection[int] | None = None,
) -> list[EndingEndorsement]:
    """Those that end in the cycle that contains ``cycle_day`` (default: today), by last day.

    They stay listed through the due date.
    """
    today = day_of(association)
    endings = _find_endings(session, rulebooks, association, cycle_day or today)
    chosen = filter(lambda ending: _is_chosen(ending, endorsement_ids), endings)
    return sorted(chosen, key=lambda ending: (ending.ends_on, ending.name, ending.endorsement_id))


def _is_chosen(ending: EndingEndorsement, endorsement_ids: Collection[int] | None) -> bool:
    return endorsement_ids is None or ending.endorsement_id in endorsement_ids


def _find_endings(
    session: Session, rulebooks: Rulebooks, association: str, day: date
) -> Iterator[EndingEndorsement]:
    rulebook = rulebooks.associations[association]
    found = session.exec(_select_ended(rulebook, day)).all()
    extended = _read_extensions(session, [row[0].id for row in found])
    for endorsement, ends_on, name, email in found:
        plan = rulebooks.plan(association, endorsement.category, endorsement.starts_on, day)
        cycle = plan.cycle if plan else None
        if cycle is None:
            continue
        due_on = extended.get((endorsement.id, cycle.starts_on), cycle.due_on)
        if cycle.starts_on <= ends_on < due_on:
            named = (endorsement.id, name, email, association, endorsement.category)
            becomes = rulebook.categories[endorsement.category].becomes
            yield EndingEndorsement(*named, ends_on, due_on, cycle, becomes)


def _select_ended(rulebook: Rulebook, day: date) -> Any:  # noqa: ANN401 - a Select of four columns
    longest = max((scheme.years for scheme in rulebook.cycles), default=0)
    # No cycle that contains the day begins earlier, unless a change of schemes lengthens it.
    days = [day, *(scheme.lengthens_on for scheme in rulebook.cycles if scheme.lengthens_on)]
    earliest = min(days) - relativedelta(years=longest)
    return (
        select(Endorsement, LAST_DAY, Person.name, Person.email)
        .join(Person)
        .where(
            Endorsement.association == rulebook.id,
            # What was removed after a lapse was due before.
            col(Endorsement.ended_as).is_(None),
            earliest <= LAST_DAY,
            col(Endorsement.starts_on) <= day,
        )
    )


def _read_extensions(session: Session, ids: list[int]) -> dict[tuple[int, date], date]:
    if not ids:
        return {}
    rows = session.exec(select(Renewal).where(col(Renewal.endorsement_id).in_(ids)))
    return {(r.endorsement_id, r.cycle_starts_on): r.extended_due_on for r in rows}
